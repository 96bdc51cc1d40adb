"""How a page of the portal is made: its templates in the reader's language, and the headers that keep it harmless."""

import hashlib
import secrets
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from adapters.documents.templating import card_brand
from adapters.http.portal.states import RESTRICTIONS, told, told_of
from adapters.http.portal.words import LANGUAGES, Reader, language
from adapters.http.problems import HELP
from domain.pricing import Term
from domain.products import Product
from services.authorisation import Operation

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'{elsewhere}; base-uri 'none'; frame-ancestors 'none'"
)
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

ASSETS: Final = {
    each.name: (each.read_bytes(), _TYPES[each.name.rpartition(".")[2]])
    for each in files("adapters.http.portal").joinpath("assets").iterdir()
}
"""Style, script and marks by name, with their media types."""

_DIGESTS: Final = {name: hashlib.sha256(content).hexdigest()[:12] for name, (content, _) in ASSETS.items()}


def asset(name: str) -> str:
    """Where an asset is, under an address that changes with it, so that a browser may keep it for ever."""
    return f"/portal/assets/{name}?v={_DIGESTS[name]}"


def digest_of(name: str) -> str:
    """What an asset's address must name for the browser to keep it."""
    return _DIGESTS[name]


@pass_context
def _instant(context: Context, at: datetime) -> str:
    reader: Reader = context["reader"]
    return reader.instant(at)


@pass_context
def _day_of(context: Context, at: datetime) -> str:
    reader: Reader = context["reader"]
    return reader.day(at)


def product_title(code: str) -> str:
    """What customers call a product; one that isn't supported keeps its code."""
    return Product(code).title if code in set(Product) else code


def last_day(term: Term) -> date:
    """The last day of a term, which its end is not."""
    return term.end - timedelta(days=1)


@cache
def _environment(code: str) -> Environment:
    words = language(code)
    environment = Environment(
        loader=PackageLoader("adapters.http.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(words.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        money=words.money,
        day=words.day,
        long_day=words.long_day,
        percent=words.percent,
        number=words.number,
        country=words.country,
        product=product_title,
        brand=card_brand,
        last_day=last_day,
        instant=_instant,
        day_of=_day_of,
    )
    environment.globals.update(
        restrictions=RESTRICTIONS,
        asset=asset,
        told=told,
        told_of=told_of,
        Operation=Operation,
        languages=LANGUAGES,
        help_url=HELP["url"],
        one_time_key=one_time_key,
    )
    return environment


def one_time_key() -> str:
    """A form's Idempotency-Key: whatever a browser sends twice with it has one effect."""
    return secrets.token_urlsafe(24)


def rendered(template: str, reader: Reader, **values: Any) -> str:
    """A template's text in the reader's language."""
    return _environment(reader.language.code).get_template(template).render(values, reader=reader)


def page(
    request: Request,
    template: str,
    reader: Reader,
    status: int = 200,
    *,
    forms_to: str = "",
    **values: Any,
) -> Response:
    """A whole page. `forms_to`: another origin that its forms may lead to, as a payment gateway's."""
    framed: dict[str, Any] = {
        "account": None,
        "csrf_token": None,
        "may": frozenset(),
        "staff": False,
        "here": request.url.path,
    }
    html = rendered(f"{template}.html.j2", reader, **(framed | values))
    return Response(
        html,
        status,
        {
            "Content-Security-Policy": _POLICY.format(elsewhere=f" {forms_to}" if forms_to else ""),
            "Content-Language": reader.language.code,
            "Cache-Control": "no-store",
            # With no-referrer a browser sends its own forms with "Origin: null", which tells nobody's from ours.
            "Referrer-Policy": "same-origin",
            "Vary": "Accept-Language, Cookie",
        },
        "text/html",
    )
