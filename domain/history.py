"""Every event class by its stored name, and how a stream of events becomes the aggregate it tells of."""

from collections.abc import Iterable
from typing import Final, TypeVar

from domain.account import BillingAccount
from domain.credit_notes import CreditNoteSeries
from domain.ledger import LedgerAggregate, LedgerEvent
from domain.order import ServiceOrder
from domain.quote import Quote
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription

AGGREGATES: Final = (BillingAccount, Subscription, Quote, ServiceOrder, ReceiptSeries, CreditNoteSeries)

EVENT_CLASSES: Final[dict[str, type[LedgerEvent]]] = {
    member.TOPIC: member
    for aggregate in AGGREGATES
    for member in vars(aggregate).values()
    if isinstance(member, type) and issubclass(member, LedgerAggregate.Event) and hasattr(member, "TOPIC")
}
"""Stored name (`QuoteIssued.v1`) to class. A name once here stays for ever."""

SomeAggregate = TypeVar("SomeAggregate", bound=LedgerAggregate)


def topic_of(event: LedgerEvent) -> str:
    """The stored name of the event's class."""
    return event.TOPIC  # type: ignore[attr-defined,no-any-return]  # the library declares no TOPIC; ours all have one


def replayed(kind: type[SomeAggregate], events: Iterable[LedgerEvent]) -> SomeAggregate | None:
    """The aggregate after these events, in order from the first; None for none. Raises TypeError for another kind's."""
    aggregate: SomeAggregate | None = None
    for event in events:
        aggregate = event.mutate(aggregate)
    if aggregate is not None and not isinstance(aggregate, kind):
        message = f"a stream of {type(aggregate).__name__}, not of {kind.__name__}"
        raise TypeError(message)
    return aggregate
