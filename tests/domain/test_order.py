"""A service order from its draft to its receipt, and everything that can happen beside the way."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.order import FulfilmentStep, LineOutcome, OrderState, ServiceOrder
from domain.refusals import OrderNotInState, OrderNotPayable, StaleVersion
from tests.domain import examples
from tests.domain.examples import (
    ASSIST,
    AUTHORISED,
    CAPTURED,
    COMPLETED,
    DETAILS,
    LATER,
    MEETING,
    NOON,
    PROVISIONED,
    assigned,
    attempted,
    authorised,
    captured,
    completed,
    declined,
    order,
    placed,
    provisioned,
    reference,
    rejected,
    seats_assigned,
    two_lines,
    without_admin,
)
from tests.domain.given_when_then import given

LINK = reference(80)


def test_the_straight_way_step_by_step() -> None:
    way: list[tuple[Any, type[ServiceOrder.Event], OrderState, FulfilmentStep | None]] = [
        (placed, ServiceOrder.OrderPlaced, OrderState.PLACED, FulfilmentStep.AUTHORISE),
        (attempted, ServiceOrder.PaymentAttemptStarted, OrderState.PLACED, FulfilmentStep.AUTHORISE),
        (authorised, ServiceOrder.PaymentAuthorised, OrderState.AUTHORISED, FulfilmentStep.ASSIGN_ADMIN),
        (assigned, ServiceOrder.AdminContactAssigned, OrderState.AUTHORISED, FulfilmentStep.PROVISION),
        (provisioned, ServiceOrder.OrderLineProvisioned, OrderState.PROVISIONED, FulfilmentStep.ASSIGN_ADMIN_SEATS),
        (seats_assigned, ServiceOrder.AdminSeatsAssigned, OrderState.PROVISIONED, FulfilmentStep.CAPTURE),
        (captured, ServiceOrder.PaymentCaptured, OrderState.CAPTURED, FulfilmentStep.ISSUE_RECEIPT),
        (completed, ServiceOrder.OrderCompleted, OrderState.COMPLETED, None),
    ]
    assert given(order).aggregate.next_step is None
    for index, (step, event, state, following) in enumerate(way):
        before = [each[0] for each in way[:index]]
        after = given(order, *before).when(step).then(event)
        assert (after.state, after.next_step) == (state, following)


def test_a_completed_order_was_charged_its_gross() -> None:
    done = given(order, *COMPLETED).aggregate
    assert (done.captured_amount, done.totals.gross, done.receipt_number) == (44898, 44898, "SL-DE-2026-000001")
    assert done.receipt_document == reference(77)


def test_without_an_admin_contact_the_admin_steps_are_left_out() -> None:
    assert given(without_admin, *AUTHORISED).aggregate.next_step is FulfilmentStep.PROVISION
    assert given(without_admin, *AUTHORISED, provisioned).aggregate.next_step is FulfilmentStep.CAPTURE


def test_details_can_be_changed_in_a_draft_and_after_a_decline_only() -> None:
    other = replace(DETAILS, admin_contact=reference(88))
    change = lambda it: it.change_details(other, LATER)  # noqa: E731
    assert given(order).when(change).then(ServiceOrder.OrderDetailsChanged).details == other
    given(order, placed, attempted, declined).when(change).then(ServiceOrder.OrderDetailsChanged)
    given(order, placed).when(change).then_refused(OrderNotInState, state=OrderState.PLACED)


def test_a_page_of_an_older_version_is_stale() -> None:
    given(order).when(lambda it: it.must_be_at(1)).then()
    given(order).when(lambda it: it.must_be_at(2)).then_refused(StaleVersion, expected=2, actual=1)


def test_an_order_is_placed_once() -> None:
    given(order, placed).when(placed).then_refused(OrderNotInState, state=OrderState.PLACED, needed=OrderState.PREPARED)


def test_money_is_asked_for_only_when_it_is_wanted() -> None:
    given(order).when(attempted).then_refused(OrderNotPayable, state=OrderState.PREPARED)
    given(order, *AUTHORISED).when(attempted).then_refused(OrderNotPayable, state=OrderState.AUTHORISED)


def test_an_order_without_a_card_is_not_payable() -> None:
    bare = given(lambda: order(replace(DETAILS, payment_method=None)), placed).aggregate
    bare.payment_method = None
    with pytest.raises(OrderNotPayable):
        attempted(bare)


def test_a_declined_order_waits_and_another_card_is_the_next_attempt() -> None:
    waiting = given(order, placed, attempted).when(declined).then(ServiceOrder.PaymentDeclined, attempt=1)
    assert (waiting.state, waiting.next_step, waiting.attempt) == (OrderState.PAYMENT_DECLINED, None, None)
    again = given(order, placed, attempted, declined).when(attempted)
    assert again.then(ServiceOrder.PaymentAttemptStarted, attempt=2, intent_id="pi_2").next_step is (
        FulfilmentStep.AUTHORISE
    )


def test_an_action_required_waits_for_the_cards_holder_and_is_told_once() -> None:
    required = lambda it: it.payment_action_required("pi_1", LINK, NOON)  # noqa: E731
    waiting = given(order, placed, attempted).when(required).then(ServiceOrder.PaymentActionRequired, action=LINK)
    assert (waiting.state, waiting.next_step) == (OrderState.PAYMENT_ACTION_REQUIRED, None)
    given(order, placed, attempted, required).when(required).then()
    given(order, placed, attempted, required).when(authorised).then(ServiceOrder.PaymentAuthorised)


def test_an_unknown_outcome_is_asked_again_and_told_once() -> None:
    unknown = lambda it: it.payment_outcome_unknown("pi_1", "time-out", NOON)  # noqa: E731
    asking = given(order, placed, attempted).when(unknown).then(ServiceOrder.PaymentOutcomeUnknown)
    assert (asking.state, asking.next_step) == (OrderState.PAYMENT_UNKNOWN, FulfilmentStep.AUTHORISE)
    given(order, placed, attempted, unknown).when(unknown).then()
    given(order, placed, attempted, unknown).when(authorised).then(ServiceOrder.PaymentAuthorised)


def test_what_the_gateway_says_of_another_intent_changes_nothing() -> None:
    for told in (
        lambda it: it.payment_authorised("pi_x", 1, NOON, NOON),
        lambda it: it.payment_declined("pi_x", "no", NOON, NOON),
        lambda it: it.payment_action_required("pi_x", LINK, NOON),
        lambda it: it.payment_outcome_unknown("pi_x", "time-out", NOON),
        lambda it: it.payment_lapsed("pi_x", NOON),
        lambda it: it.payment_captured("pi_x", 1, NOON),
        lambda it: it.payment_capture_failed("pi_x", "no", NOON),
        lambda it: it.payment_voided("pi_x", "no", NOON),
    ):
        given(order, placed, attempted).when(told).then()
        given(order, *PROVISIONED).when(told).then()
        given(order).when(told).then()


@pytest.mark.parametrize(
    "told", [authorised, assigned, provisioned, seats_assigned, captured], ids=lambda each: each.__name__
)
def test_what_is_told_twice_is_one_fact(told: Any) -> None:
    given(order, *CAPTURED).when(told).then()


def test_a_lapsed_hold_asks_for_another_payment() -> None:
    lapsed = given(order, *AUTHORISED).when(lambda it: it.payment_lapsed("pi_1", LATER))
    after = lapsed.then(ServiceOrder.PaymentAuthorisationLapsed)
    assert (after.state, after.authorised_amount) == (OrderState.PAYMENT_DECLINED, 0)


def test_a_failed_capture_asks_for_another_payment() -> None:
    failed = given(order, *PROVISIONED).when(lambda it: it.payment_capture_failed("pi_1", "refused", LATER))
    after = failed.then(ServiceOrder.PaymentCaptureFailed)
    assert (after.state, after.authorised_amount, after.captured_amount) == (OrderState.PAYMENT_DECLINED, 0, 0)


def test_a_line_that_was_rejected_is_not_charged() -> None:
    partly = given(two_lines, *AUTHORISED, assigned, rejected).when(provisioned).then(ServiceOrder.OrderLineProvisioned)
    assert partly.state is OrderState.PARTLY_PROVISIONED
    assert partly.outcomes == {MEETING: LineOutcome.REJECTED, ASSIST: LineOutcome.PROVISIONED}
    assert [line.subscription_id for line in partly.provisioned_lines] == [ASSIST]
    assert partly.next_step is FulfilmentStep.ASSIGN_ADMIN_SEATS


def test_while_a_line_is_unsettled_provisioning_goes_on() -> None:
    half = given(two_lines, *AUTHORISED, assigned).when(lambda it: it.line_provisioned(MEETING, NOON))
    after = half.then(ServiceOrder.OrderLineProvisioned, subscription_id=MEETING, seats_added=2)
    assert (after.state, after.next_step) == (OrderState.AUTHORISED, FulfilmentStep.PROVISION)
    given(order, *AUTHORISED).when(lambda it: it.line_rejected(UUID(int=99), "unknown", NOON)).then()


def test_nothing_provisioned_is_voided_and_cancelled() -> None:
    nothing = given(order, *AUTHORISED, assigned, rejected).aggregate
    assert nothing.next_step is FulfilmentStep.VOID

    def void(it: ServiceOrder) -> None:
        it.payment_voided("pi_1", "nothing provisioned", NOON)
        it.cancel("nothing provisioned", NOON)

    after = given(order, *AUTHORISED, assigned, rejected).when(void)
    ended = after.then(ServiceOrder.PaymentVoided, ServiceOrder.OrderCancelled)
    assert (ended.state, ended.authorised_amount, ended.next_step) == (OrderState.CANCELLED, 0, None)


def test_an_order_is_completed_only_once_it_was_charged() -> None:
    given(order, *PROVISIONED).when(completed).then_refused(OrderNotInState, needed=OrderState.CAPTURED)


def test_an_order_is_cancelled_only_before_it_was_charged() -> None:
    cancel = lambda it: it.cancel("asked", LATER)  # noqa: E731
    given(order).when(cancel).then(ServiceOrder.OrderCancelled, reason="asked")
    for steps in (CAPTURED, COMPLETED, (cancel,)):
        given(order, *steps).when(cancel).then_refused(OrderNotInState, needed="not yet charged")


def test_no_more_is_refunded_than_was_captured() -> None:
    refund = lambda it: it.refund("re_1", 40000, "asked", "CN-1", LATER)  # noqa: E731
    assert given(order, *COMPLETED).when(refund).then(ServiceOrder.PaymentRefunded).captured_amount == 4898
    given(order, *COMPLETED, refund).when(refund).then_refused(OrderNotInState)
    given(order, *COMPLETED).when(lambda it: it.refund("re_1", 0, "asked", "CN-1", LATER)).then_refused(OrderNotInState)


def test_an_order_becomes_overdue_once_and_not_when_it_is_done() -> None:
    overdue = lambda it: it.become_overdue(LATER)  # noqa: E731
    after = given(order, placed).when(overdue).then(ServiceOrder.OrderOverdue, due_at=NOON + timedelta(hours=24))
    assert (after.overdue, after.state) == (True, OrderState.PLACED)
    given(order, placed, overdue).when(overdue).then()
    given(order, *COMPLETED).when(overdue).then()
    given(order).when(overdue).then()


def test_the_receipt_can_be_sent_again_and_can_fail() -> None:
    sent = lambda it: it.receipt_was_sent("<1@x>", reference(72), 1, LATER)  # noqa: E731
    assert given(order, *COMPLETED).when(sent).then(ServiceOrder.ReceiptSent, copy_number=1).receipt_sent
    given(order, *COMPLETED, sent).when(sent).then(ServiceOrder.ReceiptSent)
    failed = given(order, *COMPLETED).when(lambda it: it.receipt_was_undeliverable("<1@x>", "refused", LATER))
    assert failed.then(ServiceOrder.ReceiptUndeliverable).receipt_undeliverable


def test_before_the_order_is_completed_there_is_no_receipt_to_send() -> None:
    given(order, *CAPTURED).when(lambda it: it.receipt_was_sent("<1@x>", reference(72), 1, LATER)).then_refused(
        OrderNotInState, needed=OrderState.COMPLETED
    )


def test_the_examples_are_one_accounts() -> None:
    assert given(order).aggregate.account_id == examples.ACCOUNT
