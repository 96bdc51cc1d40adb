"""Jinja2 as the documents use it: a language's words and formats as filters, and nothing undefined passes."""

from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from adapters.documents.languages import Language
from adapters.documents.pdf import literal
from adapters.documents.plain_text import figures, labelled, one_line, paragraph, ruled
from domain.pricing import Term

RENDERER_VERSION: Final = f"jinja2-{version('jinja2')}+babel-{version('babel')}"
"""What beside the templates decides about the bytes: the formats of CLDR come with Babel."""

LOCALES: Final = ("de", "en")

# As the gateway calls them, and as their owners do.
_BRANDS: Final = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_australia": "eftpos",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "unknown": "",
    "visa": "Visa",
}


def card_brand(brand: str) -> str:
    """The brand as its owner writes it; empty if it isn't known, and on one line if the gateway made it up."""
    return _BRANDS.get(brand, one_line(brand))


@cache
def language_of(locale: str) -> Language:
    """Raises ValueError for a locale that no document is written in."""
    if locale not in LOCALES:
        message = f"no document in {locale!r}, only in {' and '.join(LOCALES)}"
        raise ValueError(message)
    return Language(locale)


@cache
def environment(locale: str) -> Environment:
    """The environment of one language, each template compiled once; whose name ends with html.j2 is escaped."""
    language = language_of(locale)
    templates = Environment(
        loader=PackageLoader("adapters.documents"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    templates.policies["ext.i18n.trimmed"] = True
    # The extension adds this method at run time.
    templates.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    templates.filters |= {
        "country": language.country,
        "day": language.day,
        "last_day": _last_day,
        "long_day": language.long_day,
        "number": language.number,
        "one_line": one_line,
        "paragraph": paragraph,
        "percent": language.percent,
        "typst": literal,
    }
    templates.globals |= {"figures": figures, "labelled": labelled, "ruled": ruled}
    return templates


def _last_day(term: Term) -> date:
    return term.end - timedelta(days=1)
