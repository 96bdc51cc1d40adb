"""What people do about an order that left its straight way: pay, call off, release, refund, send again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.payments.sandbox import MovementKind
from domain.care import Care
from domain.credit_notes import CreditNoteSeries
from domain.envelope import Actor, Role
from domain.order import LineOutcome, OrderState
from domain.refusals import NoAutomaticPaymentMethod, NotFound, OrderNotInState, OrderNotPayable
from domain.subscription import Subscription
from services.fulfilment import StillWaiting, UnexpectedAnswer
from services.ports import CounterpartyRefused, CounterpartyUnavailable, OutcomeUnknown, ProvisioningResult
from services.vault_records import Contact
from services.working import ClaimLost
from tests.world import ACCOUNT, ASSIST, MEETING, World, all_of, kept

CARE = Actor("p-care", Role.ACCOUNT_SERVICES)


async def _placed_with(world: World, token: str, *lines: tuple[UUID, int]) -> UUID:
    prepared = await world.prepared(*lines)
    changed = await world.ordering.change_payment_method(prepared.id, prepared.version, token, world.context())
    await world.ordering.place(world.placing(prepared.id, changed.version), world.context())
    return prepared.id


async def _money(world: World) -> list[tuple[MovementKind, int]]:
    return [(each.kind, each.amount) for each in await world.payments.movements()]


async def _until_seats(world: World, order: UUID) -> None:
    """Work until some line has its seats, and die."""

    async def keep() -> None:
        if (await world.order(order)).provisioned_lines:
            raise ClaimLost

    with pytest.raises(ClaimLost):
        await world.work(keep)


# --- pay -----------------------------------------------------------------------------------------------------------


async def test_after_a_decline_another_card_pays_the_same_order(world: World) -> None:
    order = await _placed_with(world, "tok_declined")
    await world.work()
    declined = await world.order(order)
    assert (declined.state, declined.decline_code) == (OrderState.PAYMENT_DECLINED, "card_declined")
    await world.ordering.change_payment_method(order, declined.version, "tok_mastercard", world.context())
    context = world.context()
    paid = await world.ordering.pay(order, context)
    assert await world.ordering.pay(order, context) == paid, "the same key is the same attempt"
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.attempts) == (OrderState.COMPLETED, 2)
    assert await _money(world) == [(MovementKind.AUTHORISED, 44898), (MovementKind.CAPTURED, 44898)]


async def test_paying_again_with_the_declined_card_is_the_next_attempt(world: World) -> None:
    order = await _placed_with(world, "tok_declined")
    await world.work()
    await world.ordering.pay(order, world.context())
    with pytest.raises(OrderNotPayable):
        await world.ordering.pay(order, world.context())
    await world.work()
    assert (await world.order(order)).attempts == 2
    assert await _money(world) == []


async def test_instead_of_confirming_the_holder_may_pay_with_another_card(world: World) -> None:
    order = await _placed_with(world, "tok_action_required")
    with pytest.raises(StillWaiting):
        await world.work()
    waiting = await world.order(order)
    assert waiting.attempt is not None
    await world.ordering.change_payment_method(order, waiting.version, "tok_visa", world.context())
    await world.ordering.pay(order, world.context())
    assert (await world.payments.retrieve(waiting.attempt.intent_id)).status == "voided"
    await world.work()
    assert (await world.order(order)).state is OrderState.COMPLETED
    assert [kind for kind, _ in await _money(world)] == [MovementKind.AUTHORISED, MovementKind.CAPTURED]


async def test_an_expired_card_pays_nothing(world: World) -> None:
    order = await _placed_with(world, "tok_declined")
    await world.work()
    world.clock.move(timedelta(days=365 * 15))
    with pytest.raises(NoAutomaticPaymentMethod):
        await world.ordering.pay(order, world.context())


async def test_a_card_that_the_gateway_takes_no_payment_from_waits_for_another(world: World) -> None:
    order = await world.placed()
    await world.script.plan("payments.create_intent", "before", "reject")
    await world.work()
    declined = await world.order(order)
    assert (declined.state, declined.decline_code, declined.attempts) == (OrderState.PAYMENT_DECLINED, "refused", 1)
    await world.ordering.pay(order, world.context())
    await world.work()
    assert (await world.order(order)).state is OrderState.COMPLETED


async def test_nobody_pays_in_time_and_the_order_is_called_off(world: World) -> None:
    order = await _placed_with(world, "tok_declined")
    await world.work()
    world.clock.move(timedelta(days=7))
    await world.ring()
    await world.work()
    cancelled = await world.order(order)
    assert (cancelled.state, cancelled.cancelling) == (OrderState.CANCELLED, "not paid in time")
    assert (await world.the(Subscription, MEETING)).seat_change is None
    assert await world.care() == []


# --- the hold ------------------------------------------------------------------------------------------------------


async def test_a_hold_near_its_end_is_given_back_for_a_new_one(world: World) -> None:
    order = await world.placed()
    await world.script.plan("provisioning.set_seats", "before", "pending")
    with pytest.raises(StillWaiting):
        await world.work()
    world.clock.move(timedelta(days=6, hours=1))
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.attempts) == (OrderState.COMPLETED, 2)
    kinds = [kind for kind, _ in await _money(world)]
    assert kinds == [MovementKind.AUTHORISED, MovementKind.VOIDED, MovementKind.AUTHORISED, MovementKind.CAPTURED]


async def test_a_hold_that_ended_waits_for_a_card_and_the_seats_stay(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await _until_seats(world, order)
    world.clock.move(timedelta(days=8))
    await world.work()
    lapsed = await world.order(order)
    assert (lapsed.state, len(lapsed.provisioned_lines)) == (OrderState.PAYMENT_DECLINED, 1)
    await world.ordering.pay(order, world.context())
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.captured_amount) == (OrderState.COMPLETED, completed.totals.gross)


async def test_seats_that_nobody_paid_for_in_time_are_a_persons_to_settle(world: World) -> None:
    order = await world.placed()
    await _until_seats(world, order)
    world.clock.move(timedelta(days=8))
    await world.work()
    world.clock.move(timedelta(days=7))
    await world.ring()
    unpaid = await world.order(order)
    assert (unpaid.state, unpaid.cancelling) == (OrderState.PAYMENT_DECLINED, None)
    assert Care.NOT_PAID in await world.care()
    with pytest.raises(OrderNotInState):
        await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.ordering.pay(order, world.context())
    await world.work()
    assert (await world.order(order)).state is OrderState.COMPLETED
    assert Care.NOT_PAID not in await world.care()


async def test_a_refused_capture_is_given_back_before_another_card_is_held(world: World) -> None:
    order = await world.placed()
    await world.script.plan("payments.capture", "before", "reject")
    await world.work()
    assert (await world.order(order)).state is OrderState.PAYMENT_DECLINED
    await world.ordering.pay(order, world.context())
    await world.work()
    assert [kind for kind, _ in await _money(world)] == [
        MovementKind.AUTHORISED,
        MovementKind.VOIDED,
        MovementKind.AUTHORISED,
        MovementKind.CAPTURED,
    ]


async def test_a_hold_near_its_end_that_is_gone_waits_for_a_card(world: World) -> None:
    order = await _stuck(world)
    attempt = (await world.order(order)).attempt
    assert attempt is not None
    await world.payments.void(attempt.intent_id)  # the bank's own doing
    world.clock.move(timedelta(days=6, hours=1))
    await world.work()
    assert (await world.order(order)).state is OrderState.PAYMENT_DECLINED


async def test_what_was_captured_unheard_near_the_holds_end_is_recorded_as_captured(world: World) -> None:
    order = await world.placed()
    await world.script.plan("payments.capture", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    world.clock.move(timedelta(days=6, hours=1))
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.attempts) == (OrderState.COMPLETED, 1)


async def test_a_hold_that_the_bank_ended_is_found_at_the_capture(world: World) -> None:
    order = await world.placed()

    async def keep() -> None:
        current = await world.order(order)
        if current.admin_has_seats and current.attempt:
            await world.payments.void(current.attempt.intent_id)

    await world.work(keep)
    assert (await world.order(order)).state is OrderState.PAYMENT_DECLINED
    assert await _money(world) == [(MovementKind.AUTHORISED, 44898), (MovementKind.VOIDED, 44898)]


# --- calling off ---------------------------------------------------------------------------------------------------


async def test_an_order_is_called_off_before_anything_was_asked(world: World) -> None:
    order = await world.placed()
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    cancelled = await world.order(order)
    assert (cancelled.state, await _money(world)) == (OrderState.CANCELLED, [])
    with pytest.raises(OrderNotInState):
        await world.ordering.cancel(order, "customer_request", world.context(CARE))


async def test_called_off_with_the_money_held_all_of_it_is_given_back(world: World) -> None:
    order = await world.placed()
    await world.script.plan("provisioning.set_seats", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await world.work()
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert await _money(world) == [(MovementKind.AUTHORISED, 44898), (MovementKind.VOIDED, 44898)]
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10], "no late call gives seats"


async def test_called_off_half_way_what_is_there_is_charged(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await _until_seats(world, order)
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    completed = await world.order(order)
    assert sorted(completed.outcomes.values()) == [LineOutcome.PROVISIONED, LineOutcome.REJECTED]
    assert completed.captured_amount == completed.provisioned_lines[0].gross
    assert Care.SEATS_REJECTED in await world.care()


async def test_called_off_half_way_seats_that_came_unheard_are_charged_too(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.script.plan("provisioning.set_seats:gotoassist_v5", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.rejected_lines) == (OrderState.COMPLETED, ())
    assert completed.captured_amount == completed.totals.gross


async def test_called_off_after_its_seat_change_was_taken_off_order_asks_nobody_for_it(world: World) -> None:
    order = await world.placed()
    subscription = await world.the(Subscription, MEETING)
    subscription.release_seats(order, "stuck", world.clock.at)
    await world.events.append(subscription, context=world.context(CARE))
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert await world.provisioning.subscriptions() == []


async def test_seats_that_came_unheard_are_charged_although_the_order_was_called_off(world: World) -> None:
    order = await world.placed()
    await world.script.plan("provisioning.set_seats", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    await world.work()
    completed = await world.order(order)
    assert (completed.state, completed.captured_amount) == (OrderState.COMPLETED, 44898)
    assert (await world.the(Subscription, MEETING)).seats == 12


async def test_two_workers_that_make_the_same_intent_start_one_attempt(world: World) -> None:
    order = await world.placed()
    claim = await world.claimed(world.todo)
    other = replace(claim, token=claim.token + 1)
    await all_of(world.fulfilment.carry_on(claim, kept), world.fulfilment.carry_on(other, kept))
    await world.fulfilment.carry_on(claim, kept)
    assert (await world.order(order)).attempts == 1
    assert [kind for kind, _ in await _money(world)] == [MovementKind.AUTHORISED, MovementKind.CAPTURED]


async def test_called_off_while_its_seats_were_under_way_gives_nobody_seats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's call was carried out after the release had shut it out, and its answer comes last."""
    order = await world.placed()
    provisioning, released = world.provisioning.set_seats, False

    async def slow(subscription: UUID, product: str, seats: int, version: int, of: UUID) -> ProvisioningResult:
        nonlocal released
        answer = await provisioning(subscription, product, seats, version, of)
        if not released:
            released = True
            current = await world.order(order)
            current.line_released(MEETING, "released", world.clock.at)
            change = await world.the(Subscription, MEETING)
            change.begin_release(order, world.clock.at)
            await world.events.append(change, context=world.context(CARE))
            await provisioning(MEETING, product, 10, version + 1, of)
            change.release_seats(order, "released", world.clock.at)
            await world.events.append(current, change, context=world.context(CARE))
        return answer

    monkeypatch.setattr(world.provisioning, "set_seats", slow)
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]
    assert (await world.the(Subscription, MEETING)).seats == 10


async def test_money_taken_for_an_order_that_is_off_is_a_persons_to_settle(world: World) -> None:
    order = await _stuck(world)
    attempt = (await world.order(order)).attempt
    assert attempt is not None
    await world.payments.capture(attempt.intent_id, 44898)
    await world.script.clear("provisioning.set_seats")
    await world.ordering.cancel(order, "customer_request", world.context(CARE))
    with pytest.raises(UnexpectedAnswer):
        await world.work()
    assert Care.ANSWER_NOT_UNDERSTOOD in await world.care()
    assert (await world.order(order)).state is OrderState.AUTHORISED


async def test_a_call_that_the_provisioning_system_never_allows_is_a_persons_to_settle(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.provisioning.set_seats(MEETING, "goto_webinar", 10, 1, order)  # known there as another product
    with pytest.raises(CounterpartyRefused):
        await world.work()
    assert Care.ANSWER_NOT_UNDERSTOOD in await world.care()
    assert len((await world.order(order)).provisioned_lines) == 1, "the other line goes on"
    assert await _money(world) == [(MovementKind.AUTHORISED, (await world.order(order)).totals.gross)]


# --- release -------------------------------------------------------------------------------------------------------


async def _stuck(world: World, *lines: tuple[UUID, int]) -> UUID:
    order = await world.placed(*lines)
    await world.script.plan("provisioning.set_seats", "before", "pending", times=2)
    with pytest.raises(StillWaiting):
        await world.work()
    return order


async def test_a_stuck_seat_change_is_released_and_nobody_pays_for_it(world: World) -> None:
    order = await _stuck(world)
    await world.script.clear("provisioning.set_seats")
    context = world.context(CARE)
    released = await world.ordering.release(order, MEETING, context)
    assert await world.ordering.release(order, MEETING, context) == released
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    await world.quote((MEETING, 1))


async def test_nothing_is_released_while_the_provisioning_system_does_not_say_what_became_of_it(world: World) -> None:
    order = await _stuck(world)
    await world.script.plan("provisioning.answer_to", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await world.ordering.release(order, MEETING, world.context(CARE))
    assert not (await world.the(Subscription, MEETING)).releases(order)


async def test_a_release_that_was_begun_is_brought_to_its_end_by_a_worker(world: World) -> None:
    order = await _stuck(world)
    with pytest.raises(StillWaiting):
        await world.ordering.release(order, MEETING, world.context(CARE))
    assert (await world.the(Subscription, MEETING)).releases(order)
    assert (await world.order(order)).unsettled_lines
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]


async def test_a_release_that_was_begun_and_is_asked_for_again_goes_on(world: World) -> None:
    order = await _stuck(world)
    context = world.context(CARE)
    with pytest.raises(StillWaiting):
        await world.ordering.release(order, MEETING, context)
    await world.ordering.release(order, MEETING, context)
    assert not (await world.order(order)).unsettled_lines
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]


async def test_seats_that_come_after_their_release_was_begun_are_taken_back_and_never_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by seed 7772: the worker's call was carried out between the release's question and its own call."""
    order = await world.placed()
    call, begun = world.provisioning.set_seats, False

    async def late(subscription: UUID, product: str, seats: int, version: int, of: UUID) -> ProvisioningResult:
        nonlocal begun
        if not begun:
            begun = True
            await world.script.plan("provisioning.set_seats", "before", "timeout")
            with pytest.raises(OutcomeUnknown):
                await world.ordering.release(order, MEETING, world.context(CARE))
        return await call(subscription, product, seats, version, of)

    monkeypatch.setattr(world.provisioning, "set_seats", late)
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]
    assert (await world.the(Subscription, MEETING)).seats == 10


async def test_seats_that_are_recorded_before_their_release_is_begun_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await _stuck(world)
    await world.script.clear("provisioning.set_seats")
    ask = world.provisioning.answer_to

    async def before(subscription: UUID, version: int) -> ProvisioningResult | None:
        answer = await ask(subscription, version)
        await world.work()
        return answer

    monkeypatch.setattr(world.provisioning, "answer_to", before)
    with pytest.raises(OrderNotInState):
        await world.ordering.release(order, MEETING, world.context(CARE))
    assert (await world.order(order)).state is OrderState.COMPLETED
    assert [each.seats for each in await world.provisioning.subscriptions()] == [12]


@pytest.mark.parametrize("called_off", [True, False])
async def test_two_who_release_the_same_seats_release_them_once(
    world: World, monkeypatch: pytest.MonkeyPatch, *, called_off: bool
) -> None:
    order = await _stuck(world)
    if called_off:
        await world.script.clear("provisioning.set_seats")
        await world.ordering.cancel(order, "customer_request", world.context(CARE))
    else:
        with pytest.raises(StillWaiting):
            await world.ordering.release(order, MEETING, world.context(CARE))
    ask, call = world.provisioning.answer_to, world.provisioning.set_seats

    async def other() -> None:
        monkeypatch.undo()
        claim = await world.claimed(world.todo)
        await world.fulfilment.carry_on(claim, kept)

    async def asked(*arguments: Any) -> Any:
        answer = await ask(*arguments)
        await other()
        return answer

    async def called(*arguments: Any) -> Any:
        answer = await call(*arguments)
        await other()
        return answer

    monkeypatch.setattr(world.provisioning, "answer_to", asked)
    if not called_off:
        monkeypatch.setattr(world.provisioning, "set_seats", called)
    await world.work()
    assert (await world.order(order)).state is OrderState.CANCELLED
    assert [each.seats for each in await world.provisioning.subscriptions()] == [10]
    released = [each for each in world.events.recorded if isinstance(each.event, Subscription.SeatChangeReleased)]
    assert len(released) == 1


async def test_seats_that_came_unheard_are_not_released_but_recorded(world: World) -> None:
    order = await world.placed()
    await world.script.plan("provisioning.set_seats", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    await world.ordering.release(order, MEETING, world.context(CARE))
    assert len((await world.order(order)).provisioned_lines) == 1
    assert (await world.the(Subscription, MEETING)).seats == 12


async def test_a_line_that_is_not_waited_for_or_not_the_orders_is_not_released(world: World) -> None:
    order = await world.placed()
    await world.work()
    with pytest.raises(OrderNotInState):
        await world.ordering.release(order, MEETING, world.context(CARE))
    with pytest.raises(OrderNotInState):
        await world.ordering.release(order, ASSIST, world.context(CARE))
    with pytest.raises(NotFound):
        await world.ordering.release(MEETING, MEETING, world.context(CARE))


# --- refund --------------------------------------------------------------------------------------------------------


async def _notes(world: World) -> list[CreditNoteSeries.CreditNoteIssued]:
    events = [each.event for each in world.events.recorded]
    return [event for event in events if isinstance(event, CreditNoteSeries.CreditNoteIssued)]


async def test_a_refund_has_a_numbered_credit_note_with_its_tax(world: World) -> None:
    order = await world.placed()
    await world.work()
    context = world.context(CARE)
    asked = await world.ordering.refund(order, 11900, "goodwill", context)
    assert await world.ordering.refund(order, 11900, "goodwill", context) == asked
    await world.work()
    await world.ordering.refund(order, None, "goodwill", world.context(CARE))
    await world.work()
    first, second = await _notes(world)
    assert (first.credit_note_number, second.credit_note_number) == ("SL-DE-CN-2026-000001", "SL-DE-CN-2026-000002")
    assert (first.totals.gross, first.totals.net, first.totals.tax) == (11900, 10000, 1900)
    assert first.totals.gross + second.totals.gross == 44898
    refunded = [amount for kind, amount in await _money(world) if kind is MovementKind.REFUNDED]
    assert refunded == [11900, 32998]
    assert (await world.order(order)).captured_amount == 0
    with pytest.raises(OrderNotInState):
        await world.ordering.refund(order, 1, "goodwill", world.context(CARE))


async def test_a_refund_whose_answer_was_lost_is_one_refund(world: World) -> None:
    order = await world.placed()
    await world.work()
    await world.ordering.refund(order, None, "goodwill", world.context(CARE))
    await world.script.plan("payments.refund", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await world.work()
    await world.work()
    assert [kind for kind, _ in await _money(world)].count(MovementKind.REFUNDED) == 1
    assert len(await _notes(world)) == 1


async def test_a_refused_refund_is_on_the_care_list_until_it_is_asked_for_again(world: World) -> None:
    order = await world.placed()
    await world.work()
    await world.script.plan("payments.refund", "before", "reject")
    await world.ordering.refund(order, None, "goodwill", world.context(CARE))
    await world.work()
    assert await world.care() == [Care.REFUND_FAILED]
    await world.ordering.refund(order, None, "goodwill", world.context(CARE))
    await world.work()
    assert await world.care() == []
    assert len(await _notes(world)) == 1


async def test_a_credit_note_of_a_refund_that_is_recorded_is_not_issued_again(world: World) -> None:
    order = await world.placed()
    await world.work()
    await world.ordering.refund(order, 1, "goodwill", world.context(CARE))
    claim = await world.claimed(world.todo)
    stale = await world.order(order)
    await world.receipts.issue_credit_note(stale, "re_1", claim)
    before = len(world.events.recorded)
    await world.receipts.issue_credit_note(stale, "re_1", claim)
    assert len(world.events.recorded) == before


# --- receipt and care ----------------------------------------------------------------------------------------------


async def test_a_receipt_is_sent_again_to_who_is_the_contact_now(world: World) -> None:
    order = await world.placed()
    await world.work()
    await world.send()
    contact = Contact(name="Ben Krause", email="ben@lindner.example")
    await world.accounts.change_billing_contact(ACCOUNT, contact, world.context())
    context = world.context()
    asked = await world.ordering.resend_receipt(order, context)
    assert await world.ordering.resend_receipt(order, context) == asked
    await world.ordering.resend_receipt(order, world.context())
    await world.send()
    first, second = await world.mailer.messages()
    assert (first.recipient, second.recipient) == ("anna@lindner.example", "ben@lindner.example")
    assert b"Message-ID: <receipt-SL-DE-2026-000001-2@seatledger.example>" in second.raw


async def test_the_entry_of_an_undeliverable_receipt_leaves_when_it_is_sent_again() -> None:
    world = World()
    await world.customer(email="anna@undeliverable.example")
    order = await world.placed()
    await world.work()
    await world.send()
    assert await world.care() == [Care.RECEIPT_UNDELIVERABLE]
    await world.ordering.resend_receipt(order, world.context())
    assert await world.care() == []


async def test_an_entry_is_closed_by_an_event_of_its_order(world: World) -> None:
    order = await world.placed((MEETING, 2), (ASSIST, 1))
    await world.script.plan("provisioning.set_seats", "before", "reject")
    await world.work()
    assert await world.care() == [Care.SEATS_REJECTED]
    await world.ordering.close_care_entry(order, Care.SEATS_REJECTED, world.context(CARE))
    assert await world.care() == []


async def test_every_reason_on_the_list_says_what_happened_and_what_to_do() -> None:
    assert all(care.happened.endswith(".") and care.to_do.endswith(".") for care in Care)
