"""The contract of a payment gateway with manual capture: what a service may rely on, whoever the gateway is."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from adapters.clock import MovableClock
from adapters.payments.sandbox import SandboxPayments
from adapters.sandbox_books import SandboxBooks
from services.ports import CounterpartyRefused, PaymentIntent, Payments, PaymentStatus

ORDER = UUID("00000000-0000-4000-8000-00000000000a")


@pytest.fixture
def payments(books: SandboxBooks, clock: MovableClock) -> Payments:
    """The sandbox's gateway."""
    return SandboxPayments(books, clock)


async def made(payments: Payments, card: str = "tok_visa", amount: int = 44898, key: str = "key") -> PaymentIntent:
    return await payments.create_intent(key, ORDER, 1, amount, "EUR", card)


async def held(payments: Payments) -> PaymentIntent:
    return await payments.confirm((await made(payments)).id)


async def test_an_intent_made_twice_with_one_key_is_one_intent(payments: Payments) -> None:
    first = await made(payments)
    assert first.status is PaymentStatus.UNCONFIRMED
    assert await made(payments) == first
    assert await payments.retrieve(first.id) == first


async def test_an_intent_made_fifty_times_at_once_with_one_key_is_one_intent(payments: Payments) -> None:
    intents = await asyncio.gather(*(made(payments) for _ in range(50)))
    assert len({intent.id for intent in intents}) == 1


async def test_other_keys_make_other_intents(payments: Payments) -> None:
    assert (await made(payments, key="one")).id != (await made(payments, key="two")).id


@pytest.mark.parametrize(
    ("order_id", "attempt", "amount", "currency", "token"),
    [
        (uuid4(), 1, 44898, "EUR", "tok_visa"),
        (ORDER, 2, 44898, "EUR", "tok_visa"),
        (ORDER, 1, 44899, "EUR", "tok_visa"),
        (ORDER, 1, 44898, "USD", "tok_visa"),
        (ORDER, 1, 44898, "EUR", "tok_declined"),
    ],
)
async def test_a_key_used_again_with_other_parameters_is_refused_and_changes_nothing(
    payments: Payments, order_id: UUID, attempt: int, amount: int, currency: str, token: str
) -> None:
    first = await made(payments)
    with pytest.raises(CounterpartyRefused):
        await payments.create_intent("key", order_id, attempt, amount, currency, token)
    assert await payments.retrieve(first.id) == first


@pytest.mark.parametrize("amount", [-1, 0, 49, 100_000_000])
async def test_an_amount_that_no_card_is_charged_is_refused(payments: Payments, amount: int) -> None:
    with pytest.raises(CounterpartyRefused):
        await made(payments, amount=amount)


@pytest.mark.parametrize("currency", ["XXX", "eur", ""])
async def test_an_unknown_currency_is_refused(payments: Payments, currency: str) -> None:
    with pytest.raises(CounterpartyRefused):
        await payments.create_intent("key", ORDER, 1, 44898, currency, "tok_visa")


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_or_too_many_characters_is_refused(payments: Payments, key: str) -> None:
    with pytest.raises(CounterpartyRefused):
        await made(payments, key=key)


@pytest.mark.parametrize("token", ["", "tok_nobody", "4242424242424242"])
async def test_an_unknown_token_is_refused_and_not_repeated_in_the_error(payments: Payments, token: str) -> None:
    with pytest.raises(CounterpartyRefused) as refused:
        await made(payments, card=token)
    assert not token or token not in str(refused.value)
    with pytest.raises(CounterpartyRefused):
        await payments.card(token)


async def test_an_unknown_intent_is_refused_by_every_operation(payments: Payments) -> None:
    for call in (
        payments.confirm("pi_nobody"),
        payments.retrieve("pi_nobody"),
        payments.capture("pi_nobody", 100),
        payments.void("pi_nobody"),
    ):
        with pytest.raises(CounterpartyRefused):
            await call


async def test_confirming_holds_the_money_once_however_often(payments: Payments, clock: MovableClock) -> None:
    intent = await made(payments)
    answers = await asyncio.gather(*(payments.confirm(intent.id) for _ in range(20)))
    assert {answer.status for answer in answers} == {PaymentStatus.AUTHORISED}
    assert len({answer.hold_expires_at for answer in answers}) == 1
    assert answers[0].hold_expires_at is not None
    assert answers[0].hold_expires_at > await clock.now()
    assert (answers[0].amount, answers[0].currency, answers[0].captured_amount) == (44898, "EUR", 0)


async def test_a_decline_says_why_and_stays(payments: Payments) -> None:
    intent = await made(payments, card="tok_declined")
    declined = await payments.confirm(intent.id)
    assert (declined.status, declined.decline_code) == (PaymentStatus.DECLINED, "card_declined")
    assert await payments.confirm(intent.id) == declined
    with pytest.raises(CounterpartyRefused):
        await payments.capture(intent.id, 44898)


async def test_capturing_the_same_twice_charges_once(payments: Payments) -> None:
    intent = await held(payments)
    captured = await payments.capture(intent.id, 44898)
    assert (captured.status, captured.captured_amount) == (PaymentStatus.CAPTURED, 44898)
    assert await payments.capture(intent.id, 44898) == captured
    assert await payments.retrieve(intent.id) == captured


async def test_of_two_captures_at_once_with_other_amounts_one_is_refused(payments: Payments) -> None:
    intent = await held(payments)
    answers = await asyncio.gather(
        payments.capture(intent.id, 100), payments.capture(intent.id, 200), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(PaymentIntent) == 1
    assert any(isinstance(answer, CounterpartyRefused) for answer in answers)
    assert (await payments.retrieve(intent.id)).captured_amount in {100, 200}


@pytest.mark.parametrize("amount", [-1, 0, 44899])
async def test_capturing_nothing_or_more_than_is_held_is_refused(payments: Payments, amount: int) -> None:
    intent = await held(payments)
    with pytest.raises(CounterpartyRefused):
        await payments.capture(intent.id, amount)
    assert await payments.retrieve(intent.id) == intent


async def test_what_was_captured_in_part_is_never_captured_further(payments: Payments) -> None:
    intent = await held(payments)
    assert (await payments.capture(intent.id, 20000)).captured_amount == 20000
    for amount in (24898, 44898, 19999):
        with pytest.raises(CounterpartyRefused):
            await payments.capture(intent.id, amount)
    assert (await payments.retrieve(intent.id)).captured_amount == 20000


async def test_capturing_what_is_not_held_is_refused(payments: Payments) -> None:
    intent = await made(payments)
    with pytest.raises(CounterpartyRefused):
        await payments.capture(intent.id, 44898)
    assert await payments.retrieve(intent.id) == intent


async def test_voiding_twice_gives_the_hold_back_once(payments: Payments) -> None:
    intent = await held(payments)
    voided = await payments.void(intent.id)
    assert voided.status is PaymentStatus.VOIDED
    assert await payments.void(intent.id) == voided
    for call in (payments.capture(intent.id, 44898), payments.confirm(intent.id)):
        with pytest.raises(CounterpartyRefused):
            await call


async def test_an_unconfirmed_intent_that_was_voided_is_never_held(payments: Payments) -> None:
    intent = await made(payments)
    await payments.void(intent.id)
    with pytest.raises(CounterpartyRefused):
        await payments.confirm(intent.id)


async def test_what_was_captured_can_be_neither_voided_nor_confirmed(payments: Payments) -> None:
    intent = await held(payments)
    captured = await payments.capture(intent.id, 44898)
    for call in (payments.void(intent.id), payments.confirm(intent.id)):
        with pytest.raises(CounterpartyRefused):
            await call
    assert await payments.retrieve(intent.id) == captured


async def test_a_capture_and_a_void_at_once_end_in_one_of_the_two(payments: Payments) -> None:
    intent = await held(payments)
    answers = await asyncio.gather(payments.capture(intent.id, 44898), payments.void(intent.id), return_exceptions=True)
    assert sum(isinstance(answer, PaymentIntent) for answer in answers) == 1
    ended = await payments.retrieve(intent.id)
    assert (ended.status, ended.captured_amount) in {(PaymentStatus.CAPTURED, 44898), (PaymentStatus.VOIDED, 0)}


async def test_a_hold_ends_by_itself_and_can_not_be_captured_any_more(payments: Payments, clock: MovableClock) -> None:
    intent = await held(payments)
    await clock.move(timedelta(days=7).total_seconds() - 60)
    assert (await payments.retrieve(intent.id)).status is PaymentStatus.AUTHORISED
    await clock.move(60)
    assert (await payments.retrieve(intent.id)).status is PaymentStatus.VOIDED
    with pytest.raises(CounterpartyRefused):
        await payments.capture(intent.id, 44898)
    assert (await payments.void(intent.id)).status is PaymentStatus.VOIDED


async def test_a_captured_payment_does_not_end_with_its_hold(payments: Payments, clock: MovableClock) -> None:
    intent = await held(payments)
    captured = await payments.capture(intent.id, 44898)
    await clock.move(timedelta(days=400).total_seconds())
    assert await payments.retrieve(intent.id) == captured


async def test_a_card_is_described_without_its_number(payments: Payments) -> None:
    card = await payments.card("tok_visa")
    assert (card.brand, card.last_four, card.kind) == ("visa", "4242", "credit_card")


async def test_a_refund_asked_for_twice_with_one_key_is_one_refund(payments: Payments) -> None:
    intent = await held(payments)
    await payments.capture(intent.id, 44898)
    first = await payments.refund("refund-1", intent.id, 20000)
    assert await payments.refund("refund-1", intent.id, 20000) == first
    assert await payments.refund("refund-2", intent.id, 24898) != first
    with pytest.raises(CounterpartyRefused):
        await payments.refund("refund-3", intent.id, 1)


@pytest.mark.parametrize("amount", [-1, 0, 44899])
async def test_no_more_is_given_back_than_was_charged_and_nothing_less_than_a_cent(
    payments: Payments, amount: int
) -> None:
    intent = await held(payments)
    with pytest.raises(CounterpartyRefused):
        await payments.refund("early", intent.id, 1)
    await payments.capture(intent.id, 44898)
    with pytest.raises(CounterpartyRefused):
        await payments.refund("refund-1", intent.id, amount)


async def test_a_key_of_a_refund_used_again_for_another_amount_is_refused(payments: Payments) -> None:
    intent = await held(payments)
    await payments.capture(intent.id, 44898)
    await payments.refund("refund-1", intent.id, 20000)
    with pytest.raises(CounterpartyRefused):
        await payments.refund("refund-1", intent.id, 10000)
