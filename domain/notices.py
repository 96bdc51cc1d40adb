"""What a customer is told by mail beside the receipt, and which event asks for it."""

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """What the mail is about."""

    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    LINES_REJECTED = "lines_rejected"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_OVERDUE = "order_overdue"
    CREDIT_NOTE = "credit_note"
    QUOTE_EXPIRES_SOON = "quote_expires_soon"


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that is due once. `reference` tells it from others of its kind: the attempt, or a credit note's number."""

    kind: NoticeKind
    reference: str = ""

    @property
    def work(self) -> str:
        """The name of its entry on the to-do list."""
        return f"notice:{self.kind}:{self.reference}"
