"""What the pages of the sandbox look like: templates, formats, and the headers that keep them harmless."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.documents.languages import Language
from domain.products import Product

_ENGLISH: Final = Language("en")

_SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

_PAGE: Final = {
    **_SAFE,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_FORM: Final = {name: value.replace("form-action 'none'", "form-action 'self'") for name, value in _PAGE.items()}
_MAIL: Final = {
    **_SAFE,
    # A mail may hold anything: it gets its inline styles and no right to run, load or lead elsewhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups",
}
ASSETS: Final = {
    name: (files("adapters.http.sandbox_pages").joinpath("assets", name).read_bytes(), kind)
    for name, kind in {"sandbox.css": "text/css", "sandbox.js": "text/javascript", "mark.svg": "image/svg+xml"}.items()
}


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _seats(count: int | None) -> str:
    return "\N{EN DASH}" if count is None else _ENGLISH.number(count)


def _product(code: str) -> str:
    return Product(code).title if code in set(Product) else code


_environment = Environment(
    loader=PackageLoader("adapters.http.sandbox_pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.filters.update(instant=_instant, money=_ENGLISH.money, seats=_seats, product=_product)


def page(template: str, values: Mapping[str, Any], status: int = 200, *, forms: bool = False) -> Response:
    """A page of the sandbox from `templates/{template}.html.j2`; `forms`: it may send some, to this site alone."""
    html = _environment.get_template(f"{template}.html.j2").render(values)
    return Response(html, status, media_type="text/html", headers=_FORM if forms else _PAGE)


def mail_body(html: str) -> Response:
    """A mail's HTML part as a document of its own, locked up."""
    return Response(html, media_type="text/html", headers=_MAIL)


def plain(text: str | bytes, media_type: str = "text/plain") -> Response:
    """Text, or what is shown to programs as it is."""
    return Response(text, media_type=media_type, headers=_SAFE)
