"""A service order from its draft to its receipt, and everything that can happen beside the way."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.notices import Notice, NoticeKind
from domain.order import FulfilmentStep, LineOutcome, OrderState, ServiceOrder
from domain.pricing import totals
from domain.refusals import OrderNotInState, OrderNotPayable, RefundTooLarge, StaleVersion
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
from tests.domain.given_when_then import Step, given

LINK = reference(80)
CALLED_OFF_WHILE = "placed, not yet charged, and without seats that must be paid"


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


@pytest.mark.parametrize("begun", [(order, PROVISIONED), (without_admin, (*AUTHORISED, provisioned))])
def test_an_admin_named_while_another_card_is_waited_for_gets_the_seats(begun: tuple[Any, tuple[Step, ...]]) -> None:
    begin, steps = begun
    refused = lambda it: it.payment_capture_failed("pi_1", "refused", LATER, NOON)  # noqa: E731
    named = lambda it: it.change_details(replace(DETAILS, admin_contact=reference(88)), LATER)  # noqa: E731
    again = (*steps, refused, named, attempted, authorised)
    assert given(begin, *again).aggregate.next_step is FulfilmentStep.ASSIGN_ADMIN
    assert given(begin, *again, assigned).aggregate.next_step is FulfilmentStep.ASSIGN_ADMIN_SEATS
    assert given(begin, *again, assigned, seats_assigned).aggregate.next_step is FulfilmentStep.CAPTURE


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
    assert waiting.pay_until
    again = given(order, placed, attempted, declined).when(attempted)
    assert again.then(ServiceOrder.PaymentAttemptStarted, attempt=2, intent_id="pi_2").next_step is (
        FulfilmentStep.AUTHORISE
    )


def test_once_the_next_attempt_is_under_way_there_is_no_day_to_pay_by() -> None:
    assert (
        given(order, placed, attempted, declined).when(attempted).then(ServiceOrder.PaymentAttemptStarted).pay_until
        is None
    )


def test_an_action_required_waits_for_the_cards_holder_and_is_told_once() -> None:
    required = lambda it: it.payment_action_required("pi_1", LINK, LATER, NOON)  # noqa: E731
    waiting = given(order, placed, attempted).when(required).then(ServiceOrder.PaymentActionRequired, action=LINK)
    assert (waiting.state, waiting.next_step) == (OrderState.PAYMENT_ACTION_REQUIRED, FulfilmentStep.AWAIT_ACTION)
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
        lambda it: it.payment_action_required("pi_x", LINK, LATER, NOON),
        lambda it: it.payment_outcome_unknown("pi_x", "time-out", NOON),
        lambda it: it.payment_lapsed("pi_x", LATER, NOON),
        lambda it: it.payment_captured("pi_x", 1, NOON),
        lambda it: it.payment_capture_failed("pi_x", "no", LATER, NOON),
        lambda it: it.hold_given_up("pi_x", NOON),
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
    lapsed = given(order, *AUTHORISED).when(lambda it: it.payment_lapsed("pi_1", LATER, LATER))
    after = lapsed.then(ServiceOrder.PaymentAuthorisationLapsed)
    assert (after.state, after.authorised_amount) == (OrderState.PAYMENT_DECLINED, 0)


def test_a_failed_capture_asks_for_another_payment() -> None:
    failed = given(order, *PROVISIONED).when(lambda it: it.payment_capture_failed("pi_1", "refused", LATER, LATER))
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
    assert nothing.next_step is FulfilmentStep.CANCEL
    after = given(order, *AUTHORISED, assigned, rejected).when(lambda it: it.cancelled(44898, NOON))
    ended = after.then(ServiceOrder.PaymentVoided, ServiceOrder.OrderCancelled)
    assert (ended.state, ended.authorised_amount, ended.next_step) == (OrderState.CANCELLED, 0, None)
    assert ended.notices_due == (Notice(NoticeKind.ORDER_CANCELLED),)


def test_an_order_is_completed_only_once_it_was_charged() -> None:
    given(order, *PROVISIONED).when(completed).then_refused(OrderNotInState, needed=OrderState.CAPTURED)


def test_an_order_is_called_off_only_before_its_seats_must_be_paid() -> None:
    for steps in (CAPTURED, COMPLETED, (), (placed, cancelling, lambda it: it.cancelled(0, LATER))):
        given(order, *steps).when(cancelling).then_refused(OrderNotInState, needed=CALLED_OFF_WHILE)
    given(order, *PROVISIONED).when(cancelling).then_refused(OrderNotInState, needed=CALLED_OFF_WHILE)
    asked = given(order, placed).when(cancelling).then(ServiceOrder.OrderCancellationRequested, reason="asked")
    assert asked.next_step is FulfilmentStep.CANCEL
    given(order, placed, cancelling).when(cancelling).then()


def cancelling(it: ServiceOrder) -> None:
    it.request_cancellation("asked", LATER)


def test_called_off_half_way_the_seats_that_are_there_are_charged() -> None:
    half = (*AUTHORISED, assigned, lambda it: it.line_provisioned(MEETING, NOON), cancelling)
    assert given(two_lines, *half).aggregate.next_step is FulfilmentStep.RELEASE
    rest = given(two_lines, *half).when(lambda it: it.line_released(ASSIST, "called off", LATER))
    after = rest.then(ServiceOrder.OrderLineRejected, subscription_id=ASSIST)
    assert (after.state, after.next_step) == (OrderState.PARTLY_PROVISIONED, FulfilmentStep.ASSIGN_ADMIN_SEATS)


def test_what_is_called_off_asks_nobody_for_another_card() -> None:
    off = (placed, attempted, cancelling)
    required = lambda it: it.payment_action_required("pi_1", LINK, LATER, NOON)  # noqa: E731
    for told in (declined, required, lambda it: it.payment_refused("refused", LATER, NOON)):
        given(order, *off).when(told).then()
    given(order, placed, attempted, declined, cancelling).when(attempted).then_refused(OrderNotPayable)
    change = lambda it: it.change_details(DETAILS, LATER)  # noqa: E731
    given(order, placed, attempted, declined, cancelling).when(change).then_refused(OrderNotInState)


def test_only_a_line_that_is_waited_for_is_released() -> None:
    release = lambda it: it.line_released(MEETING, "released", LATER)  # noqa: E731
    given(order, *AUTHORISED).when(release).then(ServiceOrder.OrderLineRejected, reason="released")
    for steps in ((), (placed,), PROVISIONED, COMPLETED):
        given(order, *steps).when(release).then_refused(OrderNotInState, needed="waiting for these seats")
    half = (*AUTHORISED, lambda it: it.line_provisioned(MEETING, NOON))
    given(two_lines, *half).when(release).then_refused(OrderNotInState, possible=("cancel", "release"))


def test_seats_that_nobody_pays_for_are_released_though_others_must_be_paid() -> None:
    lapsed = lambda it: it.payment_lapsed("pi_1", LATER, LATER)  # noqa: E731
    half = (*AUTHORISED, lambda it: it.line_provisioned(MEETING, NOON), lapsed)
    release = lambda it: it.line_released(ASSIST, "released", LATER)  # noqa: E731
    waiting = given(two_lines, *half).when(release).then(ServiceOrder.OrderLineRejected, subscription_id=ASSIST)
    assert (waiting.state, waiting.amount_due) == (OrderState.PAYMENT_DECLINED, totals(waiting.lines[:1]).gross)
    assert given(two_lines, *half, release, attempted, authorised).aggregate.state is OrderState.PARTLY_PROVISIONED
    none = (*AUTHORISED, lapsed)
    given(two_lines, *none).when(release).then_refused(OrderNotInState, needed="waiting for these seats")


def test_a_late_answer_for_a_line_of_an_order_that_is_over_changes_nothing() -> None:
    over = (placed, cancelling, lambda it: it.cancelled(0, LATER))
    for told in (provisioned, rejected):
        given(order, *over).when(told).then()
        given(order).when(told).then()
    release = lambda it: it.line_released(MEETING, "released", LATER)  # noqa: E731
    given(order, *over).when(release).then_refused(OrderNotInState, needed="waiting for these seats")


def test_an_order_of_which_nothing_can_be_provisioned_asks_nobody_for_money() -> None:
    nothing = (*AUTHORISED, assigned, rejected)
    for told in (
        lambda it: it.payment_lapsed("pi_1", LATER, LATER),
        lambda it: it.payment_captured("pi_1", 0, LATER),
        lambda it: it.payment_capture_failed("pi_1", "refused", LATER, LATER),
    ):
        given(order, *nothing).when(told).then()
    given_back = lambda it: it.hold_given_up("pi_1", LATER)  # noqa: E731
    assert given(order, *nothing, given_back).aggregate.next_step is FulfilmentStep.CANCEL
    lapsed = lambda it: it.payment_lapsed("pi_1", LATER, LATER)  # noqa: E731
    given(order, *AUTHORISED, lapsed, rejected).when(attempted).then_refused(OrderNotPayable)


def test_a_deadline_of_what_is_called_off_does_not_call_it_off_again() -> None:
    passed = lambda it: it.payment_deadline_passed(LATER + timedelta(days=30))  # noqa: E731
    off = (placed, attempted, declined, cancelling)
    given(order, *off).when(passed).then(ServiceOrder.PaymentDeadlinePassed)


def test_what_nobody_asked_the_admin_center_for_is_no_news() -> None:
    given(order).when(assigned).then()
    given(order, *AUTHORISED).when(seats_assigned).then()


def test_a_hold_near_its_end_is_given_back_and_asked_for_again() -> None:
    again = given(order, *AUTHORISED).when(lambda it: it.hold_given_up("pi_1", LATER))
    after = again.then(ServiceOrder.PaymentVoided, amount=44898, reason="near its end")
    assert (after.state, after.attempt, after.next_step) == (OrderState.PLACED, None, FulfilmentStep.AUTHORISE)
    assert not after.holds_money


def test_seats_that_are_there_are_paid_by_the_next_card_and_not_provisioned_again() -> None:
    unpaid = (*PROVISIONED, lambda it: it.payment_capture_failed("pi_1", "refused", LATER, NOON))
    paid = given(order, *unpaid, attempted).when(lambda it: it.payment_authorised("pi_2", 44898, LATER, LATER))
    after = paid.then(ServiceOrder.PaymentAuthorised)
    assert (after.state, after.next_step) == (OrderState.PROVISIONED, FulfilmentStep.CAPTURE)


def test_rejected_lines_are_not_asked_for_with_the_next_card() -> None:
    partly = (*AUTHORISED, assigned, rejected, provisioned, lambda it: it.payment_lapsed("pi_1", LATER, NOON))
    next_attempt = given(two_lines, *partly).when(attempted).then(ServiceOrder.PaymentAttemptStarted)
    assert next_attempt.attempt is not None
    assert next_attempt.attempt.amount == next_attempt.amount_due < next_attempt.totals.gross


def test_an_intent_that_the_gateway_would_not_make_waits_for_another_card() -> None:
    refused = given(order, placed).when(lambda it: it.payment_refused("refused", LATER, NOON))
    after = refused.then(ServiceOrder.PaymentDeclined, attempt=1, intent_id="", decline_code="refused")
    assert (after.state, after.attempts) == (OrderState.PAYMENT_DECLINED, 1)


def test_a_deadline_calls_off_what_has_no_seats_and_leaves_what_has() -> None:
    passed = lambda it: it.payment_deadline_passed(LATER + timedelta(days=30))  # noqa: E731
    waiting = (placed, attempted, declined)
    off = given(order, *waiting).when(passed)
    ended = off.then(ServiceOrder.PaymentDeadlinePassed, ServiceOrder.OrderCancellationRequested)
    assert ended.next_step is FulfilmentStep.CANCEL
    given(order, *waiting).when(lambda it: it.payment_deadline_passed(NOON)).then()
    given(order, *PROVISIONED).when(passed).then()
    unpaid = (*PROVISIONED, lambda it: it.payment_capture_failed("pi_1", "refused", LATER, NOON))
    assert given(order, *unpaid).when(passed).then(ServiceOrder.PaymentDeadlinePassed).cancelling is None


def test_no_more_is_refunded_than_was_captured_and_one_refund_after_the_other() -> None:
    ask = lambda it: it.request_refund(40000, "goodwill", LATER)  # noqa: E731
    done = lambda it: it.payment_refunded("re_1", "SL-DE-CN-2026-000001", reference(78), LATER)  # noqa: E731
    asked = given(order, *COMPLETED).when(ask).then(ServiceOrder.RefundRequested, number=1, amount=40000)
    assert asked.next_step is FulfilmentStep.REFUND
    given(order, *COMPLETED, ask).when(ask).then_refused(OrderNotInState)
    refunded = given(order, *COMPLETED, ask).when(done).then(ServiceOrder.PaymentRefunded, amount=40000)
    assert (refunded.captured_amount, refunded.refund_due) == (4898, None)
    given(order, *COMPLETED, ask, done).when(done).then()
    given(order, *COMPLETED, ask, done).when(ask).then_refused(RefundTooLarge, at_most=4898)
    given(order, *COMPLETED).when(lambda it: it.request_refund(0, "goodwill", LATER)).then_refused(RefundTooLarge)
    given(order, *CAPTURED).when(ask).then_refused(OrderNotInState)


def test_a_refund_that_the_gateway_refused_can_be_asked_for_again() -> None:
    ask = lambda it: it.request_refund(40000, "goodwill", LATER)  # noqa: E731
    failed = lambda it: it.refund_failed("refused", LATER)  # noqa: E731
    after = given(order, *COMPLETED, ask).when(failed).then(ServiceOrder.PaymentRefundFailed, number=1)
    assert (after.refund_due, after.captured_amount) == (None, 44898)
    given(order, *COMPLETED, ask, failed).when(ask).then(ServiceOrder.RefundRequested, number=2)
    given(order, *COMPLETED).when(failed).then()


def test_a_draft_is_discarded_and_nothing_else_is() -> None:
    discard = lambda it: it.discard("quote superseded", LATER)  # noqa: E731
    given(order).when(discard).then(ServiceOrder.OrderCancelled, reason="quote superseded", placed=False)
    given(order, placed).when(discard).then()
    given(order, discard).when(discard).then()


def test_a_delay_is_told_once_four_hours_before_the_promise_ends() -> None:
    def at(hours: int) -> Step:
        return lambda it: it.be_delayed(NOON + timedelta(hours=hours))

    given(order, placed).when(at(19)).then()
    assert given(order, placed).when(at(20)).then(ServiceOrder.OrderDelayed).delayed
    given(order, placed, at(20)).when(at(21)).then()
    given(order).when(at(21)).then()


def test_a_notice_is_settled_once() -> None:
    notice = Notice(NoticeKind.PAYMENT_DECLINED, "1")
    waiting = (placed, attempted, declined)
    assert given(order, *waiting).aggregate.notices_due == (notice,)
    sent = lambda it: it.notice_sent(notice, "<1@x>", reference(72), LATER)  # noqa: E731
    failed = lambda it: it.notice_was_undeliverable(notice, "<1@x>", "no such mailbox", LATER)  # noqa: E731
    assert given(order, *waiting).when(sent).then(ServiceOrder.OrderNoticeSent).notices_due == ()
    assert given(order, *waiting).when(failed).then(ServiceOrder.OrderNoticeUndeliverable).notices_due == ()
    for settled in (sent, failed):
        given(order, *waiting, settled).when(sent).then()
        given(order, *waiting, settled).when(failed).then()


def test_a_strange_answer_is_recorded_once_and_closed_by_a_person() -> None:
    strange = lambda it: it.answer_not_understood("payments", "captured 1 USD", LATER)  # noqa: E731
    given(order, placed).when(strange).then(ServiceOrder.AnswerNotUnderstood)
    given(order, placed, strange).when(strange).then()
    given(order, placed, strange).when(lambda it: it.close_care_entry("answer_not_understood", LATER)).then(
        ServiceOrder.CareEntryClosed, care="answer_not_understood"
    )


def test_an_order_becomes_overdue_once_and_not_when_it_is_done() -> None:
    overdue = lambda it: it.become_overdue(NOON + timedelta(hours=24))  # noqa: E731
    given(order, placed).when(lambda it: it.become_overdue(NOON + timedelta(hours=23))).then()
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


def test_an_order_that_is_not_off_is_not_recorded_as_cancelled() -> None:
    given(order, *AUTHORISED).when(lambda it: it.cancelled(44898, LATER)).then()
