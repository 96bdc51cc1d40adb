"""What the portal shows: accounts, subscriptions, quotes, orders and an account's timeline."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from domain.account import BillingAccount
from domain.envelope import Recorded, Role
from domain.history import EVENT_CLASSES, topic_of
from domain.ledger import LedgerEvent
from domain.order import LineOutcome, OrderDetails, OrderState, ServiceOrder
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import QuoteLine, totals
from domain.quote import Quote, QuoteState, Supersession
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription, SubscriptionState
from projections.fold import Projection, Table


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as its admins see it; personal data by reference to the vault."""

    account_id: UUID
    number: str
    country: str
    currency: str
    language: str
    time_zone: str
    territory: str
    vat_id: str | None
    legal_name: VaultReference
    billing_contact: VaultReference
    billing_address: VaultReference
    payment_method: PaymentMethod | None
    restriction: str | None
    open_quote_id: UUID | None
    version: int


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription with the seats it has and those on order; `unit_price` minor units per seat and term."""

    subscription_id: UUID
    account_id: UUID
    number: str
    product: str
    seats: int
    seats_on_order: int
    order_id: UUID | None
    unit_price: int
    currency: str
    term_start: date
    term_end: date
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """A quote, open or ended."""

    quote_id: UUID
    account_id: UUID
    number: str
    origin: str
    state: str
    currency: str
    lines: tuple[QuoteLine, ...]
    net: int
    tax: int
    gross: int
    time_zone: str
    issued_at: datetime
    valid_until: datetime
    supersedes: Supersession | None
    superseded_by: UUID | None
    order_id: UUID | None
    ended_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A service order and how far it is."""

    order_id: UUID
    account_id: UUID
    quote_id: UUID
    number: str
    state: str
    overdue: bool
    currency: str
    lines: tuple[QuoteLine, ...]
    outcomes: dict[UUID, str]
    net: int
    tax: int
    gross: int
    captured: int
    details: OrderDetails
    purchase_order: VaultReference | None
    locale: str
    decline_code: str | None
    prepared_at: datetime
    placed_at: datetime | None
    due_at: datetime | None
    completed_at: datetime | None
    receipt_id: UUID | None
    receipt_number: str | None
    receipt_sent: bool
    attempts: int
    pay_until: datetime | None
    action: VaultReference | None
    cancelling: str | None
    refunded: int
    version: int


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """Where an order's receipt is kept."""

    receipt_id: UUID
    account_id: UUID
    order_id: UUID
    receipt_number: str
    issued_on: date
    locale: str
    document: VaultReference
    document_digest: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One event of an account's history, in the order of the log."""

    event_id: UUID
    account_id: UUID
    position: int
    topic: str
    subject_kind: str
    subject_id: UUID
    subject_version: int
    effective_at: datetime
    recorded_at: datetime
    actor_id: str
    actor_role: Role
    causation_id: UUID
    correlation_id: UUID


accounts = Table("accounts", AccountRow, key="account_id")
subscriptions = Table("subscriptions", SubscriptionRow, key="subscription_id")
quotes = Table("quotes", QuoteRow, key="quote_id")
orders = Table("orders", OrderRow, key="order_id")
receipts = Table("receipts", ReceiptRow, key="receipt_id")
timeline = Table("timeline", TimelineRow, key="event_id")

portal = Projection("portal", 2, accounts, subscriptions, quotes, orders, receipts, timeline)


# --- accounts ------------------------------------------------------------------------------------------------------


@accounts.on(BillingAccount.AccountOpened)
def _account_opened(_: None, event: BillingAccount.AccountOpened, __: Recorded) -> AccountRow:
    return AccountRow(
        account_id=event.originator_id,
        number=event.number,
        country=event.country,
        currency=event.currency,
        language=event.language,
        time_zone=event.time_zone,
        territory=event.territory,
        vat_id=event.vat_id,
        legal_name=event.legal_name,
        billing_contact=event.billing_contact,
        billing_address=event.billing_address,
        payment_method=None,
        restriction=None,
        open_quote_id=None,
        version=event.originator_version,
    )


@accounts.on(BillingAccount.BillingContactChanged)
def _contact_changed(row: AccountRow, event: BillingAccount.BillingContactChanged, _: Recorded) -> AccountRow:
    return replace(row, billing_contact=event.billing_contact, version=event.originator_version)


@accounts.on(BillingAccount.BillingAddressChanged)
def _address_changed(row: AccountRow, event: BillingAccount.BillingAddressChanged, _: Recorded) -> AccountRow:
    return replace(row, billing_address=event.billing_address, country=event.country, version=event.originator_version)


@accounts.on(BillingAccount.AccountLocaleChanged)
def _locale_changed(row: AccountRow, event: BillingAccount.AccountLocaleChanged, _: Recorded) -> AccountRow:
    return replace(row, language=event.language, time_zone=event.time_zone, version=event.originator_version)


@accounts.on(BillingAccount.PaymentMethodSelected)
def _card_selected(row: AccountRow, event: BillingAccount.PaymentMethodSelected, _: Recorded) -> AccountRow:
    return replace(row, payment_method=event.payment_method, version=event.originator_version)


@accounts.on(BillingAccount.SelfServiceRestricted)
def _restricted(row: AccountRow, event: BillingAccount.SelfServiceRestricted, _: Recorded) -> AccountRow:
    return replace(row, restriction=event.reason.value, version=event.originator_version)


@accounts.on(BillingAccount.SelfServiceAllowed)
def _allowed(row: AccountRow, event: BillingAccount.SelfServiceAllowed, _: Recorded) -> AccountRow:
    return replace(row, restriction=None, version=event.originator_version)


@accounts.on(BillingAccount.OpenQuoteChanged)
def _open_quote_changed(row: AccountRow, event: BillingAccount.OpenQuoteChanged, _: Recorded) -> AccountRow:
    return replace(row, open_quote_id=event.open_quote_id, version=event.originator_version)


# --- subscriptions -------------------------------------------------------------------------------------------------


@subscriptions.on(Subscription.SubscriptionStarted)
def _started(_: None, event: Subscription.SubscriptionStarted, __: Recorded) -> SubscriptionRow:
    return SubscriptionRow(
        subscription_id=event.originator_id,
        account_id=event.account_id,
        number=event.number,
        product=event.product,
        seats=event.seats,
        seats_on_order=0,
        order_id=None,
        unit_price=event.unit_price,
        currency=event.currency,
        term_start=event.term.start,
        term_end=event.term.end,
        state=SubscriptionState.ACTIVE.value,
        version=event.originator_version,
    )


@subscriptions.on(Subscription.SeatsRequested, Subscription.SeatChangeReleaseBegun)
def _only_noted(
    row: SubscriptionRow, event: Subscription.SeatsRequested | Subscription.SeatChangeReleaseBegun, _: Recorded
) -> SubscriptionRow:
    return replace(row, version=event.originator_version)


@subscriptions.on(Subscription.SeatChangeOrdered)
def _ordered(row: SubscriptionRow, event: Subscription.SeatChangeOrdered, _: Recorded) -> SubscriptionRow:
    return replace(row, seats_on_order=event.seats_to_add, order_id=event.order_id, version=event.originator_version)


@subscriptions.on(Subscription.SeatsProvisioned)
def _provisioned(row: SubscriptionRow, event: Subscription.SeatsProvisioned, _: Recorded) -> SubscriptionRow:
    return replace(row, seats=event.seats_after, seats_on_order=0, order_id=None, version=event.originator_version)


@subscriptions.on(Subscription.ProvisioningRejected, Subscription.SeatChangeReleased)
def _off_order(
    row: SubscriptionRow, event: Subscription.ProvisioningRejected | Subscription.SeatChangeReleased, _: Recorded
) -> SubscriptionRow:
    return replace(row, seats_on_order=0, order_id=None, version=event.originator_version)


@subscriptions.on(Subscription.SubscriptionRenewed)
def _renewed(row: SubscriptionRow, event: Subscription.SubscriptionRenewed, _: Recorded) -> SubscriptionRow:
    return replace(
        row,
        term_start=event.term.start,
        term_end=event.term.end,
        unit_price=event.unit_price,
        version=event.originator_version,
    )


@subscriptions.on(Subscription.SubscriptionCancellationScheduled)
def _ending(
    row: SubscriptionRow, event: Subscription.SubscriptionCancellationScheduled, _: Recorded
) -> SubscriptionRow:
    return replace(row, state=SubscriptionState.PENDING_CANCELLATION.value, version=event.originator_version)


@subscriptions.on(Subscription.SubscriptionEnded)
def _ended(row: SubscriptionRow, event: Subscription.SubscriptionEnded, _: Recorded) -> SubscriptionRow:
    return replace(row, state=SubscriptionState.ENDED.value, version=event.originator_version)


# --- quotes --------------------------------------------------------------------------------------------------------


@quotes.on(Quote.QuoteIssued)
def _issued(_: None, event: Quote.QuoteIssued, __: Recorded) -> QuoteRow:
    return QuoteRow(
        quote_id=event.originator_id,
        account_id=event.account_id,
        number=event.number,
        origin=event.origin.value,
        state=QuoteState.OPEN.value,
        currency=event.currency,
        lines=event.lines,
        net=event.totals.net,
        tax=event.totals.tax,
        gross=event.totals.gross,
        time_zone=event.time_zone,
        issued_at=event.timestamp,
        valid_until=event.valid_until,
        supersedes=event.supersedes,
        superseded_by=None,
        order_id=None,
        ended_at=None,
        version=event.originator_version,
    )


@quotes.on(Quote.QuoteAccepted)
def _accepted(row: QuoteRow, event: Quote.QuoteAccepted, _: Recorded) -> QuoteRow:
    return replace(_quote_ended(row, event, QuoteState.ACCEPTED), order_id=event.order_id)


@quotes.on(Quote.QuoteDeclined)
def _declined(row: QuoteRow, event: Quote.QuoteDeclined, _: Recorded) -> QuoteRow:
    return _quote_ended(row, event, QuoteState.DECLINED)


@quotes.on(Quote.QuoteExpired)
def _expired(row: QuoteRow, event: Quote.QuoteExpired, _: Recorded) -> QuoteRow:
    return _quote_ended(row, event, QuoteState.EXPIRED)


@quotes.on(Quote.QuoteExpiredBySupersession)
def _superseded(row: QuoteRow, event: Quote.QuoteExpiredBySupersession, _: Recorded) -> QuoteRow:
    ended = _quote_ended(row, event, QuoteState.EXPIRED_BY_SUPERSESSION)
    return replace(ended, superseded_by=event.superseded_by_quote_id)


@quotes.on(Quote.QuoteExpiresSoon, Quote.QuoteNoticeSent, Quote.QuoteNoticeUndeliverable)
def _quote_noted(row: QuoteRow, event: LedgerEvent, _: Recorded) -> QuoteRow:
    return replace(row, version=event.originator_version)


def _quote_ended(row: QuoteRow, event: LedgerEvent, state: QuoteState) -> QuoteRow:
    return replace(row, state=state.value, ended_at=event.timestamp, version=event.originator_version)


# --- orders --------------------------------------------------------------------------------------------------------


@orders.on(ServiceOrder.ServiceOrderPrepared)
def _prepared(_: None, event: ServiceOrder.ServiceOrderPrepared, __: Recorded) -> OrderRow:
    sums = totals(event.lines)
    return OrderRow(
        order_id=event.originator_id,
        account_id=event.account_id,
        quote_id=event.quote_id,
        number=event.number,
        state=OrderState.PREPARED.value,
        overdue=False,
        currency=event.currency,
        lines=event.lines,
        outcomes={},
        net=sums.net,
        tax=sums.tax,
        gross=sums.gross,
        captured=0,
        details=event.details,
        purchase_order=None,
        locale=event.locale,
        decline_code=None,
        prepared_at=event.timestamp,
        placed_at=None,
        due_at=None,
        completed_at=None,
        receipt_id=None,
        receipt_number=None,
        receipt_sent=False,
        attempts=0,
        pay_until=None,
        action=None,
        cancelling=None,
        refunded=0,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.OrderDetailsChanged)
def _details_changed(row: OrderRow, event: ServiceOrder.OrderDetailsChanged, _: Recorded) -> OrderRow:
    return replace(row, details=event.details, version=event.originator_version)


@orders.on(ServiceOrder.OrderPlaced)
def _placed(row: OrderRow, event: ServiceOrder.OrderPlaced, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=OrderState.PLACED.value,
        lines=event.lines,
        net=event.totals.net,
        tax=event.totals.tax,
        gross=event.totals.gross,
        details=event.details,
        purchase_order=event.purchase_order,
        placed_at=event.timestamp,
        due_at=event.due_at,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.PaymentAttemptStarted)
def _attempted(row: OrderRow, event: ServiceOrder.PaymentAttemptStarted, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=OrderState.PLACED.value,
        attempts=event.attempt,
        pay_until=None,
        action=None,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.PaymentActionRequired)
def _action_required(row: OrderRow, event: ServiceOrder.PaymentActionRequired, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=OrderState.PAYMENT_ACTION_REQUIRED.value,
        pay_until=event.pay_until,
        action=event.action,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.PaymentAuthorised)
def _authorised(row: OrderRow, event: ServiceOrder.PaymentAuthorised, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=_provisioned_state(row.outcomes, row.lines, OrderState.AUTHORISED.value),
        pay_until=None,
        action=None,
        decline_code=None,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.PaymentOutcomeUnknown)
def _outcome_unknown(row: OrderRow, event: ServiceOrder.PaymentOutcomeUnknown, _: Recorded) -> OrderRow:
    return replace(row, state=OrderState.PAYMENT_UNKNOWN.value, version=event.originator_version)


@orders.on(ServiceOrder.PaymentDeclined, ServiceOrder.PaymentAuthorisationLapsed, ServiceOrder.PaymentCaptureFailed)
def _waits_for_payment(
    row: OrderRow,
    event: ServiceOrder.PaymentDeclined | ServiceOrder.PaymentAuthorisationLapsed | ServiceOrder.PaymentCaptureFailed,
    _: Recorded,
) -> OrderRow:
    return replace(
        row,
        state=OrderState.PAYMENT_DECLINED.value,
        decline_code=event.decline_code if isinstance(event, ServiceOrder.PaymentDeclined) else None,
        attempts=event.attempt,
        pay_until=event.pay_until,
        action=None,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.PaymentVoided)
def _voided(row: OrderRow, event: ServiceOrder.PaymentVoided, _: Recorded) -> OrderRow:
    return replace(row, state=OrderState.PLACED.value, version=event.originator_version)


@orders.on(ServiceOrder.PaymentDeadlinePassed)
def _deadline_passed(row: OrderRow, event: ServiceOrder.PaymentDeadlinePassed, _: Recorded) -> OrderRow:
    return replace(row, pay_until=None, version=event.originator_version)


@orders.on(ServiceOrder.OrderCancellationRequested)
def _to_be_cancelled(row: OrderRow, event: ServiceOrder.OrderCancellationRequested, _: Recorded) -> OrderRow:
    return replace(row, cancelling=event.reason, version=event.originator_version)


@orders.on(ServiceOrder.OrderCancelled)
def _cancelled(row: OrderRow, event: ServiceOrder.OrderCancelled, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=OrderState.CANCELLED.value,
        cancelling=event.reason,
        pay_until=None,
        action=None,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.OrderLineProvisioned, ServiceOrder.OrderLineRejected)
def _line_settled(
    row: OrderRow, event: ServiceOrder.OrderLineProvisioned | ServiceOrder.OrderLineRejected, _: Recorded
) -> OrderRow:
    provisioned = isinstance(event, ServiceOrder.OrderLineProvisioned)
    outcome = LineOutcome.PROVISIONED if provisioned else LineOutcome.REJECTED
    outcomes = {**row.outcomes, event.subscription_id: outcome.value}
    return replace(
        row,
        outcomes=outcomes,
        state=_provisioned_state(outcomes, row.lines, row.state),
        version=event.originator_version,
    )


def _provisioned_state(outcomes: dict[UUID, str], lines: tuple[QuoteLine, ...], state: str) -> str:
    """Provisioned or partly so once money is held and every line is settled; else the state as it is."""
    if state != OrderState.AUTHORISED.value or len(outcomes) < len(lines):
        return state
    whole = set(outcomes.values()) == {LineOutcome.PROVISIONED.value}
    return (OrderState.PROVISIONED if whole else OrderState.PARTLY_PROVISIONED).value


@orders.on(ServiceOrder.PaymentCaptured)
def _captured(row: OrderRow, event: ServiceOrder.PaymentCaptured, _: Recorded) -> OrderRow:
    return replace(row, state=OrderState.CAPTURED.value, captured=event.amount, version=event.originator_version)


@orders.on(ServiceOrder.PaymentRefunded)
def _refunded(row: OrderRow, event: ServiceOrder.PaymentRefunded, _: Recorded) -> OrderRow:
    return replace(
        row,
        captured=row.captured - event.amount,
        refunded=row.refunded + event.amount,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.OrderCompleted)
def _completed(row: OrderRow, event: ServiceOrder.OrderCompleted, _: Recorded) -> OrderRow:
    return replace(
        row,
        state=OrderState.COMPLETED.value,
        completed_at=event.timestamp,
        receipt_id=event.receipt_id,
        receipt_number=event.receipt_number,
        version=event.originator_version,
    )


@orders.on(ServiceOrder.OrderOverdue)
def _overdue(row: OrderRow, event: ServiceOrder.OrderOverdue, _: Recorded) -> OrderRow:
    return replace(row, overdue=True, version=event.originator_version)


@orders.on(ServiceOrder.ReceiptResendRequested)
def _receipt_wanted(row: OrderRow, event: ServiceOrder.ReceiptResendRequested, _: Recorded) -> OrderRow:
    return replace(row, receipt_sent=False, version=event.originator_version)


@orders.on(ServiceOrder.ReceiptSent)
def _receipt_sent(row: OrderRow, event: ServiceOrder.ReceiptSent, _: Recorded) -> OrderRow:
    return replace(row, receipt_sent=True, version=event.originator_version)


@orders.on(
    ServiceOrder.AdminContactAssigned,
    ServiceOrder.AdminSeatsAssigned,
    ServiceOrder.ReceiptUndeliverable,
    ServiceOrder.RefundRequested,
    ServiceOrder.PaymentRefundFailed,
    ServiceOrder.OrderDelayed,
    ServiceOrder.OrderNoticeSent,
    ServiceOrder.OrderNoticeUndeliverable,
    ServiceOrder.AnswerNotUnderstood,
    ServiceOrder.CareEntryClosed,
)
def _noted(row: OrderRow, event: LedgerEvent, _: Recorded) -> OrderRow:
    return replace(row, version=event.originator_version)


# --- receipts and timeline -----------------------------------------------------------------------------------------


@receipts.on(ReceiptSeries.ReceiptIssued, keys=lambda event, _: (event.receipt_id,))
def _receipt_issued(_: None, event: ReceiptSeries.ReceiptIssued, __: Recorded) -> ReceiptRow:
    return ReceiptRow(
        receipt_id=event.receipt_id,
        account_id=event.account_id,
        order_id=event.order_id,
        receipt_number=event.receipt_number,
        issued_on=event.issued_on,
        locale=event.locale,
        document=event.document,
        document_digest=event.document_digest,
    )


@timeline.on(*EVENT_CLASSES.values(), keys=lambda _, recorded: (recorded.event_id,))
def _happened(_: None, event: LedgerEvent, recorded: Recorded) -> TimelineRow:
    return TimelineRow(
        event_id=recorded.event_id,
        account_id=recorded.account_id,
        position=recorded.position,
        topic=topic_of(event),
        subject_kind=type(event).__qualname__.partition(".")[0],
        subject_id=event.originator_id,
        subject_version=event.originator_version,
        effective_at=event.timestamp,
        recorded_at=recorded.recorded_at,
        actor_id=recorded.actor.id,
        actor_role=recorded.actor.role,
        causation_id=recorded.causation_id,
        correlation_id=recorded.correlation_id,
    )
