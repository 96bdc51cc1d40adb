"""What the plain model remembers of one account: its quotes, orders, subscriptions, and the gateway's money."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NoReturn

from tests.model.amounts import tax_on


class Refused(Exception):
    """The model would refuse the command with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refuse(code: str) -> NoReturn:
    raise Refused(code)


@dataclass
class PlainLine:
    subscription: str
    seats: int
    unit_price: int
    start: date
    end: date
    net: int
    outcome: str | None = None

    @property
    def tax(self) -> int:
        return tax_on(self.net)

    @property
    def gross(self) -> int:
        return self.net + self.tax


@dataclass
class PlainSubscription:
    name: str
    start: date
    end: date
    unit_price: int = 22800
    seats: int = 10
    state: str = "Active"
    on_order: tuple[str, int] | None = None
    """The order's name and how many seats it adds."""

    def must_take_seats(self, today: date) -> None:
        if self.state != "Active" or today >= self.end:
            refuse("SUBSCRIPTION_ENDING")
        if self.on_order:
            refuse("SEAT_CHANGE_PENDING")


@dataclass
class PlainQuote:
    name: str
    by_sales_rep: bool
    lines: list[PlainLine]
    valid_until: datetime
    state: str = "Open"

    def must_be_open(self, now: datetime) -> None:
        if self.state != "Open":
            refuse("QUOTE_NOT_OPEN")
        if now >= self.valid_until:
            refuse("QUOTE_EXPIRED")


@dataclass(eq=False)
class PlainOrder:
    """An order has the name of its quote. `held_until` is when the gateway gives the hold back by itself."""

    name: str
    lines: list[PlainLine]
    state: str = "Prepared"
    card: str = "tok_visa"
    due: datetime | None = None
    called_off: bool = False
    held: int = 0
    held_until: datetime | None = None
    pay_until: datetime | None = None
    waits_since: int = 0
    captured: int = 0
    refunded: int = 0
    refund_due: int = 0
    receipt: str | None = None
    delayed: bool = False
    overdue: bool = False
    care: set[str] = field(default_factory=set)

    @property
    def with_seats(self) -> list[PlainLine]:
        return [line for line in self.lines if line.outcome == "provisioned"]

    @property
    def unanswered(self) -> list[PlainLine]:
        return [line for line in self.lines if line.outcome is None]

    @property
    def wanted(self) -> int:
        """What a card must hold: all that was not refused."""
        return sum(line.gross for line in self.lines if line.outcome != "rejected")

    @property
    def is_under_way(self) -> bool:
        return self.state not in {"Prepared", "Completed", "Cancelled"}

    @property
    def is_off(self) -> bool:
        """Nobody has seats by it, and nobody will."""
        return (self.called_off or not self.unanswered) and not self.with_seats

    @property
    def is_payable(self) -> bool:
        return self.state == "PaymentDeclined" and not self.is_off

    def gateway_holds(self, now: datetime) -> int:
        return self.held if self.held_until and now < self.held_until else 0
