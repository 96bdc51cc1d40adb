"""What the order's page says of an order in each state, without a database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.http.portal.progress import STANDINGS, Standing, decline_reason, is_late, is_over, steps_of
from adapters.http.portal.states import DECLINED_OTHERWISE, DECLINES
from domain.order import LineOutcome, OrderState
from projections.fold import RowKey
from projections.portal import OrderRow, orders, portal
from tests.world import ASSIST, MEETING, NOON, World


@pytest.fixture
async def order() -> OrderRow:
    """A placed order of two lines."""
    world = World()
    await world.customer()
    id = await world.placed((MEETING, 3), (ASSIST, 1))
    rows: dict[RowKey, Any] = {}
    for recorded in world.events.recorded:
        portal.apply(rows, recorded)
    row: OrderRow = rows[RowKey(orders.name, id)]
    return row


def standings(order: OrderRow) -> str:
    """One letter a step: done, now, ahead, ill, off."""
    return "".join(step.standing.name[0] for step in steps_of(order))


@pytest.mark.parametrize(
    ("state", "outcomes", "shown"),
    [
        (OrderState.PLACED, "", "DNAAAA"),
        (OrderState.AUTHORISED, "", "DDNNAA"),
        (OrderState.AUTHORISED, "p", "DDDNAA"),
        (OrderState.PROVISIONED, "pp", "DDDDNA"),
        (OrderState.PARTLY_PROVISIONED, "pr", "DDDINA"),
        (OrderState.CAPTURED, "pp", "DDDDDN"),
        (OrderState.COMPLETED, "pr", "DDDIDN"),
        (OrderState.PAYMENT_DECLINED, "", "DIAAAA"),
        (OrderState.PAYMENT_ACTION_REQUIRED, "", "DNAAAA"),
        (OrderState.PAYMENT_UNKNOWN, "", "DNAAAA"),
        (OrderState.CANCELLED, "", "DOOOO"),
    ],
)
def test_each_state_shows_how_far_the_order_is(order: OrderRow, state: str, outcomes: str, shown: str) -> None:
    became = {"p": LineOutcome.PROVISIONED.value, "r": LineOutcome.REJECTED.value}
    settled = {line.subscription_id: became[each] for line, each in zip(order.lines, outcomes, strict=False)}
    assert standings(replace(order, state=state, outcomes=settled)) == shown


def test_the_receipt_that_was_sent_is_the_last_step(order: OrderRow) -> None:
    done = {line.subscription_id: LineOutcome.PROVISIONED.value for line in order.lines}
    sent = replace(order, state=OrderState.COMPLETED, outcomes=done, receipt_sent=True)
    assert standings(sent) == "DDDDDD"
    assert is_over(sent)
    assert not is_over(order)
    assert is_over(replace(order, state=OrderState.CANCELLED))


def test_every_standing_has_a_word_for_those_who_do_not_see_colours() -> None:
    assert set(STANDINGS) == set(Standing)


def test_an_order_is_late_after_its_24_hours_and_not_once_it_is_done_or_called_off(order: OrderRow) -> None:
    assert order.due_at == NOON + timedelta(hours=24)
    assert not is_late(order, NOON + timedelta(hours=23))
    assert is_late(order, NOON + timedelta(hours=24))
    assert is_late(replace(order, overdue=True), NOON)
    assert not is_late(replace(order, completed_at=NOON), NOON + timedelta(hours=25))
    assert not is_late(replace(order, state=OrderState.CANCELLED, overdue=True), NOON + timedelta(hours=25))
    assert not is_late(replace(order, due_at=None), NOON)


def test_a_decline_has_its_reason_in_words_or_says_that_there_is_none_to_tell(order: OrderRow) -> None:
    assert decline_reason(order) == ""
    assert decline_reason(replace(order, decline_code="expired_card")) == DECLINES["expired_card"]
    assert decline_reason(replace(order, decline_code="lost_card")) == DECLINED_OTHERWISE
