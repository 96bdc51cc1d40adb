"""What Corporate Account Services looks at: why an order stands on its list, what happened, and what to do."""

from enum import StrEnum


class Care(StrEnum):
    """Why something is on the list."""

    ORDER_DELAYED = "order_delayed"
    ORDER_OVERDUE = "order_overdue"
    PAYMENT_UNKNOWN = "payment_unknown"
    NOT_PAID = "not_paid"
    SEATS_REJECTED = "seats_rejected"
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood"
    REFUND_FAILED = "refund_failed"
    RECEIPT_UNDELIVERABLE = "receipt_undeliverable"
    NOTICE_UNDELIVERABLE = "notice_undeliverable"
    PARKED = "parked"

    @property
    def happened(self) -> str:
        """What happened, in a sentence."""
        return _WORDS[self][0]

    @property
    def to_do(self) -> str:
        """What to do about it, in a sentence or two."""
        return _WORDS[self][1]


_WORDS = {
    Care.ORDER_DELAYED: (
        "The order is nearly 24 hours old and not completed.",
        "Look at what it waits for. Release seats that don't come, or ask the customer to pay.",
    ),
    Care.ORDER_OVERDUE: (
        "The order is more than 24 hours old and not completed; the customer was told.",
        "Find out what it waits for. Release seats that don't come, or cancel it: by itself it never is.",
    ),
    Care.PAYMENT_UNKNOWN: (
        "The payment gateway did not say what became of a payment.",
        "Nothing at first: the gateway is asked again, by the payment's id. Call the provider if that takes hours.",
    ),
    Care.NOT_PAID: (
        "Nobody paid in time. An order without seats is called off by itself; one with seats stays to be paid.",
        "If seats are there, ask the customer for another card; the order can still be paid.",
    ),
    Care.SEATS_REJECTED: (
        "The provisioning system refused seats, or they were released; nobody is charged for them.",
        "Find out why, tell the customer, and close the entry. A new quote can order the seats again.",
    ),
    Care.ANSWER_NOT_UNDERSTOOD: (
        "A counterparty answered what doesn't fit what it was asked; nothing was booked from it.",
        "Compare its books with the order's events, have it put right there, then close the entry.",
    ),
    Care.REFUND_FAILED: (
        "The payment gateway refused to give the money back.",
        "Ask the provider why, then ask for the refund again or pay it another way and close the entry.",
    ),
    Care.RECEIPT_UNDELIVERABLE: (
        "The receipt can't be delivered to the billing contact.",
        "Get the right address, change the billing contact, and have the receipt sent again.",
    ),
    Care.NOTICE_UNDELIVERABLE: (
        "A mail about an order or a quote can't be delivered to the billing contact.",
        "Get the right address and change the billing contact; call the customer if it is urgent.",
    ),
    Care.PARKED: (
        "A part of Seatledger could not take an event of the account. What it shows or works off for it stands still.",
        "Tell the operators: `seatledger parked show` says what is wrong, `seatledger parked retry` goes on after it.",
    ),
}
