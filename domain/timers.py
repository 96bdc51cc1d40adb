"""What the clock alone makes happen, by name: a timer's entry on the list, and what is done when it is due."""

from enum import StrEnum


class Timer(StrEnum):
    """What a timer is for."""

    EXPIRE_QUOTE = "expire_quote"
    QUOTE_EXPIRES_SOON = "quote_expires_soon"
    ORDER_DELAYED = "order_delayed"
    ORDER_OVERDUE = "order_overdue"
    PAYMENT_DEADLINE = "payment_deadline"
    END_SUBSCRIPTION = "end_subscription"
