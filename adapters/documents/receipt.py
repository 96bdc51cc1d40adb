"""The receipt of a paid order, which is its invoice, too: subject, text, HTML and PDF in German or English."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from adapters.documents.languages import Language
from adapters.documents.pdf import PDF_VERSION, pdf_of
from adapters.documents.plain_text import one_line
from adapters.documents.postal_addresses import address_lines
from adapters.documents.seller import Seller
from adapters.documents.templating import RENDERER_VERSION, card_brand, environment, language_of
from domain.pricing import QuoteLine, totals
from domain.tax import TaxCategory
from services.ports import ReceiptContent
from services.vault_records import ReceiptDocument

TEMPLATE_VERSION: Final = "receipt.2"
"""Changes with any byte that a receipt would show; a test holds the bytes of each version."""


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
    renderer_version: str = f"{RENDERER_VERSION}+{PDF_VERSION}"

    def __init__(self, seller: Seller) -> None:
        """`seller` is who the document is from."""
        self._seller = seller

    def render(self, content: ReceiptContent) -> ReceiptDocument:
        """See services.ports.ReceiptRenderer.

        Raises ValueError for another locale, for a currency that the ledger doesn't know, and for totals that are not
        the sum of the lines: such a document must not get a number.
        """
        language = language_of(content.locale)
        if content.totals != totals(content.lines):
            message = f"the totals of receipt {content.receipt_number} are not the sum of its lines"
            raise ValueError(message)
        templates = environment(content.locale)
        shown = self._shown(content, language)
        return ReceiptDocument(
            subject=templates.get_template("receipt.subject.j2").render(shown).strip(),
            text=templates.get_template("receipt.txt.j2").render(shown),
            html=templates.get_template("receipt.html.j2").render(shown),
            pdf=pdf_of(templates.get_template("receipt.typ.j2").render(shown)),
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
            "card_brand": card_brand(content.payment_method.brand),
            "card_last_four": one_line(content.payment_method.last_four),
        }
