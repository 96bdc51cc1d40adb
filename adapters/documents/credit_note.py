"""The credit note of a refund, which corrects a receipt: subject, text and HTML in German or English."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.documents.languages import Language
from adapters.documents.plain_text import one_line
from adapters.documents.postal_addresses import address_lines
from adapters.documents.seller import Seller
from adapters.documents.templating import RENDERER_VERSION, card_brand, environment, language_of
from domain.tax import TaxCategory
from services.ports import CreditNoteContent
from services.vault_records import CreditNoteDocument

TEMPLATE_VERSION: Final = "credit_note.2"
"""Changes with any byte that a credit note would show; a test holds the bytes of each version."""


class CreditNoteTemplates:
    """services.ports.CreditNoteRenderer, as adapters.documents.receipt makes receipts."""

    template_version: str = TEMPLATE_VERSION
    renderer_version: str = RENDERER_VERSION

    def __init__(self, seller: Seller) -> None:
        """`seller` is who the document is from."""
        self._seller = seller

    def render(self, content: CreditNoteContent) -> CreditNoteDocument:
        """See services.ports.CreditNoteRenderer.

        Raises ValueError for another locale, for a currency that the ledger doesn't know, and for totals of which net
        and tax are not the gross: such a document must not get a number.
        """
        language = language_of(content.locale)
        if content.totals.net + content.totals.tax != content.totals.gross:
            message = f"net and tax of credit note {content.credit_note_number} are not its gross"
            raise ValueError(message)
        templates, shown = environment(content.locale), self._shown(content, language)
        return CreditNoteDocument(
            subject=templates.get_template("credit_note.subject.j2").render(shown).strip(),
            text=templates.get_template("credit_note.txt.j2").render(shown),
            html=templates.get_template("credit_note.html.j2").render(shown),
        )

    def _shown(self, content: CreditNoteContent, language: Language) -> Mapping[str, Any]:
        """What the templates may name. Free text is brought to one line here, so that none can pose as another."""
        return {
            "language": language.code,
            "money": lambda minor_units: language.money(minor_units, content.currency),
            "seller": self._seller,
            "seller_address": address_lines(self._seller.address, language.country(self._seller.country)),
            "credit_note_number": one_line(content.credit_note_number),
            "receipt_number": one_line(content.receipt_number),
            "order_number": one_line(content.order_number),
            "account_number": one_line(content.account_number),
            "issued_on": content.issued_on,
            "buyer_name": one_line(content.legal_name.name),
            "buyer_contact": one_line(content.billing_contact.name),
            "buyer_address": address_lines(content.billing_address, language.country(content.billing_address.country)),
            "buyer_vat_id": one_line(content.vat_id or ""),
            "totals": content.totals,
            "reverse_charge": content.tax_category is TaxCategory.REVERSE_CHARGE,
            "tax_country": content.tax_country,
            "tax_rate_basis_points": content.tax_rate_basis_points,
            "reason": content.reason,
            "card_kind": content.payment_method.kind.value,
            "card_brand": card_brand(content.payment_method.brand),
            "card_last_four": one_line(content.payment_method.last_four),
        }
