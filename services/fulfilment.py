"""The way of a placed order: hold the money, admin, seats, charge. Each outside act is recorded before the next."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NoReturn
from uuid import UUID

from domain.identifiers import vault_id
from domain.order import FulfilmentStep, LineOutcome, ServiceOrder
from domain.pricing import QuoteLine, totals
from domain.subscription import Subscription
from services.ports import (
    AdminDirectory,
    Claim,
    Clock,
    CommandContext,
    CounterpartyError,
    CounterpartyRefused,
    EventStore,
    OutcomeUnknown,
    PaymentIntent,
    Payments,
    PaymentStatus,
    ProvisioningResult,
    ProvisioningStatus,
    SealedRecord,
    SeatProvisioning,
    Vault,
    VersionConflict,
)
from services.receipts import Receipts
from services.vault_records import ActionLink, Contact, GatewayToken, opened
from services.working import recorded, worker_context

ACTOR: Final = "fulfilment"

HOLD_MARGIN: Final = timedelta(days=1)
"""A hold that ends within this time is given back for a new one before anything is done on it."""


class UnexpectedAnswer(CounterpartyError):
    """The counterparty answered something that doesn't fit what was asked; nothing is taken for granted from it."""


class StillWaiting(CounterpartyError):
    """The counterparty, or the card's holder, takes its time; it is asked again later."""


@dataclass(frozen=True, slots=True)
class Counterparties:
    """Who carries an order out."""

    payments: Payments
    admin_directory: AdminDirectory
    provisioning: SeatProvisioning


@dataclass(frozen=True, slots=True)
class _Run:
    """One turn at an order; `waiting` has the lines whose answer did not come in this turn."""

    claim: Claim
    waiting: dict[UUID, CounterpartyError] = field(default_factory=dict)


_ON_HOLD: Final = frozenset(
    {
        FulfilmentStep.ASSIGN_ADMIN,
        FulfilmentStep.PROVISION,
        FulfilmentStep.ASSIGN_ADMIN_SEATS,
        FulfilmentStep.CAPTURE,
    }
)


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
        """`pay_within`: how long an order waits for another card, or for the card's holder."""
        self._events, self._vault, self._clock, self._outside, self._receipts = events, vault, clock, outside, receipts
        self._pay_within = pay_within
        self._steps: Mapping[FulfilmentStep, Callable[[ServiceOrder, _Run], Awaitable[None]]] = {
            FulfilmentStep.AUTHORISE: self._authorise,
            FulfilmentStep.AWAIT_ACTION: self._authorise,
            FulfilmentStep.ASSIGN_ADMIN: self._assign_admin,
            FulfilmentStep.PROVISION: self._provision,
            FulfilmentStep.ASSIGN_ADMIN_SEATS: self._assign_admin_seats,
            FulfilmentStep.RELEASE: self._release,
            FulfilmentStep.CAPTURE: self._capture,
            FulfilmentStep.CANCEL: self._cancel,
            FulfilmentStep.ISSUE_RECEIPT: lambda order, run: self._receipts.issue(order, run.claim),
            FulfilmentStep.REFUND: self._refund,
        }

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """See services.working.Work."""
        run = _Run(claim)
        while True:
            order = (await self._events.load(claim.subject_id)).require(ServiceOrder, claim.subject_id)
            step = order.next_step
            if step is None:
                return
            await keep()
            if step in _ON_HOLD and await self._hold_was_ending(order, run):
                continue
            await self._steps[step](order, run)

    # --- payment ---------------------------------------------------------------------------------------------------

    async def _authorise(self, order: ServiceOrder, run: _Run) -> None:
        if order.attempt is None:
            await self._start_attempt(order, run)
            return
        intent_id = order.attempt.intent_id
        try:
            intent = await self._looked_up(order, run)
            if intent.status is PaymentStatus.UNCONFIRMED:
                intent = await self._fitting(order, await self._outside.payments.confirm(intent_id), run)
        except OutcomeUnknown:
            await self._record(
                run, lambda order, now: order.payment_outcome_unknown(intent_id, "no answer", now), "payment_unknown"
            )
            raise
        if intent.status is PaymentStatus.ACTION_REQUIRED and order.next_step is FulfilmentStep.AWAIT_ACTION:
            message = "the card's holder has not acted yet"
            raise StillWaiting(message)
        await self._record_payment(order, intent, run)

    async def _start_attempt(self, order: ServiceOrder, run: _Run) -> None:
        number = order.attempts + 1
        try:
            intent_id = await made_intent(self._vault, self._outside.payments, order)
        except CounterpartyRefused:
            await self._record(
                run, lambda order, now: order.payment_refused("refused", now + self._pay_within, now), "payment_refused"
            )
            return
        except UnexpectedAnswer as error:
            await self._not_understood(run, "payments", str(error))

        def decide(order: ServiceOrder, now: datetime) -> None:
            if order.attempts < number and order.next_step is FulfilmentStep.AUTHORISE:
                order.start_payment_attempt(intent_id, now)

        await self._record(run, decide, "payment_attempt")

    async def _record_payment(self, order: ServiceOrder, intent: PaymentIntent, run: _Run) -> None:
        vault: tuple[SealedRecord, ...] = ()
        match intent.status:
            case PaymentStatus.AUTHORISED if intent.hold_expires_at:
                hold = intent.hold_expires_at

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_authorised(intent.id, intent.amount, hold, now)

            case PaymentStatus.DECLINED | PaymentStatus.VOIDED:
                code = intent.decline_code or str(intent.status)

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_declined(intent.id, code, now + self._pay_within, now)

            case PaymentStatus.ACTION_REQUIRED if intent.action_url:
                link = self._vault.seal(
                    vault_id(order.id, ActionLink.KIND),
                    order.attempts,
                    order.account_id,
                    ActionLink(url=intent.action_url),
                )
                vault = (link,)

                def decide(order: ServiceOrder, now: datetime) -> None:
                    order.payment_action_required(intent.id, link.reference, now + self._pay_within, now)

            case _:
                await self._not_understood(run, "payments", f"{intent.status} where a hold was asked for")
        await self._record(run, decide, "payment", vault)

    async def _hold_was_ending(self, order: ServiceOrder, run: _Run) -> bool:
        """Whether the hold is gone or was given back for a new one, so that the step must wait."""
        now = await self._clock.now()
        if order.attempt is None or order.hold_expires_at is None or now < order.hold_expires_at - HOLD_MARGIN:
            return False
        intent_id = order.attempt.intent_id
        intent = await self._looked_up(order, run)
        match intent.status:
            case PaymentStatus.CAPTURED:  # and not recorded yet: the next step does that
                return False
            case PaymentStatus.AUTHORISED:
                await self._give_back(order, run)
                await self._record(run, lambda order, now: order.hold_given_up(intent_id, now), "hold_given_up")
            case PaymentStatus.VOIDED:
                await self._record_lapse(intent_id, run)
            case _:
                await self._not_understood(run, "payments", f"{intent.status} where money was held")
        return True

    async def _record_lapse(self, intent_id: str, run: _Run) -> None:
        await self._record(
            run, lambda order, now: order.payment_lapsed(intent_id, now + self._pay_within, now), "lapsed"
        )

    async def _capture(self, order: ServiceOrder, run: _Run) -> None:
        assert order.attempt is not None  # money is held
        intent_id, amount = order.attempt.intent_id, totals(order.provisioned_lines).gross
        try:
            intent = await self._fitting(order, await self._outside.payments.capture(intent_id, amount), run)
        except CounterpartyRefused:
            # Refused may also mean that it was captured before: what is there decides, not the refusal.
            intent = await self._looked_up(order, run)
            if intent.status is PaymentStatus.VOIDED:
                await self._record_lapse(intent_id, run)
                return
            if intent.status is PaymentStatus.AUTHORISED:
                await self._give_back(order, run)  # or it would stay held beside the next card's
                await self._record(
                    run,
                    lambda order, now: order.payment_capture_failed(intent_id, "refused", now + self._pay_within, now),
                    "capture_failed",
                )
                return
        if (intent.status, intent.captured_amount) != (PaymentStatus.CAPTURED, amount):
            answer = f"{intent.status} with {intent.captured_amount} charged for {amount} {order.currency}"
            await self._not_understood(run, "payments", answer)
        await self._record(run, lambda order, now: order.payment_captured(intent_id, amount, now), "captured")

    async def _looked_up(self, order: ServiceOrder, run: _Run) -> PaymentIntent:
        """What became of the attempt. One that the gateway doesn't know is an answer that can't be right either."""
        assert order.attempt is not None  # nobody asks before there is one
        try:
            intent = await self._outside.payments.retrieve(order.attempt.intent_id)
        except CounterpartyRefused as error:
            await self._not_understood(run, "payments", f"{error} for {order.attempt.intent_id}")
        return await self._fitting(order, intent, run)

    async def _fitting(self, order: ServiceOrder, intent: PaymentIntent, run: _Run) -> PaymentIntent:
        """The answer, if it is one about the order's attempt, its amount and currency, in words that are known."""
        assert order.attempt is not None  # nobody asks before there is one
        asked, told = f"{order.attempt.amount} {order.currency}", f"{intent.amount} {intent.currency}"
        if intent.id != order.attempt.intent_id:
            await self._not_understood(run, "payments", f"{intent.id} where {order.attempt.intent_id} was asked for")
        if told != asked or intent.status is PaymentStatus.UNRECOGNISED:
            await self._not_understood(run, "payments", f"{intent.status} {told} for {asked}")
        return intent

    async def _give_back(self, order: ServiceOrder, run: _Run) -> None:
        """Give the hold back, and believe only an answer that says so."""
        assert order.attempt is not None  # nobody gives back what there is not
        intent = await self._fitting(order, await self._outside.payments.void(order.attempt.intent_id), run)
        if intent.status is not PaymentStatus.VOIDED:
            await self._not_understood(run, "payments", f"{intent.status} where the hold was to be given back")

    async def _refund(self, order: ServiceOrder, run: _Run) -> None:
        assert order.attempt is not None  # the one that was captured
        refund = order.refund_due
        assert refund is not None  # the step is only due with one
        try:
            refund_id = await self._outside.payments.refund(
                f"{order.id}:refund:{refund.number}", order.attempt.intent_id, refund.amount
            )
        except CounterpartyRefused:
            await self._record(run, lambda order, now: order.refund_failed("refused", now), "refund_failed")
            return
        await self._receipts.issue_credit_note(order, refund_id, run.claim)

    # --- admin and seats -------------------------------------------------------------------------------------------

    async def _assign_admin(self, order: ServiceOrder, run: _Run) -> None:
        reference = order.details.admin_contact
        assert reference is not None  # the step is only due with one
        contact = opened(await self._vault.read((reference,)), reference, Contact)
        admin = await self._outside.admin_directory.ensure_admin(order.account_id, contact)
        await self._record(
            run,
            lambda order, now: order.admin_assigned(admin.external_reference, created=admin.created, at=now),
            "admin",
        )

    async def _provision(self, order: ServiceOrder, run: _Run) -> None:
        """Ask for the next line that was not asked for in this turn; one that waits does not hold up the others."""
        lines = [line for line in order.unsettled_lines if line.subscription_id not in run.waiting]
        if not lines:
            raise next(iter(run.waiting.values()))
        line = lines[0]
        streams = await self._events.load(line.subscription_id)
        change = streams.require(Subscription, line.subscription_id).seat_change
        if change is None or change.order_id != order.id:
            result = ProvisioningResult(ProvisioningStatus.REJECTED, rejection="released")
            await self._record_line(line, result, run)
            return
        try:
            if change.releasing:  # whoever began that did not come to its end
                await self._given_up(line, order, run)
                await self._record_released(line, run)
                return
            result = await self._outside.provisioning.set_seats(
                line.subscription_id, line.product, change.seats_after, change.version_sent, order.id
            )
            _must_fit(result, change.seats_after, order.id)
            if result.status is ProvisioningStatus.PENDING:
                message = "the seats are not there yet"
                raise StillWaiting(message)
        except (CounterpartyRefused, UnexpectedAnswer) as error:
            run.waiting[line.subscription_id] = error
            await self._note_not_understood(run, "provisioning", f"{error} for {line.subscription_number}")
        except CounterpartyError as error:
            run.waiting[line.subscription_id] = error
        else:
            await self._record_line(line, result, run)

    async def _record_line(self, line: QuoteLine, result: ProvisioningResult, run: _Run) -> None:
        async def attempt() -> None:
            streams = await self._events.load(run.claim.subject_id, line.subscription_id)
            order = streams.require(ServiceOrder, run.claim.subject_id)
            subscription = streams.require(Subscription, line.subscription_id)
            context = await worker_context(ACTOR, run.claim, order, f"line:{line.subscription_id}", self._clock)
            if subscription.releases(order.id):
                return  # whoever calls the seats off records what comes of that
            if result.external_reference is None:
                reason = result.rejection or "rejected"
                subscription.provisioning_rejected(order.id, reason, context.now)
                order.line_rejected(line.subscription_id, reason, context.now)
            elif order.outcomes.get(line.subscription_id) is LineOutcome.REJECTED:
                return  # released meanwhile, and what this answer gave was taken back with it
            else:
                subscription.seats_provisioned(order.id, result.external_reference, context.now)
                order.line_provisioned(line.subscription_id, context.now)
            await self._events.append(order, subscription, context=context)

        await recorded(attempt)

    async def _record_released(self, line: QuoteLine, run: _Run) -> None:
        async def attempt() -> None:
            streams = await self._events.load(run.claim.subject_id, line.subscription_id)
            order = streams.require(ServiceOrder, run.claim.subject_id)
            subscription = streams.require(Subscription, line.subscription_id)
            if not subscription.releases(order.id):
                return
            context = await worker_context(ACTOR, run.claim, order, f"line:{line.subscription_id}", self._clock)
            order.line_released(line.subscription_id, "released", context.now)
            subscription.release_seats(order.id, "released", context.now)
            await self._events.append(order, subscription, context=context)

        await recorded(attempt)

    async def _assign_admin_seats(self, order: ServiceOrder, run: _Run) -> None:
        assert order.admin_reference is not None  # the step is only due with one
        products = tuple(dict.fromkeys(line.product.value for line in order.provisioned_lines))
        given = await self._outside.admin_directory.ensure_seats(order.admin_reference, products)
        if not set(given) <= set(products):
            await self._not_understood(run, "admin directory", f"gave {', '.join(given)} for {', '.join(products)}")
        await self._record(run, lambda order, now: order.admin_seats_assigned(given, now), "admin_seats")

    # --- calling off -----------------------------------------------------------------------------------------------

    async def _release(self, order: ServiceOrder, run: _Run) -> None:
        """Give up the lines without seats of an order that is called off; those with seats are charged."""
        if await self._found_provisioned(order, run):
            return
        await self._record_end(run, _release_lines)

    async def _cancel(self, order: ServiceOrder, run: _Run) -> None:
        if await self._found_provisioned(order, run):
            return
        voided = 0
        if order.attempt:
            intent = await self._looked_up(order, run)
            if intent.status is PaymentStatus.CAPTURED:
                await self._not_understood(run, "payments", "captured where nothing was to be charged")
            voided = intent.amount if intent.status is PaymentStatus.AUTHORISED else order.authorised_amount
            if intent.status is not PaymentStatus.VOIDED:
                await self._give_back(order, run)
        await self._record_end(run, lambda order, now: order.cancelled(voided, now))

    async def _found_provisioned(self, order: ServiceOrder, run: _Run) -> bool:
        """Record seats that are there though nobody recorded the answer: who has them pays for them."""
        for line in order.unsettled_lines:
            try:
                answer = await self._given_up(line, order, run)
            except VersionConflict:
                return True  # somebody recorded something: look again
            except UnexpectedAnswer as error:
                await self._not_understood(run, "provisioning", f"{error} for {line.subscription_number}")
            if answer and answer.status is ProvisioningStatus.PROVISIONED:
                await self._record_line(line, answer, run)
                return True
        return False

    async def _given_up(self, line: QuoteLine, order: ServiceOrder, run: _Run) -> ProvisioningResult | None:
        streams = await self._events.load(line.subscription_id)
        subscription = streams.require(Subscription, line.subscription_id)
        context = await worker_context(ACTOR, run.claim, subscription, "release", self._clock)
        return await given_up(self._events, self._outside.provisioning, subscription, order.id, context)

    async def _record_end(self, run: _Run, decide: Callable[[ServiceOrder, datetime], None]) -> None:
        """Record what ends lines of the order, with the release of the seats on order for them."""

        async def attempt() -> None:
            order = (await self._events.load(run.claim.subject_id)).require(ServiceOrder, run.claim.subject_id)
            context = await worker_context(ACTOR, run.claim, order, "end", self._clock)
            ended = [line.subscription_id for line in order.unsettled_lines]
            decide(order, context.now)
            subscriptions: list[Subscription] = []
            if order.pending_events and ended:
                streams = await self._events.load(*ended)
                subscriptions = [streams.require(Subscription, id) for id in ended]
            for subscription in subscriptions:
                subscription.release_seats(order.id, "order called off", context.now)
            await self._events.append(order, *subscriptions, context=context)

        await recorded(attempt)

    # --- recording -------------------------------------------------------------------------------------------------

    async def _not_understood(self, run: _Run, counterparty: str, answer: str) -> NoReturn:
        """Record the answer and raise UnexpectedAnswer: the step is tried again later."""
        await self._note_not_understood(run, counterparty, answer)
        raise UnexpectedAnswer(answer)

    async def _note_not_understood(self, run: _Run, counterparty: str, answer: str) -> None:
        await self._record(
            run, lambda order, now: order.answer_not_understood(counterparty, answer, now), "not_understood"
        )

    async def _record(
        self,
        run: _Run,
        decide: Callable[[ServiceOrder, datetime], None],
        what: str,
        vault: tuple[SealedRecord, ...] = (),
    ) -> None:
        async def attempt() -> None:
            order = (await self._events.load(run.claim.subject_id)).require(ServiceOrder, run.claim.subject_id)
            context = await worker_context(ACTOR, run.claim, order, what, self._clock)
            decide(order, context.now)
            await self._events.append(order, context=context, vault=vault if order.pending_events else ())

        await recorded(attempt)


def _release_lines(order: ServiceOrder, at: datetime) -> None:
    for line in order.unsettled_lines:
        order.line_released(line.subscription_id, "order called off", at)


async def given_up(
    events: EventStore,
    provisioning: SeatProvisioning,
    subscription: Subscription,
    order_id: UUID,
    context: CommandContext,
) -> ProvisioningResult | None:
    """The answer to the order's seat change if there is one; None once none counts any more.

    Without an answer the release is begun in the log, under `context`: who holds an answer that came meanwhile then
    records nothing. After that the call that may be under way is shut out by one of a higher version, which leaves the
    seats as they are: the next change has a higher one still, since what ends this one and its order are events of the
    subscription themselves. Raises StillWaiting while that call itself is not carried out, UnexpectedAnswer for what
    can't be right, and VersionConflict if somebody recorded an answer first. Called again, it goes on.
    """
    change = subscription.seat_change
    if change is None or change.order_id != order_id:
        return None
    if not change.releasing:
        answer = await provisioning.answer_to(subscription.id, change.version_sent)
        if answer:
            _must_fit(answer, change.seats_after, order_id)
            if answer.status is not ProvisioningStatus.PENDING:
                return answer
        subscription.begin_release(order_id, context.now)
        await events.append(subscription, context=context)
    shut_out = await provisioning.set_seats(
        subscription.id, subscription.product, subscription.seats, change.version_sent + 1, order_id
    )
    _must_fit(shut_out, subscription.seats, order_id)
    if shut_out.status is ProvisioningStatus.PENDING:
        message = "the seats may still come"
        raise StillWaiting(message)
    return None


def _must_fit(answer: ProvisioningResult, seats: int, order_id: UUID) -> None:
    """Raise UnexpectedAnswer unless it can be one to a call for so many seats in all, for this order."""
    if answer.order_id not in {None, order_id}:
        message = f"an answer for the order {answer.order_id}"
        raise UnexpectedAnswer(message)
    match answer.status:
        case ProvisioningStatus.PROVISIONED:
            fits = answer.seats == seats and answer.external_reference is not None
        case ProvisioningStatus.REJECTED:
            fits = answer.external_reference is None
        case status:
            fits = status is ProvisioningStatus.PENDING
    if not fits:
        message = f"{answer.status}, {answer.seats} seats where {seats} were asked for, as {answer.external_reference}"
        raise UnexpectedAnswer(message)


async def made_intent(vault: Vault, payments: Payments, order: ServiceOrder) -> str:
    """The id of the unconfirmed intent for the order's next attempt: made now, or the one that was made before.

    Raises UnexpectedAnswer if the gateway made one of another amount or currency; nobody confirms that.
    """
    method = order.payment_method
    assert method is not None  # an order is placed with a card, and keeps one
    token = opened(await vault.read((method.token,)), method.token, GatewayToken)
    number = order.attempts + 1
    # The card is part of the key: another one under the same attempt is another request.
    key = f"{order.id}:{number}:{method.token.id}:{method.token.version}"
    intent = await payments.create_intent(key, order.id, number, order.amount_due, order.currency, token.token)
    if (intent.amount, intent.currency) != (order.amount_due, order.currency):
        message = f"an intent of {intent.amount} {intent.currency} for {order.amount_due} {order.currency}"
        raise UnexpectedAnswer(message)
    return intent.id
