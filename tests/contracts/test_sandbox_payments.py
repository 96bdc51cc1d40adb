"""The sandbox's gateway beyond the port: its test tokens, its ledger, and what a script makes it do."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.clock import MovableClock
from adapters.payments.sandbox import (
    LEDGER,
    TOKENS,
    Movement,
    MovementKind,
    PaymentRefused,
    SandboxPayments,
    card_for,
)
from adapters.sandbox_books import MemoryBooks, SandboxBooks
from adapters.sandbox_script import Script
from domain.personal_data import PaymentMethodKind
from services.ports import CounterpartyUnavailable, OutcomeUnknown, PaymentIntent, PaymentStatus, StoreUnavailable

ORDER = UUID("00000000-0000-4000-8000-00000000000a")


@pytest.fixture
def payments(books: SandboxBooks, clock: MovableClock) -> SandboxPayments:
    """The gateway, in a hurry."""
    return SandboxPayments(books, clock, slow_seconds=0.1)


async def made(payments: SandboxPayments, card: str = "tok_visa", key: str = "key") -> PaymentIntent:
    return await payments.create_intent(key, ORDER, 1, 44898, "EUR", card)


def lines(movements: list[Movement]) -> list[tuple[str, int]]:
    return [(movement.kind.value, movement.amount) for movement in movements]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_expired_card", "expired_card"),
        ("tok_past_expiry", "expired_card"),
    ],
)
async def test_a_declined_card_moves_no_money(payments: SandboxPayments, token: str, code: str) -> None:
    intent = await payments.confirm((await made(payments, token)).id)
    assert (intent.status, intent.decline_code) == (PaymentStatus.DECLINED, code)
    assert await payments.movements() == []


async def test_any_card_is_declined_once_its_last_month_is_over(payments: SandboxPayments, clock: MovableClock) -> None:
    await clock.move(timedelta(days=366 * 20).total_seconds())
    assert (await payments.confirm((await made(payments)).id)).decline_code == "expired_card"


async def test_an_action_is_asked_for_until_the_holder_approves(payments: SandboxPayments) -> None:
    intent = await payments.confirm((await made(payments, "tok_action_required")).id)
    assert intent.status is PaymentStatus.ACTION_REQUIRED
    assert intent.action_url == f"https://bank.example/confirm/{intent.id}"
    assert await payments.confirm(intent.id) == intent
    with pytest.raises(PaymentRefused):
        await payments.capture(intent.id, 44898)
    answers = await asyncio.gather(*(payments.complete_action(intent.id, approve=True) for _ in range(5)))
    assert {answer.status for answer in answers} == {PaymentStatus.AUTHORISED}
    assert answers[0].action_url is None
    assert lines(await payments.movements()) == [("authorised", 44898)]
    with pytest.raises(PaymentRefused):
        await payments.complete_action(intent.id, approve=False)


async def test_an_action_that_the_holder_refuses_is_a_decline(payments: SandboxPayments) -> None:
    intent = await payments.confirm((await made(payments, "tok_action_required")).id)
    declined = await payments.complete_action(intent.id, approve=False)
    assert (declined.status, declined.decline_code) == (
        PaymentStatus.DECLINED,
        "payment_intent_authentication_failure",
    )
    assert await payments.complete_action(intent.id, approve=False) == declined
    with pytest.raises(PaymentRefused):
        await payments.complete_action(intent.id, approve=True)


async def test_no_action_can_be_completed_where_none_is_asked_for(payments: SandboxPayments) -> None:
    intent = await made(payments)
    for intent_id in (intent.id, "pi_nobody"):
        with pytest.raises(PaymentRefused):
            await payments.complete_action(intent_id, approve=True)


async def test_a_time_out_before_the_effect_shows_once_and_moves_no_money(payments: SandboxPayments) -> None:
    intent = await made(payments, "tok_timeout_before_effect")
    with pytest.raises(OutcomeUnknown):
        await payments.confirm(intent.id)
    assert (await payments.retrieve(intent.id)).status is PaymentStatus.UNCONFIRMED
    assert await payments.movements() == []
    assert (await payments.confirm(intent.id)).status is PaymentStatus.AUTHORISED


async def test_a_time_out_after_the_effect_shows_once_and_the_money_is_held(payments: SandboxPayments) -> None:
    intent = await made(payments, "tok_timeout_after_effect")
    with pytest.raises(OutcomeUnknown):
        await payments.confirm(intent.id)
    assert (await payments.retrieve(intent.id)).status is PaymentStatus.AUTHORISED
    assert (await payments.confirm(intent.id)).status is PaymentStatus.AUTHORISED
    assert lines(await payments.movements()) == [("authorised", 44898)]


async def test_the_faults_of_a_token_show_for_each_intent_anew(payments: SandboxPayments) -> None:
    for key in ("one", "two"):
        with pytest.raises(OutcomeUnknown):
            await payments.confirm((await made(payments, "tok_timeout_after_effect", key)).id)


async def test_a_slow_card_holds_nobody_else_up_and_gives_the_same_answer(payments: SandboxPayments) -> None:
    slow, other = await made(payments, "tok_slow", "slow"), await made(payments, key="other")
    confirming = asyncio.create_task(payments.confirm(slow.id))
    await asyncio.sleep(0.03)
    assert (await payments.retrieve(slow.id)).status is PaymentStatus.UNCONFIRMED
    assert (await payments.confirm(other.id)).status is PaymentStatus.AUTHORISED
    assert not confirming.done()
    assert (await confirming).status is PaymentStatus.AUTHORISED


async def test_a_slow_confirmation_that_was_cancelled_moved_no_money_and_can_be_repeated(
    payments: SandboxPayments,
) -> None:
    intent = await made(payments, "tok_slow")
    confirming = asyncio.create_task(payments.confirm(intent.id))
    await asyncio.sleep(0.03)
    confirming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await confirming
    assert await payments.movements() == []
    assert (await payments.confirm(intent.id)).status is PaymentStatus.AUTHORISED
    assert lines(await payments.movements()) == [("authorised", 44898)]


async def test_the_ledger_says_whose_money_moved_and_with_which_card(payments: SandboxPayments) -> None:
    intent = await payments.confirm((await made(payments, "tok_amex")).id)
    (movement,) = await payments.movements()
    assert (movement.intent_id, movement.order_id, movement.attempt) == (intent.id, ORDER, 1)
    assert (movement.amount, movement.currency) == (44898, "EUR")
    assert (movement.card_brand, movement.card_last_four) == ("amex", "0005")


async def test_a_capture_in_part_gives_the_rest_back(payments: SandboxPayments) -> None:
    intent = await payments.confirm((await made(payments)).id)
    await payments.capture(intent.id, 20000)
    await payments.capture(intent.id, 20000)
    assert lines(await payments.movements()) == [("authorised", 44898), ("captured", 20000), ("voided", 24898)]


async def test_a_hold_that_nobody_looked_at_is_in_the_ledger_as_voided_when_it_ended(
    payments: SandboxPayments, clock: MovableClock
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    await clock.move(timedelta(days=30).total_seconds())
    later = await made(payments, key="later")
    await payments.confirm(later.id)
    movements = await payments.movements()
    assert lines(movements) == [("authorised", 44898), ("voided", 44898), ("authorised", 44898)]
    assert (movements[1].at, movements[1].reason) == (intent.hold_expires_at, "hold_expired")
    with pytest.raises(PaymentRefused) as refused:
        await payments.capture(intent.id, 44898)
    assert refused.value.code == "charge_expired_for_capture"
    assert lines(await payments.movements()) == lines(movements)


async def test_a_hold_lasts_as_long_as_was_set(books: SandboxBooks, clock: MovableClock) -> None:
    payments = SandboxPayments(books, clock, hold_days=1)
    intent = await payments.confirm((await made(payments)).id)
    assert intent.hold_expires_at is not None
    assert timedelta(hours=23) < intent.hold_expires_at - await clock.now() <= timedelta(days=1)


async def test_a_second_gateway_object_sees_the_same_ledger(
    payments: SandboxPayments, books: SandboxBooks, clock: MovableClock
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    other = SandboxPayments(books, clock)
    assert await other.retrieve(intent.id) == intent
    assert await other.movements() == await payments.movements()


@pytest.mark.parametrize("operation", ["create_intent", "confirm", "retrieve", "capture", "void", "card"])
@pytest.mark.parametrize(("moment", "error"), [("before", CounterpartyUnavailable), ("after", OutcomeUnknown)])
async def test_every_operation_can_be_made_to_fail_on_either_side_of_its_effect(
    payments: SandboxPayments, script: Script, operation: str, moment: str, error: type[Exception]
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    before = await payments.movements()
    await script.plan(f"payments.{operation}", moment, "unavailable" if moment == "before" else "timeout")

    async def call() -> None:
        match operation:
            case "create_intent":
                await made(payments)
            case "card":
                await payments.card("tok_visa")
            case "capture":
                await payments.capture(intent.id, 44898)
            case _:
                await getattr(payments, operation)(intent.id)

    with pytest.raises(error):
        await call()
    moved = operation in {"capture", "void"} and moment == "after"
    assert (await payments.movements() != before) == moved
    await call()
    assert len(await payments.movements()) == (2 if operation in {"capture", "void"} else 1)


async def test_a_planned_rejection_of_confirm_is_a_decline(payments: SandboxPayments, script: Script) -> None:
    await script.plan("payments.confirm", "before", "reject")
    assert (await payments.confirm((await made(payments)).id)).status is PaymentStatus.DECLINED
    assert await payments.movements() == []


async def test_a_planned_rejection_of_any_other_operation_is_a_refusal(
    payments: SandboxPayments, script: Script
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    for operation in ("create_intent", "retrieve", "capture", "void", "card"):
        await script.plan(f"payments.{operation}", "before", "reject")
    for call in (
        made(payments),
        payments.retrieve(intent.id),
        payments.capture(intent.id, 44898),
        payments.void(intent.id),
        payments.card("tok_visa"),
    ):
        with pytest.raises(PaymentRefused):
            await call
    assert await payments.retrieve(intent.id) == intent


async def test_a_task_cancelled_between_the_effect_and_its_answer_leaves_the_ledger_whole(
    payments: SandboxPayments, script: Script
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    await script.plan("payments.capture", "after", "pause")
    capturing = asyncio.create_task(payments.capture(intent.id, 44898))
    async with asyncio.timeout(5):
        while not await script.paused():
            await asyncio.sleep(0.01)
    capturing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await capturing
    assert lines(await payments.movements()) == [("authorised", 44898), ("captured", 44898)]
    assert (await payments.capture(intent.id, 44898)).captured_amount == 44898
    assert len(await payments.movements()) == 2


async def test_books_that_do_not_answer_leave_the_outcome_unknown() -> None:
    books = MemoryBooks(longest_wait=0.02)
    payments = SandboxPayments(books, MovableClock(MemoryBooks()))
    intent = await made(payments)
    async with books.entry(LEDGER, intent.id):
        with pytest.raises(OutcomeUnknown) as unknown:
            await payments.confirm(intent.id)
    assert isinstance(unknown.value.__cause__, StoreUnavailable)


def test_every_test_token_describes_a_card_and_no_other_does() -> None:
    assert {card_for(token).kind for token in TOKENS} == set(PaymentMethodKind)
    for token in TOKENS:
        card = card_for(token)
        assert len(card.last_four) == 4
        assert card.last_four.isdigit()
        assert 1 <= card.expiry_month <= 12
    with pytest.raises(PaymentRefused):
        card_for("tok_nobody")


OPERATIONS = st.sampled_from(
    ["confirm", "capture all", "capture some", "void", "a day", "eight days", "approve", "disapprove", "retrieve"]
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TOKENS)), st.lists(OPERATIONS, max_size=12))
def test_whatever_is_asked_in_whatever_order_the_books_balance(token: str, operations: list[str]) -> None:
    asyncio.run(_balances(token, operations))


async def _balances(token: str, operations: list[str]) -> None:
    books = MemoryBooks()
    clock = MovableClock(books)
    payments = SandboxPayments(books, clock, slow_seconds=0)
    intent = await payments.create_intent(str(uuid4()), ORDER, 1, 44898, "EUR", token)
    history: list[Movement] = []
    for operation in operations:
        try:
            match operation:
                case "capture all":
                    await payments.capture(intent.id, 44898)
                case "capture some":
                    await payments.capture(intent.id, 100)
                case "a day" | "eight days":
                    await clock.move(timedelta(days=1 if operation == "a day" else 8).total_seconds())
                case "approve" | "disapprove":
                    await payments.complete_action(intent.id, approve=operation == "approve")
                case _:
                    await getattr(payments, operation)(intent.id)
        except (PaymentRefused, OutcomeUnknown):
            pass
        movements = await payments.movements()
        assert movements[: len(history)] == history
        history = movements
        sums = {kind: sum(each.amount for each in history if each.kind is kind) for kind in MovementKind}
        now = await payments.retrieve(intent.id)
        held = 44898 if now.status is PaymentStatus.AUTHORISED else 0
        assert sums[MovementKind.AUTHORISED] in {0, 44898}
        assert sums[MovementKind.AUTHORISED] == sums[MovementKind.CAPTURED] + sums[MovementKind.VOIDED] + held
        assert sums[MovementKind.CAPTURED] == now.captured_amount


async def test_a_refund_that_was_refused_stays_refused_under_its_key(
    payments: SandboxPayments, books: SandboxBooks
) -> None:
    intent = await payments.confirm((await made(payments)).id)
    await payments.capture(intent.id, 44898)
    await Script(books).plan("payments.refund", "before", "reject")
    for _ in range(2):
        with pytest.raises(PaymentRefused, match="charge_disputed"):
            await payments.refund("refund-1", intent.id, 44898)
    await payments.refund("refund-2", intent.id, 44898)
    assert lines(await payments.movements())[-1] == ("refunded", 44898)
