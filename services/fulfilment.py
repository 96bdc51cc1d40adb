"""The way of a placed order: hold the money, admin, seats, charge. Each outside act is recorded before the next."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.identifiers import vault_id
from domain.order import FulfilmentStep, ServiceOrder
from domain.pricing import QuoteLine, totals
from domain.subscription import Subscription
from services.ports import (
    AdminDirectory,
    Claim,
    Clock,
    CounterpartyError,
    CounterpartyRefused,
    EventStore,
    OutcomeUnknown,
    PaymentIntent,
    Payments,
    PaymentStatus,
    ProvisioningResult,
    SealedRecord,
    SeatProvisioning,
    Vault,
)
from services.receipts import Receipts
from services.vault_records import ActionLink, Contact, GatewayToken, opened
from services.working import recorded, worker_context

ACTOR: Final = "fulfilment"


class UnexpectedAnswer(CounterpartyError):
    """The counterparty answered something that doesn't fit what was asked; nothing is taken for granted from it."""


@dataclass(frozen=True, slots=True)
class Counterparties:
    """Who carries an order out."""

    payments: Payments
    admin_directory: AdminDirectory
    provisioning: SeatProvisioning


class Fulfilment:
    """services.working.Work on the fulfilment list."""

    def __init__(
        self,
        events: EventStore,
        vault: Vault,
        clock: Clock,
        outside: Counterparties,
        receipts: Receipts,
        pay_within: timedelta = timedelta(days=7),
    ) -> None:
        """`pay_within`: how long a declined order waits for another card."""
        self._events, self._vault, self._clock, self._outside, self._receipts = events, vault, clock, outside, receipts
        self._pay_within = pay_within
        self._steps: Mapping[FulfilmentStep, Callable[[ServiceOrder, Claim], Awaitable[None]]] = {
            FulfilmentStep.AUTHORISE: self._authorise,
            FulfilmentStep.ASSIGN_ADMIN: self._assign_admin,
            FulfilmentStep.PROVISION: self._provision,
            FulfilmentStep.ASSIGN_ADMIN_SEATS: self._assign_admin_seats,
            FulfilmentStep.CAPTURE: self._capture,
            FulfilmentStep.VOID: self._void,
            FulfilmentStep.ISSUE_RECEIPT: self._receipts.issue,
        }

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        while True:
            order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
            if order.next_step is None:
                return
            await keep()
            await self._steps[order.next_step](order, claim)

    async def _authorise(self, order: ServiceOrder, claim: Claim) -> None:
        if order.attempt is None:
            await self._start_attempt(order, claim)
            return
        intent_id = order.attempt.intent_id
        try:
            intent = await self._outside.payments.retrieve(intent_id)
            if intent.status is PaymentStatus.UNCONFIRMED:
                intent = await self._outside.payments.confirm(intent_id)
        except OutcomeUnknown:
            await self._record(
                claim, lambda order, now: order.payment_outcome_unknown(intent_id, "no answer", now), "payment_unknown"
            )
            raise
        if (intent.amount, intent.currency) != (order.attempt.amount, order.currency):
            message = "the gateway's intent has another amount or currency"
            raise UnexpectedAnswer(message)
        await self._record_payment(order, intent, claim)

    async def _start_attempt(self, order: ServiceOrder, claim: Claim) -> None:
        method = order.payment_method
        assert method is not None  # an order is placed with a card
        token = opened(await self._vault.read((method.token,)), method.token, GatewayToken)
        number = order.attempts + 1
        intent = await self._outside.payments.create_intent(
            f"{order.id}:{number}", order.id, number, order.totals.gross, order.currency, token.token
        )
        await self._record(
            claim,
            lambda order, now: order.start_payment_attempt(intent.id, now) if order.attempts < number else None,
            "payment_attempt",
        )

    async def _record_payment(self, order: ServiceOrder, intent: PaymentIntent, claim: Claim) -> None:
        vault: tuple[SealedRecord, ...] = ()
        match intent.status:
            case PaymentStatus.AUTHORISED if intent.hold_expires_at:
                hold = intent.hold_expires_at

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_authorised(intent.id, intent.amount, hold, now)

            case PaymentStatus.DECLINED:

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_declined(intent.id, intent.decline_code or "declined", now + self._pay_within, now)

            case PaymentStatus.ACTION_REQUIRED if intent.action_url:
                link = self._vault.seal(
                    vault_id(order.id, ActionLink.KIND),
                    order.attempts,
                    order.account_id,
                    ActionLink(url=intent.action_url),
                )
                vault = (link,)

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_action_required(intent.id, link.reference, now)

            case _:
                message = f"the gateway's intent is {intent.status} where a hold was asked for"
                raise UnexpectedAnswer(message)
        await self._record(claim, decide, "payment", vault)

    async def _assign_admin(self, order: ServiceOrder, claim: Claim) -> None:
        reference = order.details.admin_contact
        assert reference is not None  # the step is only due with one
        contact = opened(await self._vault.read((reference,)), reference, Contact)
        admin = await self._outside.admin_directory.ensure_admin(order.account_id, contact)
        await self._record(
            claim,
            lambda order, now: order.admin_assigned(admin.external_reference, created=admin.created, at=now),
            "admin",
        )

    async def _provision(self, order: ServiceOrder, claim: Claim) -> None:
        line = order.unsettled_lines[0]
        streams = await self._events.load(line.subscription_id)
        change = streams.require(Subscription, line.subscription_id).seat_change
        if change is None or change.order_id != order.id:
            result = ProvisioningResult(None, "released")
        else:
            result = await self._outside.provisioning.set_seats(
                line.subscription_id, line.product, change.seats_after, change.version_sent, order.id
            )
        await self._record_line(line, result, claim)

    async def _record_line(self, line: QuoteLine, result: ProvisioningResult, claim: Claim) -> None:
        async def attempt() -> None:
            streams = await self._events.load(claim.subject_id, line.subscription_id)
            order = streams.require(ServiceOrder, claim.subject_id)
            subscription = streams.require(Subscription, line.subscription_id)
            context = await worker_context(ACTOR, claim, order, f"line:{line.subscription_id}", self._clock)
            if result.external_reference is None:
                reason = result.rejection or "rejected"
                subscription.provisioning_rejected(order.id, reason, context.now)
                order.line_rejected(line.subscription_id, reason, context.now)
            else:
                subscription.seats_provisioned(order.id, result.external_reference, context.now)
                order.line_provisioned(line.subscription_id, context.now)
            await self._events.append(order, subscription, context=context)

        await recorded(attempt)

    async def _assign_admin_seats(self, order: ServiceOrder, claim: Claim) -> None:
        assert order.admin_reference is not None  # the step is only due with one
        products = tuple(dict.fromkeys(line.product.value for line in order.provisioned_lines))
        given = await self._outside.admin_directory.ensure_seats(order.admin_reference, products)
        await self._record(claim, lambda order, now: order.admin_seats_assigned(given, now), "admin_seats")

    async def _capture(self, order: ServiceOrder, claim: Claim) -> None:
        assert order.attempt is not None  # money is held
        intent_id, amount = order.attempt.intent_id, totals(order.provisioned_lines).gross
        try:
            intent = await self._outside.payments.capture(intent_id, amount)
        except CounterpartyRefused:
            # Refused may also mean that it was captured before: what is there decides, not the refusal.
            intent = await self._outside.payments.retrieve(intent_id)
        if intent.status is not PaymentStatus.CAPTURED:
            await self._record(
                claim, lambda order, now: order.payment_capture_failed(intent_id, "refused", now), "capture_failed"
            )
            return
        if (intent.captured_amount, intent.currency) != (amount, order.currency):
            message = "the gateway captured another amount or currency"
            raise UnexpectedAnswer(message)
        await self._record(claim, lambda order, now: order.payment_captured(intent_id, amount, now), "captured")

    async def _void(self, order: ServiceOrder, claim: Claim) -> None:
        assert order.attempt is not None  # money is held
        intent_id = order.attempt.intent_id
        await self._outside.payments.void(intent_id)

        def decide(order: ServiceOrder, now: datetime) -> None:
            order.payment_voided(intent_id, "nothing provisioned", now)
            order.cancel("nothing provisioned", now)

        await self._record(claim, decide, "voided")

    async def _record(
        self,
        claim: Claim,
        decide: Callable[[ServiceOrder, datetime], None],
        what: str,
        vault: tuple[SealedRecord, ...] = (),
    ) -> None:
        async def attempt() -> None:
            order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
            context = await worker_context(ACTOR, claim, order, what, self._clock)
            decide(order, context.now)
            await self._events.append(order, context=context, vault=vault)

        await recorded(attempt)
