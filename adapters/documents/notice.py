"""The mails that are not documents, one template of words a kind: subject, text and HTML in German or English."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.documents.languages import Language
from adapters.documents.plain_text import one_line
from adapters.documents.postal_addresses import address_lines
from adapters.documents.seller import Seller
from adapters.documents.templating import card_brand, environment, language_of
from domain.calendar import business_day
from domain.notices import NoticeKind
from services.ports import Letter, NoticeContent

_SECURE: Final = ("https://", "http://127.0.0.1:", "http://localhost:")
"""How a link begins that a reader is sent to; the sandbox bank's page is on the reader's own machine."""

_GOOD: Final = frozenset({NoticeKind.LINES_REJECTED, NoticeKind.QUOTE_EXPIRES_SOON})
"""The kinds whose badge has good news."""


class NoticeTemplates:
    """services.ports.NoticeRenderer. `notice.KIND.j2` has a kind's words: subject, heading, badge, then paragraphs."""

    def __init__(self, seller: Seller) -> None:
        """`seller` is who the document is from."""
        self._seller = seller

    def render(self, content: NoticeContent) -> Letter:
        """See services.ports.NoticeRenderer.

        Raises ValueError for another locale, a currency that the ledger doesn't know, and a credit note, which is a
        document of its own. A link that is not secure is left out.
        """
        language = language_of(content.locale)
        if content.kind is NoticeKind.CREDIT_NOTE:
            message = "a credit note is a document, not a notice"
            raise ValueError(message)
        templates, shown = environment(content.locale), self._shown(content, language)
        words = templates.get_template(f"notice.{content.kind}.j2").render(shown)
        # Sections end with a blank line. No text from outside can make one: each was brought to one line.
        subject, heading, badge, *paragraphs = (one_line(section) for section in words.split("\n\n") if section.strip())
        shown = {**shown, "subject": subject, "heading": heading, "badge": badge, "paragraphs": paragraphs}
        return Letter(
            subject=subject,
            text=templates.get_template("notice.txt.j2").render(shown),
            html=templates.get_template("notice.html.j2").render(shown),
        )

    def _shown(self, content: NoticeContent, language: Language) -> Mapping[str, Any]:
        """What the templates may name."""
        card = content.payment_method
        until = content.until
        return {
            "language": language.code,
            "kind": content.kind.value,
            "good": content.kind in _GOOD,
            "seller": self._seller,
            "seller_address": address_lines(self._seller.address, language.country(self._seller.country)),
            "number": one_line(content.number),
            "account_number": one_line(content.account_number),
            "buyer_name": one_line(content.legal_name.name),
            "contact_name": one_line(content.contact.name),
            "amount": language.money(content.amount, content.currency),
            "until": until,
            "until_day": language.long_day(business_day(until, content.time_zone)) if until else "",
            "until_time": language.time(until, content.time_zone) if until else "",
            "link": one_line(content.link) if content.link and content.link.startswith(_SECURE) else "",
            "reason": content.reason or "",
            "lines": content.lines,
            "provisioned": content.provisioned,
            "rejected": content.rejected,
            "card_brand": card_brand(card.brand) if card else "",
            "card_last_four": one_line(card.last_four) if card else "",
        }
