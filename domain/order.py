"""A service order from Save and Proceed to its receipt: what may happen next, and what was recorded of the outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from eventsourcing.domain import event

from domain.ledger import LedgerAggregate, LedgerEvent
from domain.money import Totals
from domain.notices import Notice, NoticeKind
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import QuoteLine, totals
from domain.refusals import OrderNotInState, OrderNotPayable, RefundTooLarge

PROCESSING_TIME = timedelta(hours=24)
"""How long an order may take (help article, note below Place Service Order)."""

DELAY_WARNING = timedelta(hours=4)
"""How long before that somebody is told that it isn't done."""


class OrderState(StrEnum):
    """How far the order is; the straight way first, then beside the way."""

    PREPARED = "Prepared"
    PLACED = "Placed"
    AUTHORISED = "Authorised"
    PROVISIONED = "Provisioned"
    CAPTURED = "Captured"
    COMPLETED = "Completed"
    PAYMENT_DECLINED = "PaymentDeclined"
    PAYMENT_ACTION_REQUIRED = "PaymentActionRequired"
    PAYMENT_UNKNOWN = "PaymentUnknown"
    PARTLY_PROVISIONED = "PartlyProvisioned"
    CANCELLED = "Cancelled"


class FulfilmentStep(StrEnum):
    """What a worker does next for an order."""

    AUTHORISE = "authorise"
    AWAIT_ACTION = "await_action"
    ASSIGN_ADMIN = "assign_admin"
    PROVISION = "provision"
    ASSIGN_ADMIN_SEATS = "assign_admin_seats"
    RELEASE = "release"
    CAPTURE = "capture"
    CANCEL = "cancel"
    ISSUE_RECEIPT = "issue_receipt"
    REFUND = "refund"


class OrderCommand(StrEnum):
    """What people can do about an order; which of it is possible now, the order itself says."""

    CHANGE_DETAILS = "change_details"
    DECLINE_QUOTE = "decline_quote"
    PLACE = "place"
    PAY = "pay"
    CANCEL = "cancel"
    RELEASE = "release"
    REFUND = "refund"
    RESEND_RECEIPT = "resend_receipt"


class LineOutcome(StrEnum):
    """What became of an order's line."""

    PROVISIONED = "provisioned"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class PaymentAttempt:
    """One try to get the money; the intent is the gateway's, made before it is confirmed."""

    number: int
    intent_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that is to go back to the card; `number` counts an order's refunds."""

    number: int
    amount: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """What the admin reviews before placing: where each piece of personal data stands in the vault."""

    payment_method: PaymentMethod | None
    legal_name: VaultReference
    billing_contact: VaultReference
    billing_address: VaultReference
    admin_contact: VaultReference | None


class ServiceOrder(LedgerAggregate):
    """One order per quote. Amounts in minor units of `currency`; captured <= authorised <= placed gross."""

    TOPIC = "ServiceOrder"

    class Event(LedgerAggregate.Event):
        """A fact about the order."""

    class ServiceOrderPrepared(Event, LedgerAggregate.Created):
        """Proceed to Payment: the order exists as a draft with the account's details."""

        TOPIC = "ServiceOrderPrepared.v1"
        account_id: UUID
        number: str
        quote_id: UUID
        quote_digest: str
        seller: str
        currency: str
        time_zone: str
        lines: tuple[QuoteLine, ...]
        details: OrderDetails
        locale: str

    Created = ServiceOrderPrepared

    class OrderDetailsChanged(Event):
        """The admin changed what the order will use; the whole of it is told again."""

        TOPIC = "OrderDetailsChanged.v1"
        details: OrderDetails

    class OrderPlaced(Event):
        """Place Service Order: these lines will be charged. `page` is the review that was shown, if one was."""

        TOPIC = "OrderPlaced.v1"
        quote_id: UUID
        quote_digest: str
        lines: tuple[QuoteLine, ...]
        totals: Totals
        currency: str
        terms_version: str
        purchase_order: VaultReference | None
        request_context: VaultReference
        details: OrderDetails
        payment_method: PaymentMethod
        locale: str
        page_digest: str | None
        due_at: datetime
        page: VaultReference | None = None

    class PaymentAttemptStarted(Event):
        """An unconfirmed intent exists at the gateway; from here on only this one is ever confirmed for the attempt."""

        TOPIC = "PaymentAttemptStarted.v1"
        attempt: int
        intent_id: str
        amount: int
        currency: str
        payment_method: PaymentMethod

    class PaymentActionRequired(Event):
        """The card's bank wants the holder (3-D Secure), by `pay_until`; the link is in the vault."""

        TOPIC = "PaymentActionRequired.v1"
        attempt: int
        intent_id: str
        action: VaultReference
        pay_until: datetime | None = None

    class PaymentAuthorised(Event):
        """The gateway holds the money until `hold_expires_at`."""

        TOPIC = "PaymentAuthorised.v1"
        attempt: int
        intent_id: str
        amount: int
        hold_expires_at: datetime

    class PaymentDeclined(Event):
        """The card was declined; another may pay until `pay_until`. `intent_id` is empty if the gateway made none."""

        TOPIC = "PaymentDeclined.v1"
        attempt: int
        intent_id: str
        decline_code: str
        pay_until: datetime

    class PaymentOutcomeUnknown(Event):
        """The gateway didn't say what became of the attempt; it is asked by the intent's id."""

        TOPIC = "PaymentOutcomeUnknown.v1"
        attempt: int
        intent_id: str
        reason: str

    class PaymentAuthorisationLapsed(Event):
        """The hold ended before the money was captured; a card may pay until `pay_until`."""

        TOPIC = "PaymentAuthorisationLapsed.v1"
        attempt: int
        intent_id: str
        pay_until: datetime | None = None

    class AdminContactAssigned(Event):
        """The admin exists in the Admin Center."""

        TOPIC = "AdminContactAssigned.v1"
        external_reference: str
        created: bool

    class OrderLineProvisioned(Event):
        """The line's seats are there (beside SeatsProvisioned, in the same append)."""

        TOPIC = "OrderLineProvisioned.v1"
        subscription_id: UUID
        seats_added: int

    class OrderLineRejected(Event):
        """The line's seats were refused (beside ProvisioningRejected, in the same append)."""

        TOPIC = "OrderLineRejected.v1"
        subscription_id: UUID
        reason: str

    class AdminSeatsAssigned(Event):
        """The admin has a seat of each provisioned product; `given` had been missing."""

        TOPIC = "AdminSeatsAssigned.v1"
        given: tuple[str, ...]

    class PaymentCaptured(Event):
        """The card was charged for what was provisioned."""

        TOPIC = "PaymentCaptured.v1"
        attempt: int
        intent_id: str
        amount: int
        currency: str
        subscription_ids: tuple[UUID, ...]

    class PaymentCaptureFailed(Event):
        """The gateway refused to charge what it had authorised; another card may pay until `pay_until`."""

        TOPIC = "PaymentCaptureFailed.v1"
        attempt: int
        intent_id: str
        reason: str
        pay_until: datetime | None = None

    class PaymentDeadlinePassed(Event):
        """Nobody paid by `pay_until`. What has no seats yet is called off; what has stays to be paid."""

        TOPIC = "PaymentDeadlinePassed.v1"
        pay_until: datetime

    class PaymentVoided(Event):
        """The hold was given back: the order is off, or a newer hold takes its place."""

        TOPIC = "PaymentVoided.v1"
        attempt: int
        intent_id: str
        amount: int
        reason: str

    class PaymentRefunded(Event):
        """Money went back to the card, with a credit note."""

        TOPIC = "PaymentRefunded.v1"
        refund_id: str
        amount: int
        currency: str
        reason: str
        credit_note_number: str
        document: VaultReference | None = None

    class RefundRequested(Event):
        """Money is to go back to the card."""

        TOPIC = "RefundRequested.v1"
        number: int
        amount: int
        reason: str

    class PaymentRefundFailed(Event):
        """The gateway refused to give the money back; Corporate Account Services looks at it."""

        TOPIC = "PaymentRefundFailed.v1"
        number: int
        amount: int
        reason: str

    class OrderCompleted(Event):
        """Charged, provisioned, and the receipt issued. `rejected_lines`: how many lines nobody was charged for."""

        TOPIC = "OrderCompleted.v1"
        receipt_id: UUID
        receipt_number: str
        document: VaultReference
        rejected_lines: int = 0

    class OrderCancellationRequested(Event):
        """Nothing more is to be provisioned; what has no seats is called off."""

        TOPIC = "OrderCancellationRequested.v1"
        reason: str

    class OrderCancelled(Event):
        """The order is off. `placed`: it was more than a draft, so its customer is told."""

        TOPIC = "OrderCancelled.v1"
        reason: str
        placed: bool = False

    class OrderDelayed(Event):
        """The promised time is nearly over and the order is not completed."""

        TOPIC = "OrderDelayed.v1"
        due_at: datetime

    class OrderOverdue(Event):
        """Not completed by `due_at`; Corporate Account Services looks at it."""

        TOPIC = "OrderOverdue.v1"
        due_at: datetime

    class ReceiptSent(Event):
        """The mail server took the mail with the receipt."""

        TOPIC = "ReceiptSent.v1"
        receipt_number: str
        message_id: str
        recipient: VaultReference
        copy_number: int

    class ReceiptUndeliverable(Event):
        """The mail with the receipt can't reach the billing contact."""

        TOPIC = "ReceiptUndeliverable.v1"
        receipt_number: str
        message_id: str
        reason: str

    class ReceiptResendRequested(Event):
        """Somebody wants the receipt once more, now to this address."""

        TOPIC = "ReceiptResendRequested.v1"
        receipt_number: str
        copy_number: int
        recipient: VaultReference

    class OrderNoticeSent(Event):
        """The mail server took a mail about the order."""

        TOPIC = "OrderNoticeSent.v1"
        kind: NoticeKind
        reference: str
        message_id: str
        recipient: VaultReference

    class OrderNoticeUndeliverable(Event):
        """A mail about the order can't reach the billing contact."""

        TOPIC = "OrderNoticeUndeliverable.v1"
        kind: NoticeKind
        reference: str
        message_id: str
        reason: str

    class AnswerNotUnderstood(Event):
        """A counterparty answered what doesn't fit what it was asked. Nothing was taken for granted from it."""

        TOPIC = "AnswerNotUnderstood.v1"
        counterparty: str
        answer: str

    class CareEntryClosed(Event):
        """Corporate Account Services has dealt with what its list said of this order."""

        TOPIC = "CareEntryClosed.v1"
        care: str

    @event(ServiceOrderPrepared)
    def __init__(
        self,
        id: UUID,
        account_id: UUID,
        number: str,
        quote_id: UUID,
        quote_digest: str,
        seller: str,
        currency: str,
        time_zone: str,
        lines: tuple[QuoteLine, ...],
        details: OrderDetails,
        locale: str,
        timestamp: datetime,
    ) -> None:
        """Prepare the order."""
        self.account_id, self.number, self.quote_id, self.quote_digest = account_id, number, quote_id, quote_digest
        self.seller, self.currency, self.time_zone, self.locale = seller, currency, time_zone, locale
        self.lines, self.details = lines, details
        self.state = OrderState.PREPARED
        self.payment_method = details.payment_method
        self.attempt: PaymentAttempt | None = None
        self.action: VaultReference | None = None
        self.decline_code: str | None = None
        self.attempts = 0
        self.authorised_amount = self.captured_amount = 0
        self.hold_expires_at: datetime | None = None
        self.pay_until: datetime | None = None
        self.cancelling: str | None = None
        self.refunds = 0
        self.refund_due: Refund | None = None
        self.credit_notes: dict[str, VaultReference | None] = {}
        self.outcomes: dict[UUID, LineOutcome] = {}
        self.admin_reference: str | None = None
        self.admin_has_seats = False
        self.receipt_number: str | None = None
        self.receipt_document: VaultReference | None = None
        self.receipt_copies, self.receipt_recipient = 1, details.billing_contact
        self.receipt_sent = self.receipt_undeliverable = self.delayed = self.overdue = False
        self.notices_due: tuple[Notice, ...] = ()
        self.not_understood: frozenset[tuple[str, str]] = frozenset()
        self.due_at: datetime | None = None
        self.purchase_order: VaultReference | None = None

    @property
    def totals(self) -> Totals:
        """Net, tax and gross of all lines."""
        return totals(self.lines)

    @property
    def provisioned_lines(self) -> tuple[QuoteLine, ...]:
        """The lines whose seats are there; only they are charged."""
        return tuple(line for line in self.lines if self.outcomes.get(line.subscription_id) is LineOutcome.PROVISIONED)

    @property
    def unsettled_lines(self) -> tuple[QuoteLine, ...]:
        """The lines that provisioning has not answered for."""
        return tuple(line for line in self.lines if line.subscription_id not in self.outcomes)

    def line_waited_for(self, subscription_id: UUID) -> QuoteLine | None:
        """The subscription's line if provisioning can still answer for it; the order must be under way."""
        waiting = self.unsettled_lines if self._is_under_way else ()
        return next((line for line in waiting if line.subscription_id == subscription_id), None)

    @property
    def amount_due(self) -> int:
        """What a payment must hold: the gross of all lines but the rejected ones."""
        due = tuple(line for line in self.lines if self.outcomes.get(line.subscription_id) is not LineOutcome.REJECTED)
        return totals(due).gross

    @property
    def rejected_lines(self) -> tuple[QuoteLine, ...]:
        """The lines that nobody gets and nobody pays."""
        return tuple(line for line in self.lines if self.outcomes.get(line.subscription_id) is LineOutcome.REJECTED)

    @property
    def next_step(self) -> FulfilmentStep | None:
        """What a worker does next; None when it is nobody's or somebody else's turn."""
        if self.state is OrderState.COMPLETED:
            return FulfilmentStep.REFUND if self.refund_due else None
        if self._is_off and self.state is not OrderState.CANCELLED:
            return FulfilmentStep.CANCEL
        if self.cancelling and self.unsettled_lines and self.state is not OrderState.CANCELLED:
            return FulfilmentStep.RELEASE
        if self.state is OrderState.AUTHORISED:
            return FulfilmentStep.ASSIGN_ADMIN if self._wants_admin else FulfilmentStep.PROVISION
        if self.state in {OrderState.PROVISIONED, OrderState.PARTLY_PROVISIONED}:
            return self._step_once_settled
        return _PLAIN_STEPS.get(self.state)

    @property
    def _wants_admin(self) -> bool:
        return self.details.admin_contact is not None and self.admin_reference is None

    @property
    def _step_once_settled(self) -> FulfilmentStep:
        if self._wants_admin:  # named while the order waited for another card
            return FulfilmentStep.ASSIGN_ADMIN
        wants_seats = self.admin_reference is not None and not self.admin_has_seats
        return FulfilmentStep.ASSIGN_ADMIN_SEATS if wants_seats else FulfilmentStep.CAPTURE

    @property
    def holds_money(self) -> bool:
        """Whether money is held and not yet captured."""
        return self.attempt is not None and self.state in _HOLDING

    @property
    def possible(self) -> tuple[OrderCommand, ...]:
        """What people can do about the order now; every other command of theirs is refused."""
        return tuple(command for command, rule in _RULES.items() if rule.allows(self))

    def _must_allow(self, command: OrderCommand) -> None:
        if command not in self.possible:
            raise self._refusal_of(command)

    def _refusal_of(self, command: OrderCommand) -> OrderNotInState | OrderNotPayable:
        kind = OrderNotPayable if command is OrderCommand.PAY else OrderNotInState
        return kind(order_id=self.id, state=self.state, needed=_RULES[command].needed, possible=self.possible)

    @property
    def is_payable(self) -> bool:
        """Whether the order waits for its customer to pay."""
        return self.state in PAYABLE and not self._is_off

    @property
    def can_be_called_off(self) -> bool:
        """Whether nothing was charged, and no seats are there that must be paid at once."""
        if not self._is_under_way or self.state is OrderState.CAPTURED:
            return False
        return not self.provisioned_lines or (bool(self.unsettled_lines) and self.state not in PAYABLE)

    @property
    def waits_for_seats(self) -> bool:
        """Whether seats are asked for, or were, that nobody has to wait for any longer."""
        must_be_paid = self.state in PAYABLE and bool(self.provisioned_lines)  # then it can't be called off
        off = self._is_under_way and self.cancelling is not None
        return (self.state is OrderState.AUTHORISED or off or must_be_paid) and bool(self.unsettled_lines)

    def must_be_prepared(self) -> None:
        """Raise OrderNotInState unless the order is a draft."""
        self._must_allow(OrderCommand.PLACE)

    def change_details(self, details: OrderDetails, at: datetime) -> None:
        """Use other details; a card may be changed while the order waits for a payment, too."""
        self._must_allow(OrderCommand.CHANGE_DETAILS)
        self._change_details(details=details, timestamp=at)

    def place(
        self,
        lines: tuple[QuoteLine, ...],
        payment_method: PaymentMethod,
        terms_version: str,
        purchase_order: VaultReference | None,
        request_context: VaultReference,
        page_digest: str | None,
        due_at: datetime,
        at: datetime,
        page: VaultReference | None = None,
    ) -> None:
        """Place Service Order: from here on a worker carries it out."""
        self.must_be_prepared()
        self._place(
            quote_id=self.quote_id,
            quote_digest=self.quote_digest,
            lines=lines,
            totals=totals(lines),
            currency=self.currency,
            terms_version=terms_version,
            purchase_order=purchase_order,
            request_context=request_context,
            details=self.details,
            payment_method=payment_method,
            locale=self.locale,
            page_digest=page_digest,
            due_at=due_at,
            page=page,
            timestamp=at,
        )

    def must_be_payable(self) -> None:
        """Raise OrderNotPayable unless the order waits for its customer to pay."""
        self._must_allow(OrderCommand.PAY)

    def start_payment_attempt(self, intent_id: str, at: datetime) -> None:
        """Note the intent before it is confirmed; raises OrderNotPayable unless money is wanted now."""
        wanted = self.state is OrderState.PLACED and self.attempt is None and not self._is_off
        if not wanted:
            self.must_be_payable()
        if self.payment_method is None:
            raise self._refusal_of(OrderCommand.PAY)
        self._start_payment_attempt(
            attempt=self.attempts + 1,
            intent_id=intent_id,
            amount=self.amount_due,
            currency=self.currency,
            payment_method=self.payment_method,
            timestamp=at,
        )

    def payment_authorised(self, intent_id: str, amount: int, hold_expires_at: datetime, at: datetime) -> None:
        """Record the hold."""
        if attempt := self._awaited(intent_id):
            self._authorise(
                attempt=attempt.number,
                intent_id=intent_id,
                amount=amount,
                hold_expires_at=hold_expires_at,
                timestamp=at,
            )

    def payment_declined(self, intent_id: str, decline_code: str, pay_until: datetime, at: datetime) -> None:
        """Record the decline; the order waits for another card."""
        attempt = self._awaited(intent_id)
        if attempt and not self._is_off:
            self._decline(
                attempt=attempt.number,
                intent_id=intent_id,
                decline_code=decline_code,
                pay_until=pay_until,
                timestamp=at,
            )

    def payment_refused(self, decline_code: str, pay_until: datetime, at: datetime) -> None:
        """Record that the gateway would not even make an intent; the order waits for another card."""
        if self.state is OrderState.PLACED and self.attempt is None and not self._is_off:
            self._decline(
                attempt=self.attempts + 1, intent_id="", decline_code=decline_code, pay_until=pay_until, timestamp=at
            )

    def payment_action_required(
        self, intent_id: str, action: VaultReference, pay_until: datetime, at: datetime
    ) -> None:
        """Record that the card's holder must act."""
        attempt = self._awaited(intent_id)
        if attempt and not self._is_off and self.state is not OrderState.PAYMENT_ACTION_REQUIRED:
            self._require_action(
                attempt=attempt.number, intent_id=intent_id, action=action, pay_until=pay_until, timestamp=at
            )

    def payment_outcome_unknown(self, intent_id: str, reason: str, at: datetime) -> None:
        """Record, once, that the gateway's answer is missing."""
        attempt = self._awaited(intent_id)
        if attempt and self.state is OrderState.PLACED:
            self._lose_outcome(attempt=attempt.number, intent_id=intent_id, reason=reason, timestamp=at)

    def payment_lapsed(self, intent_id: str, pay_until: datetime, at: datetime) -> None:
        """Record that the hold is gone; the order waits for a card."""
        attempt = self._held(intent_id)
        if attempt and not self._is_off:
            self._lapse(attempt=attempt.number, intent_id=intent_id, pay_until=pay_until, timestamp=at)

    def payment_deadline_passed(self, at: datetime) -> None:
        """Note that nobody paid in time; an order without seats is called off with it."""
        if self.state not in PAYABLE or self.pay_until is None or at < self.pay_until:
            return
        self._pass_deadline(pay_until=self.pay_until, timestamp=at)
        if not self.provisioned_lines and not self.cancelling:
            self._request_cancellation(reason="not paid in time", timestamp=at)

    def admin_assigned(self, external_reference: str, *, created: bool, at: datetime) -> None:
        """Record that the admin of a placed order exists in the Admin Center."""
        if self.admin_reference is None and self.due_at:
            self._assign_admin(external_reference=external_reference, created=created, timestamp=at)

    def line_provisioned(self, subscription_id: UUID, at: datetime) -> None:
        """Record that a line's seats are there."""
        if line := self.line_waited_for(subscription_id):
            self._provision_line(subscription_id=subscription_id, seats_added=line.seats_to_add, timestamp=at)

    def line_rejected(self, subscription_id: UUID, reason: str, at: datetime) -> None:
        """Record that a line's seats were refused."""
        if self.line_waited_for(subscription_id):
            self._reject_line(subscription_id=subscription_id, reason=reason, timestamp=at)

    def admin_seats_assigned(self, given: tuple[str, ...], at: datetime) -> None:
        """Record that the admin has a seat of each provisioned product."""
        if self.admin_reference and not self.admin_has_seats:
            self._assign_admin_seats(given=given, timestamp=at)

    def payment_captured(self, intent_id: str, amount: int, at: datetime) -> None:
        """Record the charge."""
        if self._capturable(intent_id):
            self._capture(
                attempt=self.attempts,
                intent_id=intent_id,
                amount=amount,
                currency=self.currency,
                subscription_ids=tuple(line.subscription_id for line in self.provisioned_lines),
                timestamp=at,
            )

    def payment_capture_failed(self, intent_id: str, reason: str, pay_until: datetime, at: datetime) -> None:
        """Record that the charge was refused."""
        if self._capturable(intent_id):
            self._fail_capture(
                attempt=self.attempts, intent_id=intent_id, reason=reason, pay_until=pay_until, timestamp=at
            )

    def hold_given_up(self, intent_id: str, at: datetime) -> None:
        """Record that a hold near its end was given back; a new one is asked for at once."""
        if attempt := self._held(intent_id):
            self._void(
                attempt=attempt.number,
                intent_id=intent_id,
                amount=self.authorised_amount,
                reason="near its end",
                timestamp=at,
            )

    def request_refund(self, amount: int, reason: str, at: datetime) -> None:
        """Ask for money to go back.

        Raises OrderNotInState unless the order is completed, no other refund is under way and something is left of
        what was charged, and RefundTooLarge unless so much is left.
        """
        self._must_allow(OrderCommand.REFUND)
        if not 0 < amount <= self.captured_amount:
            raise RefundTooLarge(order_id=self.id, amount=amount, at_most=self.captured_amount)
        self._request_refund(number=self.refunds + 1, amount=amount, reason=reason, timestamp=at)

    def payment_refunded(self, refund_id: str, credit_note_number: str, document: VaultReference, at: datetime) -> None:
        """Record that the money that was asked for went back."""
        if refund := self.refund_due:
            self._refund(
                refund_id=refund_id,
                amount=refund.amount,
                currency=self.currency,
                reason=refund.reason,
                credit_note_number=credit_note_number,
                document=document,
                timestamp=at,
            )

    def refund_failed(self, reason: str, at: datetime) -> None:
        """Record that the gateway refused to give the money back."""
        if refund := self.refund_due:
            self._fail_refund(number=refund.number, amount=refund.amount, reason=reason, timestamp=at)

    def complete(self, receipt_id: UUID, receipt_number: str, document: VaultReference, at: datetime) -> None:
        """Charged and the receipt issued: done."""
        if self.state is not OrderState.CAPTURED:
            raise OrderNotInState(
                order_id=self.id, state=self.state, needed=OrderState.CAPTURED, possible=self.possible
            )
        self._complete(
            receipt_id=receipt_id,
            receipt_number=receipt_number,
            document=document,
            rejected_lines=len(self.rejected_lines),
            timestamp=at,
        )

    def discard(self, reason: str, at: datetime) -> None:
        """End the draft of a quote that can't be ordered any more, if it is one still."""
        if self.state is OrderState.PREPARED:
            self._cancel(reason=reason, placed=False, timestamp=at)

    def request_cancellation(self, reason: str, at: datetime) -> None:
        """Provision nothing more; asked again, it is the same fact.

        Raises OrderNotInState once all lines are settled and some have seats, since those are charged.
        """
        self._must_allow(OrderCommand.CANCEL)
        if not self.cancelling:
            self._request_cancellation(reason=reason, timestamp=at)

    def cancelled(self, voided: int, at: datetime) -> None:
        """Record that the order is off, called off or nothing of it provisioned, and a hold of `voided` given back."""
        if self.next_step is not FulfilmentStep.CANCEL:
            return
        reason = self.cancelling or "nothing could be provisioned"
        if voided and self.attempt:
            self._void(
                attempt=self.attempt.number,
                intent_id=self.attempt.intent_id,
                amount=voided,
                reason=reason,
                timestamp=at,
            )
        self._cancel(reason=reason, placed=True, timestamp=at)

    def line_released(self, subscription_id: UUID, reason: str, at: datetime) -> None:
        """Give up waiting for a line's seats; raises OrderNotInState unless it is being provisioned."""
        self._must_allow(OrderCommand.RELEASE)
        if self.line_waited_for(subscription_id) is None:
            raise self._refusal_of(OrderCommand.RELEASE)
        self._reject_line(subscription_id=subscription_id, reason=reason, timestamp=at)

    def be_delayed(self, at: datetime) -> None:
        """Note, once, that the promised time is nearly over."""
        told = self.delayed or self.overdue
        if self.due_at and not told and self._is_under_way and at >= self.due_at - DELAY_WARNING:
            self._be_delayed(due_at=self.due_at, timestamp=at)

    def become_overdue(self, at: datetime) -> None:
        """Note, once, that the promised time is over."""
        if self.due_at and not self.overdue and self._is_under_way and at >= self.due_at:
            self._become_overdue(due_at=self.due_at, timestamp=at)

    @property
    def _is_off(self) -> bool:
        """Nothing is provisioned, and nothing will be: it was called off, or no line is left to wait for."""
        ends = self.cancelling is not None or not self.unsettled_lines
        return ends and not self.provisioned_lines

    @property
    def _is_under_way(self) -> bool:
        return self.state not in _OVER and self.state is not OrderState.PREPARED

    def receipt_was_sent(self, message_id: str, recipient: VaultReference, copy_number: int, at: datetime) -> None:
        """Record that the mail server took the receipt; raises OrderNotInState before there is one."""
        self._send_receipt(
            receipt_number=self._must_have_receipt(),
            message_id=message_id,
            recipient=recipient,
            copy_number=copy_number,
            timestamp=at,
        )

    def receipt_was_undeliverable(self, message_id: str, reason: str, at: datetime) -> None:
        """Record that the receipt can't reach its reader; raises OrderNotInState before there is one."""
        self._fail_receipt(receipt_number=self._must_have_receipt(), message_id=message_id, reason=reason, timestamp=at)

    def request_receipt(self, recipient: VaultReference, at: datetime) -> None:
        """Have the receipt sent once more, to this address; raises OrderNotInState before there is one."""
        number = self._must_have_receipt()
        if self._receipt_is_on_its_way:
            return
        self._request_receipt(
            receipt_number=number, copy_number=self.receipt_copies + 1, recipient=recipient, timestamp=at
        )

    @property
    def _receipt_is_on_its_way(self) -> bool:
        return not (self.receipt_sent or self.receipt_undeliverable)

    def notice_sent(self, notice: Notice, message_id: str, recipient: VaultReference, at: datetime) -> None:
        """Record that the mail server took the mail, if it is still due."""
        if notice in self.notices_due:
            self._send_notice(
                kind=notice.kind,
                reference=notice.reference,
                message_id=message_id,
                recipient=recipient,
                timestamp=at,
            )

    def notice_was_undeliverable(self, notice: Notice, message_id: str, reason: str, at: datetime) -> None:
        """Record that the mail can't reach its reader, if it is still due."""
        if notice in self.notices_due:
            self._fail_notice(
                kind=notice.kind, reference=notice.reference, message_id=message_id, reason=reason, timestamp=at
            )

    def answer_not_understood(self, counterparty: str, answer: str, at: datetime) -> None:
        """Record, once for each answer, that a counterparty said what can't be right. No personal data in `answer`."""
        if (counterparty, answer) not in self.not_understood:
            self._misunderstand(counterparty=counterparty, answer=answer, timestamp=at)

    def close_care_entry(self, care: str, at: datetime) -> None:
        """Record that Corporate Account Services has dealt with it."""
        self._close_care_entry(care=care, timestamp=at)

    def _awaited(self, intent_id: str) -> PaymentAttempt | None:
        awaiting = {OrderState.PLACED, OrderState.PAYMENT_UNKNOWN, OrderState.PAYMENT_ACTION_REQUIRED}
        current = self.attempt and self.attempt.intent_id == intent_id and self.state in awaiting
        return self.attempt if current else None

    def _held(self, intent_id: str) -> PaymentAttempt | None:
        return self.attempt if self.holds_money and self.attempt and self.attempt.intent_id == intent_id else None

    def _capturable(self, intent_id: str) -> bool:
        settled = {OrderState.PROVISIONED, OrderState.PARTLY_PROVISIONED}
        awaited = self.state in settled and not self._is_off
        return awaited and self.attempt is not None and self.attempt.intent_id == intent_id

    def _must_have_receipt(self) -> str:
        if self.receipt_number is None:
            raise self._refusal_of(OrderCommand.RESEND_RECEIPT)
        return self.receipt_number

    @event(OrderDetailsChanged)
    def _change_details(self, details: OrderDetails, timestamp: datetime) -> None:
        if details.admin_contact != self.details.admin_contact:
            self.admin_reference, self.admin_has_seats = None, False
        self.details, self.payment_method = details, details.payment_method

    @event(OrderPlaced)
    def _place(
        self,
        quote_id: UUID,
        quote_digest: str,
        lines: tuple[QuoteLine, ...],
        totals: Totals,
        currency: str,
        terms_version: str,
        purchase_order: VaultReference | None,
        request_context: VaultReference,
        details: OrderDetails,
        payment_method: PaymentMethod,
        locale: str,
        page_digest: str | None,
        due_at: datetime,
        page: VaultReference | None,
        timestamp: datetime,
    ) -> None:
        self.state, self.lines, self.payment_method, self.due_at = OrderState.PLACED, lines, payment_method, due_at
        self.details, self.purchase_order = details, purchase_order

    @event(PaymentAttemptStarted)
    def _start_payment_attempt(
        self,
        attempt: int,
        intent_id: str,
        amount: int,
        currency: str,
        payment_method: PaymentMethod,
        timestamp: datetime,
    ) -> None:
        self.state, self.attempts, self.pay_until = OrderState.PLACED, attempt, None
        self.attempt = PaymentAttempt(attempt, intent_id, amount)

    @event(PaymentActionRequired)
    def _require_action(
        self,
        attempt: int,
        intent_id: str,
        action: VaultReference,
        pay_until: datetime | None,
        timestamp: datetime,
    ) -> None:
        self.state, self.pay_until, self.action = OrderState.PAYMENT_ACTION_REQUIRED, pay_until, action
        self._owe(NoticeKind.PAYMENT_ACTION_REQUIRED, str(attempt))

    @event(PaymentAuthorised)
    def _authorise(
        self, attempt: int, intent_id: str, amount: int, hold_expires_at: datetime, timestamp: datetime
    ) -> None:
        self.authorised_amount, self.hold_expires_at, self.pay_until = amount, hold_expires_at, None
        self.state = OrderState.AUTHORISED
        self._move_on_if_settled()

    @event(PaymentDeclined)
    def _decline(
        self, attempt: int, intent_id: str, decline_code: str, pay_until: datetime, timestamp: datetime
    ) -> None:
        self._wait_for_payment(attempt, pay_until)
        self.decline_code = decline_code

    def _wait_for_payment(self, attempt: int, pay_until: datetime | None) -> None:
        self.state, self.attempt, self.attempts = OrderState.PAYMENT_DECLINED, None, attempt
        self.authorised_amount, self.hold_expires_at, self.pay_until = 0, None, pay_until
        self.decline_code = None
        self._owe(NoticeKind.PAYMENT_DECLINED, str(attempt))

    @event(PaymentOutcomeUnknown)
    def _lose_outcome(self, attempt: int, intent_id: str, reason: str, timestamp: datetime) -> None:
        self.state = OrderState.PAYMENT_UNKNOWN

    @event(PaymentAuthorisationLapsed)
    def _lapse(self, attempt: int, intent_id: str, pay_until: datetime | None, timestamp: datetime) -> None:
        self._wait_for_payment(attempt, pay_until)

    @event(PaymentDeadlinePassed)
    def _pass_deadline(self, pay_until: datetime, timestamp: datetime) -> None:
        self.pay_until = None

    @event(AdminContactAssigned)
    def _assign_admin(self, external_reference: str, created: bool, timestamp: datetime) -> None:  # noqa: FBT001 -- the event's field
        self.admin_reference = external_reference

    @event(OrderLineProvisioned)
    def _provision_line(self, subscription_id: UUID, seats_added: int, timestamp: datetime) -> None:
        self._settle(subscription_id, LineOutcome.PROVISIONED)

    @event(OrderLineRejected)
    def _reject_line(self, subscription_id: UUID, reason: str, timestamp: datetime) -> None:
        self._settle(subscription_id, LineOutcome.REJECTED)

    def _settle(self, subscription_id: UUID, outcome: LineOutcome) -> None:
        self.outcomes = {**self.outcomes, subscription_id: outcome}
        self._move_on_if_settled()

    def _move_on_if_settled(self) -> None:
        if self.state is OrderState.AUTHORISED and not self.unsettled_lines:
            whole = set(self.outcomes.values()) == {LineOutcome.PROVISIONED}
            self.state = OrderState.PROVISIONED if whole else OrderState.PARTLY_PROVISIONED

    @event(AdminSeatsAssigned)
    def _assign_admin_seats(self, given: tuple[str, ...], timestamp: datetime) -> None:
        self.admin_has_seats = True

    @event(PaymentCaptured)
    def _capture(
        self,
        attempt: int,
        intent_id: str,
        amount: int,
        currency: str,
        subscription_ids: tuple[UUID, ...],
        timestamp: datetime,
    ) -> None:
        self.state, self.captured_amount = OrderState.CAPTURED, amount

    @event(PaymentCaptureFailed)
    def _fail_capture(
        self, attempt: int, intent_id: str, reason: str, pay_until: datetime | None, timestamp: datetime
    ) -> None:
        self._wait_for_payment(attempt, pay_until)

    @event(PaymentVoided)
    def _void(self, attempt: int, intent_id: str, amount: int, reason: str, timestamp: datetime) -> None:
        self.state, self.attempt = OrderState.PLACED, None
        self.authorised_amount, self.hold_expires_at = 0, None

    @event(RefundRequested)
    def _request_refund(self, number: int, amount: int, reason: str, timestamp: datetime) -> None:
        self.refunds, self.refund_due = number, Refund(number, amount, reason)

    @event(PaymentRefundFailed)
    def _fail_refund(self, number: int, amount: int, reason: str, timestamp: datetime) -> None:
        self.refund_due = None

    @event(PaymentRefunded)
    def _refund(
        self,
        refund_id: str,
        amount: int,
        currency: str,
        reason: str,
        credit_note_number: str,
        document: VaultReference | None,
        timestamp: datetime,
    ) -> None:
        self.captured_amount -= amount
        self.refund_due = None
        self.credit_notes = {**self.credit_notes, credit_note_number: document}
        self._owe(NoticeKind.CREDIT_NOTE, credit_note_number)

    @event(OrderCompleted)
    def _complete(
        self,
        receipt_id: UUID,
        receipt_number: str,
        document: VaultReference,
        rejected_lines: int,
        timestamp: datetime,
    ) -> None:
        self.state, self.receipt_number, self.receipt_document = OrderState.COMPLETED, receipt_number, document
        if rejected_lines:
            self._owe(NoticeKind.LINES_REJECTED)

    @event(OrderCancellationRequested)
    def _request_cancellation(self, reason: str, timestamp: datetime) -> None:
        self.cancelling = reason

    @event(OrderCancelled)
    def _cancel(self, reason: str, placed: bool, timestamp: datetime) -> None:  # noqa: FBT001 -- the event's field
        self.state, self.attempt, self.pay_until = OrderState.CANCELLED, None, None
        self.cancelling = reason
        if placed:
            self._owe(NoticeKind.ORDER_CANCELLED)

    @event(OrderDelayed)
    def _be_delayed(self, due_at: datetime, timestamp: datetime) -> None:
        self.delayed = True

    @event(OrderOverdue)
    def _become_overdue(self, due_at: datetime, timestamp: datetime) -> None:
        self.overdue = True
        self._owe(NoticeKind.ORDER_OVERDUE)

    def _owe(self, kind: NoticeKind, reference: str = "") -> None:
        self.notices_due = (*self.notices_due, Notice(kind, reference))

    @event(ReceiptSent)
    def _send_receipt(
        self,
        receipt_number: str,
        message_id: str,
        recipient: VaultReference,
        copy_number: int,
        timestamp: datetime,
    ) -> None:
        self.receipt_sent = True

    @event(ReceiptUndeliverable)
    def _fail_receipt(self, receipt_number: str, message_id: str, reason: str, timestamp: datetime) -> None:
        self.receipt_undeliverable = True

    @event(ReceiptResendRequested)
    def _request_receipt(
        self, receipt_number: str, copy_number: int, recipient: VaultReference, timestamp: datetime
    ) -> None:
        self.receipt_sent = self.receipt_undeliverable = False
        self.receipt_copies, self.receipt_recipient = copy_number, recipient

    @event(OrderNoticeSent)
    def _send_notice(
        self, kind: NoticeKind, reference: str, message_id: str, recipient: VaultReference, timestamp: datetime
    ) -> None:
        self._settle_notice(Notice(kind, reference))

    @event(OrderNoticeUndeliverable)
    def _fail_notice(self, kind: NoticeKind, reference: str, message_id: str, reason: str, timestamp: datetime) -> None:
        self._settle_notice(Notice(kind, reference))

    def _settle_notice(self, settled: Notice) -> None:
        self.notices_due = tuple(notice for notice in self.notices_due if notice != settled)

    @event(AnswerNotUnderstood)
    def _misunderstand(self, counterparty: str, answer: str, timestamp: datetime) -> None:
        self.not_understood = self.not_understood | {(counterparty, answer)}

    @event(CareEntryClosed)
    def _close_care_entry(self, care: str, timestamp: datetime) -> None: ...


_PLAIN_STEPS = {
    OrderState.PLACED: FulfilmentStep.AUTHORISE,
    OrderState.PAYMENT_UNKNOWN: FulfilmentStep.AUTHORISE,
    OrderState.PAYMENT_ACTION_REQUIRED: FulfilmentStep.AWAIT_ACTION,
    OrderState.CAPTURED: FulfilmentStep.ISSUE_RECEIPT,
}
PAYABLE = frozenset({OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED})
"""The states in which the customer can pay, and nobody else can go on."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a command is possible, and the same in words: an order that is `needed`."""

    allows: Callable[[ServiceOrder], bool]
    needed: str


_RULES: Mapping[OrderCommand, _Rule] = {
    OrderCommand.CHANGE_DETAILS: _Rule(
        lambda order: order.state is OrderState.PREPARED or order.is_payable,
        "a draft, or waiting for its customer to pay and not called off",
    ),
    OrderCommand.DECLINE_QUOTE: _Rule(lambda order: order.state is OrderState.PREPARED, OrderState.PREPARED),
    OrderCommand.PLACE: _Rule(lambda order: order.state is OrderState.PREPARED, OrderState.PREPARED),
    OrderCommand.PAY: _Rule(lambda order: order.is_payable, "waiting for its customer to pay and not called off"),
    OrderCommand.CANCEL: _Rule(
        lambda order: order.can_be_called_off, "placed, not yet charged, and without seats that must be paid"
    ),
    OrderCommand.RELEASE: _Rule(lambda order: order.waits_for_seats, "waiting for these seats"),
    OrderCommand.REFUND: _Rule(
        lambda order: order.state is OrderState.COMPLETED and order.refund_due is None and order.captured_amount > 0,
        "Completed, without a refund under way, and not wholly refunded",
    ),
    OrderCommand.RESEND_RECEIPT: _Rule(lambda order: order.receipt_number is not None, OrderState.COMPLETED),
}
"""The one table of what people can do in which state; `ServiceOrder.possible` and the refusals both read it."""

_HOLDING = frozenset({OrderState.AUTHORISED, OrderState.PROVISIONED, OrderState.PARTLY_PROVISIONED})
_OVER = frozenset({OrderState.COMPLETED, OrderState.CANCELLED})


def notice_asked_for_by(event: LedgerEvent) -> Notice | None:
    """The mail that an event of an order makes due; what the order itself keeps in `notices_due`."""
    if isinstance(
        event,
        ServiceOrder.PaymentDeclined | ServiceOrder.PaymentAuthorisationLapsed | ServiceOrder.PaymentCaptureFailed,
    ):
        return Notice(NoticeKind.PAYMENT_DECLINED, str(event.attempt))
    if isinstance(event, ServiceOrder.PaymentActionRequired):
        return Notice(NoticeKind.PAYMENT_ACTION_REQUIRED, str(event.attempt))
    if isinstance(event, ServiceOrder.PaymentRefunded):
        return Notice(NoticeKind.CREDIT_NOTE, event.credit_note_number)
    if isinstance(event, ServiceOrder.OrderOverdue):
        return Notice(NoticeKind.ORDER_OVERDUE)
    completed_in_part = isinstance(event, ServiceOrder.OrderCompleted) and event.rejected_lines
    cancelled = isinstance(event, ServiceOrder.OrderCancelled) and event.placed
    if completed_in_part or cancelled:
        return Notice(NoticeKind.LINES_REJECTED if completed_in_part else NoticeKind.ORDER_CANCELLED)
    return None
