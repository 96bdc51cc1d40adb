"""A payment gateway that keeps its own ledger and is as strict as Stripe's documents say Stripe is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Behaviour, Script
from domain.personal_data import PaymentMethodKind
from services.ports import (
    CardDescription,
    Clock,
    CounterpartyRefused,
    OutcomeUnknown,
    PaymentIntent,
    PaymentStatus,
)

LEDGER: Final = "payments.ledger"
"""The book: a page for each intent with its state and its movements, so that the two can't come apart."""

# Minimum charges by currency and the maximum of eight digits: docs.stripe.com/currencies, minor units.
_SMALLEST: Final = {
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HUF": 17500,
    "PLN": 200,
    "SEK": 300,
    "USD": 50,
}
_LARGEST: Final = 99_999_999
_LONGEST_KEY: Final = 255


@dataclass(eq=False)
class PaymentRefused(CounterpartyRefused):
    """The gateway refused the request; `code` is Stripe's error code."""

    code: str

    def __str__(self) -> str:
        """The code alone: whose payment it was is for the caller to say."""
        return f"the gateway refused the request: {self.code}"


class _Fault(StrEnum):
    SLOW = "slow"
    TIMEOUT_BEFORE_EFFECT = "timeout_before_effect"
    TIMEOUT_AFTER_EFFECT = "timeout_after_effect"


_DISPUTED: Final = "charge_disputed"


class _Token(NamedTuple):
    """How confirm goes with this card; the fault shows once for each intent."""

    card: CardDescription
    decline_code: str | None = None
    needs_action: bool = False
    fault: _Fault | None = None


def _visa(last_four: str, expiry_year: int = 2034) -> CardDescription:
    return CardDescription(PaymentMethodKind.CREDIT_CARD, "visa", last_four, expiry_year, 12)


TOKENS: Final = {
    "tok_visa": _Token(_visa("4242")),
    "tok_visa_debit": _Token(CardDescription(PaymentMethodKind.DEBIT_CARD, "visa", "5556", 2034, 12)),
    "tok_mastercard": _Token(CardDescription(PaymentMethodKind.CREDIT_CARD, "mastercard", "4444", 2033, 6)),
    "tok_amex": _Token(CardDescription(PaymentMethodKind.CREDIT_CARD, "amex", "0005", 2035, 3)),
    "tok_declined": _Token(_visa("0002"), decline_code="card_declined"),
    "tok_insufficient_funds": _Token(_visa("9995"), decline_code="insufficient_funds"),
    # As at Stripe, the date on the card lies ahead and its bank says otherwise.
    "tok_expired_card": _Token(_visa("0069"), decline_code="expired_card"),
    "tok_past_expiry": _Token(_visa("4242", expiry_year=2024)),
    "tok_action_required": _Token(_visa("3155"), needs_action=True),
    "tok_slow": _Token(_visa("1881"), fault=_Fault.SLOW),
    "tok_timeout_before_effect": _Token(_visa("8228"), fault=_Fault.TIMEOUT_BEFORE_EFFECT),
    "tok_timeout_after_effect": _Token(_visa("8236"), fault=_Fault.TIMEOUT_AFTER_EFFECT),
}
"""The test tokens. Whatever the token, a card whose last month is over is declined with expired_card."""


def card_for(token: str) -> CardDescription:
    """The card behind a test token; raises PaymentRefused for any other token."""
    if token not in TOKENS:
        raise PaymentRefused(code="resource_missing")
    return TOKENS[token].card


class MovementKind(StrEnum):
    """What can happen to money. AUTHORISED = CAPTURED + VOIDED once an intent is over; REFUNDED <= CAPTURED."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the gateway's ledger; `amount` in minor units, always positive."""

    kind: MovementKind
    at: datetime
    intent_id: str
    order_id: UUID
    attempt: int
    amount: int
    currency: str
    card_brand: str
    card_last_four: str
    reason: str | None = None


class _Page(BaseModel):
    """An intent. Movements are only ever added."""

    id: str
    order_id: UUID
    attempt: int
    amount: int
    currency: str
    token: str
    status: PaymentStatus = PaymentStatus.UNCONFIRMED
    captured_amount: int = 0
    decline_code: str | None = None
    hold_expires_at: datetime | None = None
    hold_expired: bool = False
    fault_shown: bool = False
    refunds: dict[str, int] = {}
    disputed_refunds: list[str] = []
    movements: list[Movement] = []

    @property
    def terms(self) -> tuple[UUID, int, int, str, str]:
        return self.order_id, self.attempt, self.amount, self.currency, self.token

    def as_of(self, now: datetime) -> "_Page":
        """Void a hold that nobody captured in time, at the instant that it ended."""
        if self.status is PaymentStatus.AUTHORISED and self.hold_expires_at and self.hold_expires_at <= now:
            self._move(MovementKind.VOIDED, self.amount, self.hold_expires_at, "hold_expired")
            self.status, self.hold_expired = PaymentStatus.VOIDED, True
        return self

    def take_fault(self) -> _Fault | None:
        fault = TOKENS[self.token].fault
        if fault is None or self.fault_shown or self.status is not PaymentStatus.UNCONFIRMED:
            return None
        self.fault_shown = True
        return fault

    def confirm(self, now: datetime, hold: timedelta) -> None:
        if self.status in {PaymentStatus.CAPTURED, PaymentStatus.VOIDED}:
            raise PaymentRefused(code="payment_intent_unexpected_state")
        if self.status is not PaymentStatus.UNCONFIRMED:
            return
        token = TOKENS[self.token]
        if (token.card.expiry_year, token.card.expiry_month) < (now.year, now.month):
            self.decline("expired_card")
        elif token.decline_code:
            self.decline(token.decline_code)
        elif token.needs_action:
            self.status = PaymentStatus.ACTION_REQUIRED
        else:
            self.authorise(now, hold)

    def authorise(self, now: datetime, hold: timedelta) -> None:
        self._move(MovementKind.AUTHORISED, self.amount, now)
        self.status, self.hold_expires_at = PaymentStatus.AUTHORISED, now + hold

    def decline(self, code: str) -> None:
        self.status, self.decline_code = PaymentStatus.DECLINED, code

    def capture(self, amount: int, now: datetime) -> None:
        if self.status is PaymentStatus.CAPTURED:
            if amount != self.captured_amount:
                raise PaymentRefused(code="charge_already_captured")
            return
        if self.status is not PaymentStatus.AUTHORISED:
            raise PaymentRefused(
                code="charge_expired_for_capture" if self.hold_expired else "payment_intent_unexpected_state"
            )
        if amount < 1:
            raise PaymentRefused(code="parameter_invalid_integer")
        if amount > self.amount:
            raise PaymentRefused(code="amount_too_large")
        self._move(MovementKind.CAPTURED, amount, now)
        if amount < self.amount:
            self._move(MovementKind.VOIDED, self.amount - amount, now, "not_captured")
        self.status, self.captured_amount = PaymentStatus.CAPTURED, amount

    def void(self, now: datetime) -> None:
        if self.status is PaymentStatus.CAPTURED:
            raise PaymentRefused(code="payment_intent_unexpected_state")
        if self.status is PaymentStatus.AUTHORISED:
            self._move(MovementKind.VOIDED, self.amount, now, "requested")
        self.status = PaymentStatus.VOIDED

    def refund(self, refund_id: str, amount: int, now: datetime) -> None:
        if refund_id in self.refunds:
            if self.refunds[refund_id] != amount:
                raise PaymentRefused(code="idempotency_error")
            return
        if refund_id in self.disputed_refunds:
            raise PaymentRefused(code=_DISPUTED)
        if self.status is not PaymentStatus.CAPTURED:
            raise PaymentRefused(code="payment_intent_unexpected_state")
        if amount < 1:
            raise PaymentRefused(code="parameter_invalid_integer")
        if sum(self.refunds.values()) + amount > self.captured_amount:
            raise PaymentRefused(code="charge_already_refunded")
        self._move(MovementKind.REFUNDED, amount, now)
        self.refunds[refund_id] = amount

    def _move(self, kind: MovementKind, amount: int, at: datetime, reason: str | None = None) -> None:
        card = TOKENS[self.token].card
        # Two requests read the clock in one order and get the page in another: a ledger does not go back.
        at = max([at, *(movement.at for movement in self.movements[-1:])])
        self.movements.append(
            Movement(
                kind=kind,
                at=at,
                intent_id=self.id,
                order_id=self.order_id,
                attempt=self.attempt,
                amount=amount,
                currency=self.currency,
                card_brand=card.brand,
                card_last_four=card.last_four,
                reason=reason,
            )
        )


class SandboxPayments:
    """services.ports.Payments; what is never allowed raises PaymentRefused.

    `hold_days` is how long a hold lasts by the clock, `slow_seconds` how long tok_slow takes, `action_url` where the
    card's holder is sent, with the intent's id in place of `{intent_id}`.
    """

    def __init__(
        self,
        books: SandboxBooks,
        clock: Clock,
        hold_days: int = 7,
        slow_seconds: float = 3.0,
        action_url: str = "https://bank.example/confirm/{intent_id}",
    ) -> None:
        """Keep the ledger in these books."""
        self._books, self._clock, self._script = books, clock, Script(books)
        self._hold, self._slow_seconds, self._action_url = timedelta(days=hold_days), slow_seconds, action_url

    async def card(self, token: str) -> CardDescription:
        """See services.ports.Payments."""
        async with self._script.around("payments.card", token) as planned:
            if planned is Behaviour.REJECT:
                raise PaymentRefused(code="resource_missing")
            return card_for(token)

    async def create_intent(
        self, idempotency_key: str, order_id: UUID, attempt: int, amount: int, currency: str, token: str
    ) -> PaymentIntent:
        """See services.ports.Payments. The same key with other parameters is refused with idempotency_error."""
        async with self._script.around("payments.create_intent", str(order_id)) as planned:
            _must_be_acceptable(idempotency_key, amount, currency)
            card_for(token)
            if planned is Behaviour.REJECT:
                raise PaymentRefused(code="payment_method_invalid_parameter")
            intent_id = "pi_" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:24]
            asked = _Page(
                id=intent_id, order_id=order_id, attempt=attempt, amount=amount, currency=currency, token=token
            )
            now = await self._clock.now()
            async with self._books.entry(LEDGER, intent_id) as document:
                page = _Page.model_validate(document) if document else asked
                if page.terms != asked.terms:
                    raise PaymentRefused(code="idempotency_error")
                document.update(page.as_of(now).model_dump(mode="json"))
            return _misstated(self._shown(page), planned)

    async def confirm(self, intent_id: str) -> PaymentIntent:
        """See services.ports.Payments. What is captured or voided can't be confirmed any more."""
        async with self._script.around("payments.confirm", intent_id) as planned:
            async with self._page(intent_id) as (page, now):
                fault = page.take_fault()
                if planned is Behaviour.REJECT and page.status is PaymentStatus.UNCONFIRMED:
                    page.decline("card_declined")
                elif fault not in {_Fault.SLOW, _Fault.TIMEOUT_BEFORE_EFFECT}:
                    page.confirm(now, self._hold)
            if fault is _Fault.SLOW:
                await asyncio.sleep(self._slow_seconds)
                async with self._page(intent_id) as (page, now):
                    page.confirm(now, self._hold)
            elif fault is not None:
                message = f"payments.confirm: {fault}"
                raise OutcomeUnknown(message)
            return _misstated(self._shown(page), planned)

    async def retrieve(self, intent_id: str) -> PaymentIntent:
        """See services.ports.Payments."""
        async with self._script.around("payments.retrieve", intent_id) as planned:
            now = await self._clock.now()
            document = await self._books.read(LEDGER, intent_id)
            if not document or planned is Behaviour.REJECT:
                raise PaymentRefused(code="resource_missing")
            return _misstated(self._shown(_Page.model_validate(document).as_of(now)), planned)

    async def capture(self, intent_id: str, amount: int) -> PaymentIntent:
        """See services.ports.Payments. The same amount again gives what is; another is refused."""
        async with self._script.around("payments.capture", intent_id) as planned:
            async with self._page(intent_id) as (page, now):
                if planned is Behaviour.REJECT:
                    raise PaymentRefused(code="card_declined")
                page.capture(amount, now)
            return _misstated(self._shown(page), planned)

    async def void(self, intent_id: str) -> PaymentIntent:
        """See services.ports.Payments. What is voided stays so; what is captured is refused."""
        async with self._script.around("payments.void", intent_id) as planned:
            async with self._page(intent_id) as (page, now):
                if planned is Behaviour.REJECT:
                    raise PaymentRefused(code="payment_intent_unexpected_state")
                page.void(now)
            return _misstated(self._shown(page), planned)

    async def refund(self, idempotency_key: str, intent_id: str, amount: int) -> str:
        """See services.ports.Payments. More than was captured is refused, and a refused key stays refused."""
        async with self._script.around("payments.refund", intent_id) as planned:
            refund_id = "re_" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:24]
            async with self._page(intent_id) as (page, now):
                disputed = planned is Behaviour.REJECT and refund_id not in page.refunds
                if disputed:
                    page.disputed_refunds.append(refund_id)
                else:
                    page.refund(refund_id, amount, now)
            if disputed:
                raise PaymentRefused(code=_DISPUTED)
            return refund_id

    async def complete_action(self, intent_id: str, *, approve: bool) -> PaymentIntent:
        """What the card's holder does at the bank. Done already, the same gives what is; the other is refused."""
        wanted = {PaymentStatus.AUTHORISED, PaymentStatus.CAPTURED} if approve else {PaymentStatus.DECLINED}
        async with self._page(intent_id) as (page, now):
            if page.status is PaymentStatus.ACTION_REQUIRED and approve:
                page.authorise(now, self._hold)
            elif page.status is PaymentStatus.ACTION_REQUIRED:
                page.decline("payment_intent_authentication_failure")
            if page.status not in wanted:
                raise PaymentRefused(code="payment_intent_unexpected_state")
        return self._shown(page)

    async def look(self, intent_id: str) -> PaymentIntent | None:
        """What the bank's page shows its holder: the intent as it is, whatever the gateway tells others; None: none."""
        document = await self._books.read(LEDGER, intent_id)
        return self._shown(_Page.model_validate(document).as_of(await self._clock.now())) if document else None

    async def movements(self) -> list[Movement]:
        """The ledger: all movements in order of time, those of holds that ended by themselves included."""
        now = await self._clock.now()
        pages = [_Page.model_validate(document).as_of(now) for _, document in await self._books.list(LEDGER)]
        return sorted((movement for page in pages for movement in page.movements), key=lambda movement: movement.at)

    @asynccontextmanager
    async def _page(self, intent_id: str) -> AsyncIterator[tuple[_Page, datetime]]:
        now = await self._clock.now()  # before the page is held: the clock may keep its time in the same books
        async with self._books.entry(LEDGER, intent_id) as document:
            if not document:
                raise PaymentRefused(code="resource_missing")
            page = _Page.model_validate(document).as_of(now)
            yield page, now
            document.update(page.model_dump(mode="json"))

    def _shown(self, page: _Page) -> PaymentIntent:
        acting = page.status is PaymentStatus.ACTION_REQUIRED
        return PaymentIntent(
            id=page.id,
            status=page.status,
            amount=page.amount,
            currency=page.currency,
            captured_amount=page.captured_amount,
            decline_code=page.decline_code,
            action_url=self._action_url.format(intent_id=page.id) if acting else None,
            hold_expires_at=page.hold_expires_at if page.status is PaymentStatus.AUTHORISED else None,
        )


def _misstated(intent: PaymentIntent, planned: Behaviour | None) -> PaymentIntent:
    match planned:
        case Behaviour.WRONG:
            return replace(intent, amount=intent.amount + 1, captured_amount=intent.captured_amount + 1)
        case Behaviour.OTHER_CURRENCY:
            return replace(intent, currency="USD" if intent.currency != "USD" else "EUR")
        case Behaviour.UNKNOWN_STATUS:
            return replace(intent, status=PaymentStatus.UNRECOGNISED)
        case Behaviour.OTHER_ORDER:
            return replace(intent, id="pi_of_another_order")
        case _:
            return intent


def _must_be_acceptable(idempotency_key: str, amount: int, currency: str) -> None:
    if not 1 <= len(idempotency_key) <= _LONGEST_KEY:
        raise PaymentRefused(code="idempotency_error")
    if currency not in _SMALLEST:
        raise PaymentRefused(code="parameter_invalid_currency")
    if amount < 1:
        raise PaymentRefused(code="parameter_invalid_integer")
    if amount < _SMALLEST[currency]:
        raise PaymentRefused(code="amount_too_small")
    if amount > _LARGEST:
        raise PaymentRefused(code="amount_too_large")
