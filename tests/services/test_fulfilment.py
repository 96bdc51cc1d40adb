"""A placed order carried out, with every kind of answer from outside."""

from datetime import timedelta

import pytest

from adapters.payments.sandbox import MovementKind
from domain.order import LineOutcome, OrderState, ServiceOrder
from domain.subscription import Subscription
from services.fulfilment import StillWaiting, UnexpectedAnswer
from services.ports import CounterpartyUnavailable, OutcomeUnknown
from services.working import ClaimLost
from tests.world import ASSIST, JONAS, MEETING, World

STRAIGHT = [
    "PaymentAttemptStarted.v1",
    "PaymentAuthorised.v1",
    "AdminContactAssigned.v1",
    "OrderLineProvisioned.v1",
    "SeatsProvisioned.v1",
    "AdminSeatsAssigned.v1",
    "PaymentCaptured.v1",
    "ReceiptSeriesOpened.v1",
    "OrderCompleted.v1",
    "ReceiptIssued.v1",
]


async def _charges(world: World) -> list[int]:
    return [m.amount for m in await world.payments.movements() if m.kind is MovementKind.CAPTURED]


async def test_the_straight_way(world: World) -> None:
    order_id = await world.placed()
    before = len(world.events.recorded)
    await world.work()
    assert world.types(before) == STRAIGHT
    order = await world.order(order_id)
    assert (order.state, order.captured_amount, order.totals.gross) == (OrderState.COMPLETED, 44898, 44898)
    assert await _charges(world) == [44898]
    assert (await world.the(Subscription, MEETING)).seats == 12
    assert [each.seats for each in await world.provisioning.subscriptions()] == [12]
    assert [(each.email, each.products) for each in await world.directory.admins()] == [(JONAS.email, ["goto_meeting"])]
    assert world.todo.entries() == []


async def test_without_an_admin_contact_nobody_is_assigned(world: World) -> None:
    await world.placed(admin=False)
    before = len(world.events.recorded)
    await world.work()
    assert world.types(before) == [each for each in STRAIGHT if not each.startswith("Admin")]


async def test_an_order_of_two_lines_is_charged_once(world: World) -> None:
    order_id = await world.placed((MEETING, 2), (ASSIST, 5))
    await world.work()
    order = await world.order(order_id)
    assert await _charges(world) == [order.totals.gross]


@pytest.mark.parametrize(
    "point",
    [
        "payments.create_intent",
        "payments.retrieve",
        "payments.confirm",
        "admin_directory.ensure_admin",
        "provisioning.set_seats",
        "admin_directory.ensure_seats",
        "payments.capture",
    ],
)
@pytest.mark.parametrize(
    ("moment", "behaviour"), [("before", "unavailable"), ("before", "timeout"), ("after", "timeout")]
)
async def test_a_call_that_fails_is_made_good_by_the_next_try(
    world: World, point: str, moment: str, behaviour: str
) -> None:
    order_id = await world.placed()
    await world.script.plan(point, moment, behaviour)
    with pytest.raises((CounterpartyUnavailable, OutcomeUnknown)):
        await world.work()
    await world.work()
    order = await world.order(order_id)
    assert order.state is OrderState.COMPLETED
    assert order.attempts == 1, "never a second intent"
    assert await _charges(world) == [44898]
    assert [each.seats for each in await world.provisioning.subscriptions()] == [12]
    assert world.types().count("ReceiptIssued.v1") == 1


async def test_an_unknown_payment_is_recorded_once_and_asked_by_its_id(world: World) -> None:
    order_id = await world.placed()
    await world.script.plan("payments.retrieve", "before", "timeout", times=2)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await world.work()
    assert (await world.order(order_id)).state is OrderState.PAYMENT_UNKNOWN
    assert world.types().count("PaymentOutcomeUnknown.v1") == 1
    await world.work()
    assert (await world.order(order_id)).state is OrderState.COMPLETED


async def test_a_declined_card_leaves_the_order_waiting_and_off_the_list(world: World) -> None:
    await world.accounts.select_payment_method(
        (await world.order(await world.placed())).account_id, "tok_visa", world.context()
    )
    await world.work()
    prepared = await world.prepared((ASSIST, 1))
    changed = await world.ordering.change_payment_method(prepared.id, prepared.version, "tok_declined", world.context())
    await world.ordering.place(world.placing(prepared.id, changed.version), world.context())
    await world.work()
    assert (await world.order(prepared.id)).state is OrderState.PAYMENT_DECLINED
    assert world.todo.entries() == []
    assert (await world.the(Subscription, ASSIST)).seats == 10


async def test_an_action_required_waits_for_the_cards_holder(world: World) -> None:
    prepared = await world.prepared()
    changed = await world.ordering.change_payment_method(
        prepared.id, prepared.version, "tok_action_required", world.context()
    )
    await world.ordering.place(world.placing(prepared.id, changed.version), world.context())
    with pytest.raises(StillWaiting):
        await world.work()
    order = await world.order(prepared.id)
    assert order.state is OrderState.PAYMENT_ACTION_REQUIRED
    assert len(world.todo.entries()) == 1, "the bank is asked until the holder has acted"
    assert order.attempt is not None
    await world.payments.complete_action(order.attempt.intent_id, approve=True)
    await world.work()
    assert (await world.order(prepared.id)).state is OrderState.COMPLETED


async def test_a_rejected_line_is_not_charged(world: World) -> None:
    order_id = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.script.plan("provisioning.set_seats", "before", "reject")
    await world.work()
    order = await world.order(order_id)
    assert list(order.outcomes.values()).count(LineOutcome.REJECTED) == 1
    assert order.state is OrderState.COMPLETED
    (line,) = order.provisioned_lines
    assert await _charges(world) == [line.gross]


async def test_nothing_provisioned_is_nothing_charged(world: World) -> None:
    order_id = await world.placed()
    await world.script.plan("provisioning.set_seats", "before", "reject")
    await world.work()
    order = await world.order(order_id)
    assert order.state is OrderState.CANCELLED
    assert [m.kind for m in await world.payments.movements()] == [MovementKind.AUTHORISED, MovementKind.VOIDED]
    subscription = await world.the(Subscription, MEETING)
    assert (subscription.seats, subscription.seat_change) == (10, None)


async def test_a_line_whose_seat_change_was_released_counts_as_rejected(world: World) -> None:
    order_id = await world.placed()
    streams = await world.events.load(MEETING)
    subscription = streams.require(Subscription, MEETING)
    subscription.release_seats(order_id, "stuck", world.clock.at)
    await world.events.append(subscription, context=world.context())
    await world.work()
    assert (await world.order(order_id)).state is OrderState.CANCELLED
    assert await world.provisioning.subscriptions() == []


async def test_a_capture_that_the_gateway_refuses_is_recorded(world: World) -> None:
    order_id = await world.placed()

    async def until_capture() -> None:
        if (await world.order(order_id)).admin_has_seats:
            world.clock.move(timedelta(days=8))  # the hold ends before the capture

    await world.work(until_capture)
    order = await world.order(order_id)
    assert order.state is OrderState.PAYMENT_DECLINED
    assert await _charges(world) == []


async def test_a_worker_that_lost_its_claim_stops_before_the_next_call(world: World) -> None:
    await world.placed()

    async def lost() -> None:
        raise ClaimLost

    before = len(world.events.recorded)
    with pytest.raises(ClaimLost):
        await world.work(lost)
    assert len(world.events.recorded) == before


async def test_an_order_that_is_done_is_left_alone(world: World) -> None:
    await world.placed()
    claim = await world.claimed(world.todo)
    await world.fulfilment.carry_on(claim, _kept)
    before = len(world.events.recorded)
    await world.fulfilment.carry_on(claim, _kept)
    await world.receipts.issue(await world.order(claim.subject_id), claim)
    assert len(world.events.recorded) == before


async def _kept() -> None:
    """Hold the claim."""


@pytest.mark.parametrize(
    "changed", [{"amount": 1}, {"currency": "USD"}, {"status": "captured"}, {"hold_expires_at": None}]
)
async def test_an_answer_that_does_not_fit_is_taken_for_nothing(world: World, changed: dict[str, object]) -> None:
    order_id = await world.placed()
    await world.script.plan("payments.confirm", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    async with world.books.entry("payments.ledger", _intent_of(await world.order(order_id))) as page:
        _falsify(page, changed)
    with pytest.raises(UnexpectedAnswer):
        await world.work()
    assert (await world.order(order_id)).state is OrderState.PAYMENT_UNKNOWN


async def test_another_captured_amount_is_taken_for_nothing(world: World) -> None:
    order_id = await world.placed()
    await world.script.plan("payments.capture", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    async with world.books.entry("payments.ledger", _intent_of(await world.order(order_id))) as page:
        _falsify(page, {"captured_amount": 1})
    with pytest.raises(UnexpectedAnswer):
        await world.work()


def _intent_of(order: ServiceOrder) -> str:
    assert order.attempt is not None
    return order.attempt.intent_id


def _falsify(page: dict[str, object], changed: dict[str, object]) -> None:
    assert changed.keys() <= page.keys()
    page.update(changed)
