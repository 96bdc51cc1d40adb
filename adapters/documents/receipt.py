"""The receipt of a paid order, which is its invoice, too: subject, text and HTML in German or English."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from operator import itemgetter
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from adapters.documents.languages import Language
from adapters.documents.plain_text import figures, labelled, one_line, paragraph, ruled
from adapters.documents.postal_addresses import address_lines
from adapters.documents.seller import Seller
from domain.pricing import QuoteLine, Term, totals
from domain.tax import TaxCategory
from services.ports import ReceiptContent
from services.vault_records import ReceiptDocument

TEMPLATE_VERSION: Final = "receipt.1"
"""Changes with any byte that a receipt would show; a test holds the bytes of each version."""

RENDERER_VERSION: Final = f"jinja2-{version('jinja2')}+babel-{version('babel')}"
"""What else decides about the bytes: the formats of CLDR come with Babel."""

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


@dataclass(frozen=True, slots=True)
class TaxSubtotal:
    """What is taxed alike; amounts in minor units, rate in basis points."""

    category: TaxCategory
    country: str
    rate_basis_points: int
    net: int
    tax: int

    @property
    def reverse_charge(self) -> bool:
        """Whether the buyer accounts for the tax."""
        return self.category is TaxCategory.REVERSE_CHARGE


def tax_subtotals(lines: Iterable[QuoteLine]) -> tuple[TaxSubtotal, ...]:
    """Net and tax by category, country and rate (VAT Directive 2006/112/EC art. 226 (8)), highest rate first."""
    groups: dict[tuple[int, str, TaxCategory], list[QuoteLine]] = {}
    for line in lines:
        groups.setdefault((-line.tax_rate_basis_points, line.tax_country, line.tax_category), []).append(line)
    return tuple(
        TaxSubtotal(category, country, -rate, sum(line.net for line in alike), sum(line.tax for line in alike))
        for (rate, country, category), alike in sorted(groups.items(), key=itemgetter(0))
    )


class ReceiptTemplates:
    """services.ports.ReceiptRenderer, with Jinja2, gettext catalogues and the formats of CLDR."""

    template_version: str = TEMPLATE_VERSION
    renderer_version: str = RENDERER_VERSION

    def __init__(self, seller: Seller) -> None:
        """Read templates and catalogues once; rendering touches no file."""
        self._seller = seller
        self._languages = {code: Language(code) for code in LOCALES}
        self._templates = {code: _environment(language) for code, language in self._languages.items()}

    def render(self, content: ReceiptContent) -> ReceiptDocument:
        """See services.ports.ReceiptRenderer.

        Raises ValueError for another locale, for a currency that the ledger doesn't know, and for totals that are not
        the sum of the lines: such a document must not get a number.
        """
        if content.locale not in self._languages:
            message = f"no receipt in {content.locale!r}, only in {' and '.join(LOCALES)}"
            raise ValueError(message)
        if content.totals != totals(content.lines):
            message = f"the totals of receipt {content.receipt_number} are not the sum of its lines"
            raise ValueError(message)
        templates = self._templates[content.locale]
        shown = self._shown(content, self._languages[content.locale])
        return ReceiptDocument(
            subject=templates.get_template("receipt.subject.j2").render(shown).strip(),
            text=templates.get_template("receipt.txt.j2").render(shown),
            html=templates.get_template("receipt.html.j2").render(shown),
        )

    def _shown(self, content: ReceiptContent, language: Language) -> Mapping[str, Any]:
        """What the templates may name. Free text is brought to one line here, so that none can pose as another."""
        return {
            "language": language.code,
            "money": lambda minor_units: language.money(minor_units, content.currency),
            "seller": self._seller,
            "seller_address": address_lines(self._seller.address, language.country(self._seller.country)),
            "receipt_number": one_line(content.receipt_number),
            "order_number": one_line(content.order_number),
            "account_number": one_line(content.account_number),
            "purchase_order": one_line(content.purchase_order or ""),
            "issued_on": content.issued_on,
            "buyer_name": one_line(content.legal_name.name),
            "buyer_contact": one_line(content.billing_contact.name),
            "buyer_address": address_lines(content.billing_address, language.country(content.billing_address.country)),
            "buyer_vat_id": one_line(content.vat_id or ""),
            "lines": content.lines,
            "tax_subtotals": tax_subtotals(content.lines),
            "totals": content.totals,
            "card_kind": content.payment_method.kind.value,
            "card_brand": _BRANDS.get(content.payment_method.brand, one_line(content.payment_method.brand)),
            "card_last_four": one_line(content.payment_method.last_four),
        }


def _last_day(term: Term) -> date:
    return term.end - timedelta(days=1)


def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("adapters.documents"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The extension adds this method at run time.
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {
        "country": language.country,
        "day": language.day,
        "last_day": _last_day,
        "long_day": language.long_day,
        "number": language.number,
        "one_line": one_line,
        "paragraph": paragraph,
        "percent": language.percent,
    }
    environment.globals |= {"figures": figures, "labelled": labelled, "ruled": ruled}
    return environment
