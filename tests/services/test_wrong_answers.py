"""Whatever a counterparty answers wrong is recorded once and put before a person; nothing is booked from it or lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.payments.sandbox import MovementKind
from domain.care import Care
from domain.envelope import Actor, Role
from domain.order import OrderState
from domain.subscription import Subscription
from services.fulfilment import UnexpectedAnswer
from services.ports import CounterpartyError, ProvisioningResult, ProvisioningStatus
from tests.world import MEETING, World

CARE = Actor("p-care", Role.ACCOUNT_SERVICES)
GROSS = 44898
CALLED_OFF = "customer_request"

ON_THE_WAY = [
    *(
        (point, behaviour)
        for point in ("payments.create_intent", "payments.retrieve", "payments.confirm", "payments.capture")
        for behaviour in ("wrong", "other_currency", "unknown_status", "other_order")
        # How a new intent stands, and its name, are only believed once it was asked for by that name: see below.
        if (point, behaviour)
        not in {("payments.create_intent", "unknown_status"), ("payments.create_intent", "other_order")}
    ),
    ("provisioning.set_seats", "wrong"),
    ("provisioning.set_seats", "unknown_status"),
    ("provisioning.set_seats", "other_order"),
    ("admin_directory.ensure_seats", "wrong"),
]

DONE_AT_ONCE = {"payments.confirm", "payments.void", "admin_directory.ensure_seats"}
"""Done though it was told wrong, so the next turn finds it so and does not ask for it again."""


async def _movements(world: World) -> list[tuple[MovementKind, int]]:
    return [(each.kind, each.amount) for each in await world.payments.movements()]


async def _is_before_a_person_once(world: World) -> None:
    assert await world.care() == [Care.ANSWER_NOT_UNDERSTOOD]
    assert world.types().count("AnswerNotUnderstood.v1") == 1


async def _not_understood(world: World) -> None:
    with pytest.raises(UnexpectedAnswer):
        await world.work()


@pytest.mark.parametrize(("point", "behaviour"), ON_THE_WAY)
async def test_a_wrong_answer_on_the_way_is_recorded_and_the_order_goes_on_with_the_right_one(
    world: World, point: str, behaviour: str
) -> None:
    order_id = await world.placed()
    times = 1 if point in DONE_AT_ONCE else 2
    await world.script.plan(point, "before", behaviour, times=times)
    for _ in range(times):
        await _not_understood(world)
        await _is_before_a_person_once(world)
        order = await world.order(order_id)
        assert order.state not in {OrderState.COMPLETED, OrderState.CANCELLED, OrderState.PAYMENT_DECLINED}
        assert len(world.todo.entries()) == 1, "it is asked again"
    await world.work()
    order = await world.order(order_id)
    assert (order.state, order.attempts, order.captured_amount) == (OrderState.COMPLETED, 1, GROSS)
    assert await _movements(world) == [(MovementKind.AUTHORISED, GROSS), (MovementKind.CAPTURED, GROSS)]
    assert [each.seats for each in await world.provisioning.subscriptions()] == [12]
    assert (await world.the(Subscription, MEETING)).seats == 12
    assert world.types().count("ReceiptIssued.v1") == 1
    await _is_before_a_person_once(world)
    await world.ordering.close_care_entry(order_id, Care.ANSWER_NOT_UNDERSTOOD, world.context(CARE))
    assert await world.care() == []


async def test_money_is_never_held_on_an_intent_of_another_amount(world: World) -> None:
    """The intent is looked at before it is confirmed, not only after."""
    order_id = await world.placed()
    await world.script.plan("payments.confirm", "before", "unavailable")
    with pytest.raises(CounterpartyError):
        await world.work()
    await _falsified(world, order_id, amount=1)
    await _not_understood(world)
    assert await _movements(world) == []


async def test_an_intent_that_the_gateway_lost_is_a_persons_to_settle(world: World) -> None:
    await world.placed()
    await world.script.plan("payments.create_intent", "before", "other_order")
    for _ in range(2):
        await _not_understood(world)
    await _is_before_a_person_once(world)
    assert await _movements(world) == []


@pytest.mark.parametrize(
    "changed",
    [{"external_reference": None}, {"status": ProvisioningStatus.REJECTED}, {"seats": 11}, {"seats": None}],
)
async def test_seats_told_in_contradictions_are_neither_charged_nor_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    order_id = await world.placed()
    truly = world.provisioning.set_seats

    async def contradicting(*arguments: Any) -> ProvisioningResult:
        return replace(await truly(*arguments), **changed)

    monkeypatch.setattr(world.provisioning, "set_seats", contradicting)
    await _not_understood(world)
    order = await world.order(order_id)
    assert (order.state, order.outcomes) == (OrderState.AUTHORISED, {})
    await _is_before_a_person_once(world)
    monkeypatch.undo()
    await world.work()
    assert (await world.order(order_id)).state is OrderState.COMPLETED


@pytest.mark.parametrize("behaviour", ["wrong", "other_currency", "unknown_status", "other_order"])
@pytest.mark.parametrize("point", ["payments.retrieve", "payments.void"])
async def test_a_wrong_answer_while_an_order_is_called_off_leaves_it_to_be_called_off(
    world: World, point: str, behaviour: str
) -> None:
    order_id = await _called_off(world)
    times = 1 if point in DONE_AT_ONCE else 2
    await world.script.plan(point, "before", behaviour, times=times)
    for _ in range(times):
        await _not_understood(world)
        await _is_before_a_person_once(world)
        assert (await world.order(order_id)).state is OrderState.AUTHORISED
    await world.work()
    await _is_off_and_nobody_paid(world, order_id)


@pytest.mark.parametrize("behaviour", ["unknown_status", "other_order"])
async def test_an_answer_about_the_call_that_is_shut_out_must_fit_too(world: World, behaviour: str) -> None:
    order_id = await _called_off(world)
    await world.script.plan("provisioning.set_seats", "before", behaviour)
    await _not_understood(world)
    await _is_before_a_person_once(world)
    await world.work()
    await _is_off_and_nobody_paid(world, order_id)


async def test_more_seats_than_were_left_by_an_order_that_is_off_are_a_persons_to_settle(world: World) -> None:
    order_id = await _called_off(world)
    await world.script.plan("provisioning.set_seats", "before", "wrong")
    await _not_understood(world)
    await _is_before_a_person_once(world)
    assert (await world.order(order_id)).state is OrderState.AUTHORISED


@pytest.mark.parametrize("behaviour", ["wrong", "unknown_status", "other_order"])
async def test_an_old_call_that_is_answered_wrong_neither_charges_nor_frees_anybody(
    world: World, behaviour: str
) -> None:
    order_id = await _provisioned_and_called_off(world)
    await world.script.plan("provisioning.answer_to", "before", behaviour)
    await _not_understood(world)
    await _is_before_a_person_once(world)
    assert (await world.order(order_id)).outcomes == {}
    await world.work()
    order = await world.order(order_id)
    assert (order.state, order.captured_amount) == (OrderState.COMPLETED, GROSS), "the seats are there: they are paid"


async def test_an_old_call_that_is_under_way_still_is_shut_out(world: World) -> None:
    order_id = await _provisioned_and_called_off(world)
    await world.script.plan("provisioning.answer_to", "before", "pending")
    await world.work()
    await _is_off_and_nobody_paid(world, order_id)
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]


async def test_a_release_believes_no_wrong_answer(world: World) -> None:
    order_id = await _called_off(world)
    await world.script.plan("provisioning.set_seats", "before", "other_order")
    with pytest.raises(UnexpectedAnswer):
        await world.ordering.release(order_id, MEETING, world.context(CARE))
    assert isinstance(world.events.recorded[-1].event, Subscription.SeatChangeReleaseBegun)
    assert (await world.order(order_id)).unsettled_lines


async def test_a_hold_that_is_told_in_unknown_words_is_not_taken_for_lapsed(world: World) -> None:
    order_id = await _stuck(world)
    await _falsified(world, order_id, status="action_required")
    world.clock.move(timedelta(days=6, hours=1))
    await _not_understood(world)
    await _is_before_a_person_once(world)
    assert (await world.order(order_id)).state is OrderState.AUTHORISED


async def test_a_hold_that_may_not_have_been_given_back_is_not_given_up(world: World) -> None:
    order_id = await _stuck(world)
    world.clock.move(timedelta(days=6, hours=1))
    await world.script.plan("payments.void", "before", "unknown_status")
    await _not_understood(world)
    assert (await world.order(order_id)).state is OrderState.AUTHORISED
    assert "PaymentVoided.v1" not in world.types()


async def test_a_hold_that_the_gateway_says_still_stands_was_not_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await _called_off(world)
    monkeypatch.setattr(world.payments, "void", world.payments.retrieve)
    await _not_understood(world)
    await _is_before_a_person_once(world)
    assert (await world.order(order_id)).state is OrderState.AUTHORISED


async def test_a_next_payment_is_not_begun_on_an_intent_of_another_amount(world: World) -> None:
    order_id = await world.placed()
    await world.script.plan("payments.create_intent", "before", "reject")
    await world.work()
    await world.script.plan("payments.create_intent", "before", "wrong")
    before = len(world.events.recorded)
    with pytest.raises(UnexpectedAnswer):
        await world.ordering.pay(order_id, world.context())
    assert len(world.events.recorded) == before
    await world.ordering.pay(order_id, world.context())
    await world.work()
    assert (await world.order(order_id)).state is OrderState.COMPLETED


async def _stuck(world: World) -> UUID:
    """An order whose money is held and whose seats don't come."""
    order_id = await world.placed()
    await world.script.plan("provisioning.set_seats", "before", "unavailable")
    with pytest.raises(CounterpartyError):
        await world.work()
    return order_id


async def _called_off(world: World) -> UUID:
    order_id = await _stuck(world)
    await world.ordering.cancel(order_id, CALLED_OFF, world.context(CARE))
    return order_id


async def _provisioned_and_called_off(world: World) -> UUID:
    """The seats came, the answer did not, and then it was called off."""
    order_id = await world.placed()
    await world.script.plan("provisioning.set_seats", "after", "timeout")
    with pytest.raises(CounterpartyError):
        await world.work()
    await world.ordering.cancel(order_id, CALLED_OFF, world.context(CARE))
    return order_id


async def _is_off_and_nobody_paid(world: World, order_id: UUID) -> None:
    assert (await world.order(order_id)).state is OrderState.CANCELLED
    assert await _movements(world) == [(MovementKind.AUTHORISED, GROSS), (MovementKind.VOIDED, GROSS)]
    subscription = await world.the(Subscription, MEETING)
    assert (subscription.seats, subscription.seat_change) == (10, None)


async def _falsified(world: World, order_id: UUID, **changed: object) -> None:
    """Have the gateway's own page of the order's intent say something else."""
    attempt = (await world.order(order_id)).attempt
    assert attempt
    async with world.books.entry("payments.ledger", attempt.intent_id) as page:
        assert changed.keys() <= page.keys()
        page.update(changed)
