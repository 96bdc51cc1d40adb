"""A service order from Save and Proceed to its receipt: what may happen next, and what was recorded of the outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from eventsourcing.domain import event

from domain.ledger import LedgerAggregate
from domain.money import Totals
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import QuoteLine, totals
from domain.refusals import OrderNotInState, OrderNotPayable, StaleVersion


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
    ASSIGN_ADMIN = "assign_admin"
    PROVISION = "provision"
    ASSIGN_ADMIN_SEATS = "assign_admin_seats"
    CAPTURE = "capture"
    VOID = "void"
    ISSUE_RECEIPT = "issue_receipt"


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
        """Place Service Order: these lines will be charged. `page_digest`: of the page shown, if one was."""

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

    class PaymentAttemptStarted(Event):
        """An unconfirmed intent exists at the gateway; from here on only this one is ever confirmed for the attempt."""

        TOPIC = "PaymentAttemptStarted.v1"
        attempt: int
        intent_id: str
        amount: int
        currency: str
        payment_method: PaymentMethod

    class PaymentActionRequired(Event):
        """The card's bank wants the holder (3-D Secure); the link is in the vault."""

        TOPIC = "PaymentActionRequired.v1"
        attempt: int
        intent_id: str
        action: VaultReference

    class PaymentAuthorised(Event):
        """The gateway holds the money until `hold_expires_at`."""

        TOPIC = "PaymentAuthorised.v1"
        attempt: int
        intent_id: str
        amount: int
        hold_expires_at: datetime

    class PaymentDeclined(Event):
        """The card was declined; another may pay until `pay_until`."""

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
        """The hold ended before the money was captured."""

        TOPIC = "PaymentAuthorisationLapsed.v1"
        attempt: int
        intent_id: str

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
        """The gateway refused to charge what it had authorised."""

        TOPIC = "PaymentCaptureFailed.v1"
        attempt: int
        intent_id: str
        reason: str

    class PaymentVoided(Event):
        """The hold was given back."""

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

    class OrderCompleted(Event):
        """Charged, provisioned, and the receipt issued."""

        TOPIC = "OrderCompleted.v1"
        receipt_id: UUID
        receipt_number: str
        document: VaultReference

    class OrderCancelled(Event):
        """The order is off."""

        TOPIC = "OrderCancelled.v1"
        reason: str

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
        self.attempts = 0
        self.authorised_amount = self.captured_amount = 0
        self.outcomes: dict[UUID, LineOutcome] = {}
        self.admin_reference: str | None = None
        self.admin_has_seats = False
        self.receipt_number: str | None = None
        self.receipt_document: VaultReference | None = None
        self.receipt_sent = self.receipt_undeliverable = self.overdue = False
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

    @property
    def next_step(self) -> FulfilmentStep | None:
        """What a worker does next; None when it is nobody's or somebody else's turn."""
        match self.state:
            case OrderState.PLACED | OrderState.PAYMENT_UNKNOWN:
                return FulfilmentStep.AUTHORISE
            case OrderState.AUTHORISED:
                wants_admin = self.details.admin_contact and self.admin_reference is None
                return FulfilmentStep.ASSIGN_ADMIN if wants_admin else FulfilmentStep.PROVISION
            case OrderState.PROVISIONED | OrderState.PARTLY_PROVISIONED if not self.provisioned_lines:
                return FulfilmentStep.VOID
            case OrderState.PROVISIONED | OrderState.PARTLY_PROVISIONED:
                wants_seats = self.admin_reference is not None and not self.admin_has_seats
                return FulfilmentStep.ASSIGN_ADMIN_SEATS if wants_seats else FulfilmentStep.CAPTURE
            case OrderState.CAPTURED:
                return FulfilmentStep.ISSUE_RECEIPT
            case _:
                return None

    def must_be_at(self, version: int) -> None:
        """Raise StaleVersion unless the order is at the version that the admin saw."""
        if self.version != version:
            raise StaleVersion(expected=version, actual=self.version)

    def must_be_prepared(self) -> None:
        """Raise OrderNotInState unless the order is a draft."""
        if self.state is not OrderState.PREPARED:
            raise OrderNotInState(order_id=self.id, state=self.state, needed=OrderState.PREPARED)

    def change_details(self, details: OrderDetails, at: datetime) -> None:
        """Use other details; a card may be changed after a decline, too."""
        if self.state is not OrderState.PAYMENT_DECLINED:
            self.must_be_prepared()
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
            timestamp=at,
        )

    def start_payment_attempt(self, intent_id: str, at: datetime) -> None:
        """Note the intent before it is confirmed; raises OrderNotPayable unless money is wanted now."""
        if self.state not in {OrderState.PLACED, OrderState.PAYMENT_DECLINED} or self.payment_method is None:
            raise OrderNotPayable(order_id=self.id, state=self.state)
        self._start_payment_attempt(
            attempt=self.attempts + 1,
            intent_id=intent_id,
            amount=self.totals.gross,
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
        if attempt := self._awaited(intent_id):
            self._decline(
                attempt=attempt.number,
                intent_id=intent_id,
                decline_code=decline_code,
                pay_until=pay_until,
                timestamp=at,
            )

    def payment_action_required(self, intent_id: str, action: VaultReference, at: datetime) -> None:
        """Record that the card's holder must act."""
        attempt = self._awaited(intent_id)
        if attempt and self.state is not OrderState.PAYMENT_ACTION_REQUIRED:
            self._require_action(attempt=attempt.number, intent_id=intent_id, action=action, timestamp=at)

    def payment_outcome_unknown(self, intent_id: str, reason: str, at: datetime) -> None:
        """Record, once, that the gateway's answer is missing."""
        attempt = self._awaited(intent_id)
        if attempt and self.state is not OrderState.PAYMENT_UNKNOWN:
            self._lose_outcome(attempt=attempt.number, intent_id=intent_id, reason=reason, timestamp=at)

    def payment_lapsed(self, intent_id: str, at: datetime) -> None:
        """Record that the hold is gone."""
        if self.attempt and self.attempt.intent_id == intent_id and self.authorised_amount:
            self._lapse(attempt=self.attempt.number, intent_id=intent_id, timestamp=at)

    def admin_assigned(self, external_reference: str, *, created: bool, at: datetime) -> None:
        """Record that the admin exists in the Admin Center."""
        if self.admin_reference is None:
            self._assign_admin(external_reference=external_reference, created=created, timestamp=at)

    def line_provisioned(self, subscription_id: UUID, at: datetime) -> None:
        """Record that a line's seats are there."""
        for line in self.unsettled_lines:
            if line.subscription_id == subscription_id:
                self._provision_line(subscription_id=subscription_id, seats_added=line.seats_to_add, timestamp=at)

    def line_rejected(self, subscription_id: UUID, reason: str, at: datetime) -> None:
        """Record that a line's seats were refused."""
        if any(line.subscription_id == subscription_id for line in self.unsettled_lines):
            self._reject_line(subscription_id=subscription_id, reason=reason, timestamp=at)

    def admin_seats_assigned(self, given: tuple[str, ...], at: datetime) -> None:
        """Record that the admin has a seat of each provisioned product."""
        if not self.admin_has_seats:
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

    def payment_capture_failed(self, intent_id: str, reason: str, at: datetime) -> None:
        """Record that the charge was refused."""
        if self._capturable(intent_id):
            self._fail_capture(attempt=self.attempts, intent_id=intent_id, reason=reason, timestamp=at)

    def payment_voided(self, intent_id: str, reason: str, at: datetime) -> None:
        """Record that the hold was given back."""
        if self.attempt and self.attempt.intent_id == intent_id and self.authorised_amount:
            self._void(
                attempt=self.attempt.number,
                intent_id=intent_id,
                amount=self.authorised_amount - self.captured_amount,
                reason=reason,
                timestamp=at,
            )

    def refund(self, refund_id: str, amount: int, reason: str, credit_note_number: str, at: datetime) -> None:
        """Record money given back; raises OrderNotInState unless so much was captured."""
        if not 0 < amount <= self.captured_amount:
            raise OrderNotInState(order_id=self.id, state=self.state, needed=OrderState.CAPTURED)
        self._refund(
            refund_id=refund_id,
            amount=amount,
            currency=self.currency,
            reason=reason,
            credit_note_number=credit_note_number,
            timestamp=at,
        )

    def complete(self, receipt_id: UUID, receipt_number: str, document: VaultReference, at: datetime) -> None:
        """Charged and the receipt issued: done."""
        if self.state is not OrderState.CAPTURED:
            raise OrderNotInState(order_id=self.id, state=self.state, needed=OrderState.CAPTURED)
        self._complete(receipt_id=receipt_id, receipt_number=receipt_number, document=document, timestamp=at)

    def cancel(self, reason: str, at: datetime) -> None:
        """Call the order off; refused once money was captured."""
        if self.state in {OrderState.CAPTURED, OrderState.COMPLETED, OrderState.CANCELLED}:
            raise OrderNotInState(order_id=self.id, state=self.state, needed="not yet charged")
        self._cancel(reason=reason, timestamp=at)

    def become_overdue(self, at: datetime) -> None:
        """Note, once, that the promised time is over."""
        if self.due_at and not self.overdue and self.state not in {OrderState.COMPLETED, OrderState.CANCELLED}:
            self._become_overdue(due_at=self.due_at, timestamp=at)

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

    def _awaited(self, intent_id: str) -> PaymentAttempt | None:
        awaiting = {OrderState.PLACED, OrderState.PAYMENT_UNKNOWN, OrderState.PAYMENT_ACTION_REQUIRED}
        current = self.attempt and self.attempt.intent_id == intent_id and self.state in awaiting
        return self.attempt if current else None

    def _capturable(self, intent_id: str) -> bool:
        settled = {OrderState.PROVISIONED, OrderState.PARTLY_PROVISIONED}
        return self.state in settled and self.attempt is not None and self.attempt.intent_id == intent_id

    def _must_have_receipt(self) -> str:
        if self.receipt_number is None:
            raise OrderNotInState(order_id=self.id, state=self.state, needed=OrderState.COMPLETED)
        return self.receipt_number

    @event(OrderDetailsChanged)
    def _change_details(self, details: OrderDetails, timestamp: datetime) -> None:
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
        self.state, self.attempts = OrderState.PLACED, attempt
        self.attempt = PaymentAttempt(attempt, intent_id, amount)

    @event(PaymentActionRequired)
    def _require_action(self, attempt: int, intent_id: str, action: VaultReference, timestamp: datetime) -> None:
        self.state = OrderState.PAYMENT_ACTION_REQUIRED

    @event(PaymentAuthorised)
    def _authorise(
        self, attempt: int, intent_id: str, amount: int, hold_expires_at: datetime, timestamp: datetime
    ) -> None:
        self.state, self.authorised_amount = OrderState.AUTHORISED, amount

    @event(PaymentDeclined)
    def _decline(
        self, attempt: int, intent_id: str, decline_code: str, pay_until: datetime, timestamp: datetime
    ) -> None:
        self.state, self.attempt = OrderState.PAYMENT_DECLINED, None

    @event(PaymentOutcomeUnknown)
    def _lose_outcome(self, attempt: int, intent_id: str, reason: str, timestamp: datetime) -> None:
        self.state = OrderState.PAYMENT_UNKNOWN

    @event(PaymentAuthorisationLapsed)
    def _lapse(self, attempt: int, intent_id: str, timestamp: datetime) -> None:
        self.state, self.attempt, self.authorised_amount = OrderState.PAYMENT_DECLINED, None, 0

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
        if not self.unsettled_lines:
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
    def _fail_capture(self, attempt: int, intent_id: str, reason: str, timestamp: datetime) -> None:
        self.state, self.attempt, self.authorised_amount = OrderState.PAYMENT_DECLINED, None, 0

    @event(PaymentVoided)
    def _void(self, attempt: int, intent_id: str, amount: int, reason: str, timestamp: datetime) -> None:
        self.authorised_amount = self.captured_amount

    @event(PaymentRefunded)
    def _refund(
        self,
        refund_id: str,
        amount: int,
        currency: str,
        reason: str,
        credit_note_number: str,
        timestamp: datetime,
    ) -> None:
        self.captured_amount -= amount

    @event(OrderCompleted)
    def _complete(self, receipt_id: UUID, receipt_number: str, document: VaultReference, timestamp: datetime) -> None:
        self.state, self.receipt_number, self.receipt_document = OrderState.COMPLETED, receipt_number, document

    @event(OrderCancelled)
    def _cancel(self, reason: str, timestamp: datetime) -> None:
        self.state, self.attempt = OrderState.CANCELLED, None

    @event(OrderOverdue)
    def _become_overdue(self, due_at: datetime, timestamp: datetime) -> None:
        self.overdue = True

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
