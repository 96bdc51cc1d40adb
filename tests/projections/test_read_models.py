"""The read models, folded from histories that the services made and from the stored payload of every event."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from domain.envelope import Actor, Recorded, Role
from domain.history import EVENT_CLASSES
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import OrderState
from domain.quote import QuoteState
from domain.timers import Timer
from projections.catalogue import PROJECTIONS
from projections.fold import Projection, RowKey
from projections.fulfilment_todo import fulfilment_todo
from projections.portal import AccountRow, OrderRow, QuoteRow, SubscriptionRow, portal
from projections.receipts_todo import receipts_todo
from projections.timers import timers
from tests.world import ACCOUNT, ASSIST, MEETING, World

STORED = Path(__file__).parents[1] / "stored_events"
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def rows_of(projection: Projection, events: tuple[Recorded, ...]) -> dict[RowKey, Any]:
    """The rows that are there after these events."""
    rows: dict[RowKey, Any] = {}
    for event in events:
        projection.apply(rows, event)
    return {key: row for key, row in rows.items() if row is not None}


def stored(topic: str) -> LedgerEvent:
    """The event of the stored payload."""
    event: LedgerEvent = TypeAdapter(EVENT_CLASSES[topic]).validate_json((STORED / f"{topic}.json").read_bytes())
    return event


def recorded(event: LedgerEvent, position: int = 1) -> Recorded:
    """The event with an envelope."""
    id = UUID(int=position)
    return Recorded(position, 0, 0, id, id, NOON, Actor("p", Role.OPERATOR), None, id, id, None, event)


@pytest.fixture
async def completed() -> tuple[World, UUID]:
    """An order that went all the way."""
    world = World()
    await world.customer()
    order = await world.placed()
    await world.work()
    await world.send()
    return world, order


async def test_the_portal_shows_what_the_aggregates_know(completed: tuple[World, UUID]) -> None:
    world, order_id = completed
    rows = rows_of(portal, world.events.recorded)
    order: OrderRow = rows[RowKey("orders", order_id)]
    aggregate = await world.order(order_id)
    assert (order.state, order.version, order.captured, order.gross) == (
        OrderState.COMPLETED,
        aggregate.version,
        aggregate.captured_amount,
        aggregate.totals.gross,
    )
    assert (order.receipt_sent, order.receipt_number) == (True, aggregate.receipt_number)
    quote: QuoteRow = rows[RowKey("quotes", order.quote_id)]
    assert (quote.state, quote.order_id) == (QuoteState.ACCEPTED, order_id)
    subscription: SubscriptionRow = rows[RowKey("subscriptions", MEETING)]
    assert (subscription.seats, subscription.seats_on_order, subscription.order_id) == (12, 0, None)
    account: AccountRow = rows[RowKey("accounts", ACCOUNT)]
    assert (account.open_quote_id, account.restriction) == (None, None)
    assert len([key for key in rows if key.table == "timeline"]) == len(world.events.recorded)
    assert len([key for key in rows if key.table == "receipts"]) == 1


async def test_a_superseded_quote_names_its_successor() -> None:
    world = World()
    await world.customer()
    first = await world.quote()
    second = await world.quote((ASSIST, 1), replaces=first)
    rows = rows_of(portal, world.events.recorded)
    ended: QuoteRow = rows[RowKey("quotes", first)]
    assert (ended.state, ended.superseded_by, ended.ended_at) == ("ExpiredBySupersession", second, world.clock.at)


async def test_lists_and_timers_are_empty_when_all_is_done(completed: tuple[World, UUID]) -> None:
    world, _ = completed
    for projection in (fulfilment_todo, receipts_todo, timers):
        assert rows_of(projection, world.events.recorded) == {}


async def test_a_placed_order_is_to_be_worked_on_and_has_its_clock() -> None:
    world = World()
    await world.customer()
    order = await world.placed()
    todo = rows_of(fulfilment_todo, world.events.recorded)
    assert [row.subject_id for row in todo.values()] == [order]
    due = {row.work: row.due_at for row in rows_of(timers, world.events.recorded).values()}
    assert due == {
        Timer.ORDER_DELAYED: world.clock.at + timedelta(hours=20),
        Timer.ORDER_OVERDUE: world.clock.at + timedelta(hours=24),
    }


async def test_an_open_quote_has_a_timer_for_its_end() -> None:
    world = World()
    await world.customer()
    await world.quote()
    due = {row.work: row.due_at for row in rows_of(timers, world.events.recorded).values()}
    assert due == {
        Timer.EXPIRE_QUOTE: world.clock.at + timedelta(days=30),
        Timer.QUOTE_EXPIRES_SOON: world.clock.at + timedelta(days=27),
    }


@pytest.mark.parametrize("topic", sorted(EVENT_CLASSES))
@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_every_event_version_ever_stored_can_be_folded(projection: Projection, topic: str) -> None:
    event = stored(topic)
    first = next(iter(_created_by(event)), None)
    rows: dict[RowKey, Any] = {}
    if first is not None:
        projection.apply(rows, recorded(first))
    projection.apply(rows, recorded(event, 2))
    for row in rows.values():
        assert getattr(row, "version", event.originator_version) == event.originator_version


def _created_by(event: LedgerEvent) -> list[LedgerEvent]:
    """The event that began the stream, moved to the stream of `event`."""
    kind = type(event).__qualname__.partition(".")[0]
    created = {
        "BillingAccount": "AccountOpened.v1",
        "Subscription": "SubscriptionStarted.v1",
        "Quote": "QuoteIssued.v1",
        "ServiceOrder": "ServiceOrderPrepared.v1",
        "ReceiptSeries": "ReceiptSeriesOpened.v1",
        "CreditNoteSeries": "CreditNoteSeriesOpened.v1",
    }[kind]
    begun = stored(created)
    if type(begun) is type(event):
        return []
    return [type(begun)(**{**vars(begun), "originator_id": event.originator_id, "originator_version": 1})]


def test_a_declined_order_waits_until_its_deadline_and_leaves_the_list() -> None:
    declined = stored("PaymentDeclined.v1")
    placed = stored("OrderPlaced.v1")
    placed = type(placed)(**{**vars(placed), "originator_id": declined.originator_id})
    events = (recorded(placed, 1), recorded(declined, 2))
    assert rows_of(fulfilment_todo, events) == {}
    due = rows_of(timers, events)
    assert RowKey("entries", work_id(declined.originator_id, Timer.PAYMENT_DEADLINE)) in due


def test_a_started_attempt_keeps_an_order_on_the_list_once() -> None:
    placed, started = stored("OrderPlaced.v1"), stored("PaymentAttemptStarted.v1")
    started = type(started)(**{**vars(started), "originator_id": placed.originator_id})
    rows = rows_of(fulfilment_todo, (recorded(placed, 1), recorded(started, 2)))
    assert [row.position for row in rows.values()] == [1]


async def test_an_order_of_two_lines_is_provisioned_when_both_are() -> None:
    world = World()
    await world.customer()
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.work()
    states: list[str] = []
    rows: dict[RowKey, Any] = {}
    for each in world.events.recorded:
        portal.apply(rows, each)
        row: OrderRow | None = rows.get(RowKey("orders", order))
        if row and (not states or states[-1] != row.state):
            states.append(row.state)
    assert states == ["Prepared", "Placed", "Authorised", "Provisioned", "Captured", "Completed"]
    assert set(rows[RowKey("orders", order)].outcomes.values()) == {"provisioned"}
