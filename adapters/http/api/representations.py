"""How accounts, subscriptions, quotes, orders and events look to a client. Money is minor units with its currency."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from adapters.postgres.read_models import CareEntry
from domain.care import Care
from domain.personal_data import PaymentMethod, VaultReference
from domain.pricing import QuoteLine
from domain.products import Product
from projections.portal import AccountRow, OrderRow, QuoteRow, SubscriptionRow, TimelineRow
from services.vault_records import ActionLink, Address, Contact, LegalName, PurchaseOrder, Record, VaultRecord

Records = Mapping[VaultReference, VaultRecord]
Item = TypeVar("Item")


class View(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class Money(View):
    """An amount in minor units: EUR 377.29 is 37729."""

    amount: int = Field(examples=[37729])
    currency: str = Field(examples=["EUR"])


class PaymentMethodView(View):
    """A card as far as anybody but the payment provider knows it."""

    kind: str
    brand: str = Field(examples=["visa"])
    last_four: str = Field(examples=["4242"])
    expiry_year: int
    expiry_month: int

    @classmethod
    def of(cls, method: PaymentMethod | None) -> "PaymentMethodView | None":
        """From the event's card; None for none."""
        if method is None:
            return None
        return cls(
            kind=method.kind,
            brand=method.brand,
            last_four=method.last_four,
            expiry_year=method.expiry_year,
            expiry_month=method.expiry_month,
        )


class AccountView(View):
    """A billing account. What was erased from the vault is null."""

    id: UUID
    number: str
    legal_name: str | None
    country: str
    currency: str
    language: str
    time_zone: str
    vat_id: str | None
    billing_contact: Contact | None
    billing_address: Address | None
    payment_method: PaymentMethodView | None
    eligible_for_self_service: bool
    restriction: str | None
    open_quote_id: UUID | None
    version: int

    @classmethod
    def references(cls, row: AccountRow) -> tuple[VaultReference, ...]:
        """What `of` needs from the vault."""
        return (row.legal_name, row.billing_contact, row.billing_address)

    @classmethod
    def of(cls, row: AccountRow, records: Records) -> "AccountView":
        """From the read model's row and the vault."""
        name = _found(records, row.legal_name, LegalName)
        return cls(
            id=row.account_id,
            number=row.number,
            legal_name=name.name if name else None,
            country=row.country,
            currency=row.currency,
            language=row.language,
            time_zone=row.time_zone,
            vat_id=row.vat_id,
            billing_contact=_found(records, row.billing_contact, Contact),
            billing_address=_found(records, row.billing_address, Address),
            payment_method=PaymentMethodView.of(row.payment_method),
            eligible_for_self_service=row.restriction is None,
            restriction=row.restriction,
            open_quote_id=row.open_quote_id,
            version=row.version,
        )


class SubscriptionView(View):
    """A subscription; `unit_price` is per seat and term."""

    id: UUID
    account_id: UUID
    number: str
    product: str
    product_title: str
    seats_can_be_added: bool
    seats: int
    seats_on_order: int
    order_id: UUID | None
    unit_price: Money
    term_start: date
    term_end: date
    state: str

    @classmethod
    def of(cls, row: SubscriptionRow) -> "SubscriptionView":
        """From the read model's row."""
        supported = row.product in set(Product)
        return cls(
            id=row.subscription_id,
            account_id=row.account_id,
            number=row.number,
            product=row.product,
            product_title=Product(row.product).title if supported else row.product,
            seats_can_be_added=supported and row.state == "Active" and row.order_id is None,
            seats=row.seats,
            seats_on_order=row.seats_on_order,
            order_id=row.order_id,
            unit_price=Money(amount=row.unit_price, currency=row.currency),
            term_start=row.term_start,
            term_end=row.term_end,
            state=row.state,
        )


class LineView(View):
    """Added seats on one subscription: today, new, then; and what they cost until the renewal."""

    subscription_id: UUID
    subscription_number: str
    product: str
    product_title: str
    seats_before: int
    seats_to_add: int
    seats_after: int
    unit_price: Money
    service_start: date
    service_end: date = Field(description="the day of the renewal, not included")
    days: int
    term_days: int
    net: Money
    tax_category: str
    tax_country: str
    tax_rate_basis_points: int
    tax: Money
    gross: Money
    outcome: str | None = Field(default=None, description="of an order's line: provisioned or rejected")

    @classmethod
    def of(cls, line: QuoteLine, currency: str, outcome: str | None = None) -> "LineView":
        """From the event's line."""
        return cls(
            subscription_id=line.subscription_id,
            subscription_number=line.subscription_number,
            product=line.product,
            product_title=line.product.title,
            seats_before=line.seats_before,
            seats_to_add=line.seats_to_add,
            seats_after=line.seats_after,
            unit_price=Money(amount=line.unit_price, currency=currency),
            service_start=line.service_start,
            service_end=line.term.end,
            days=line.proration_numerator,
            term_days=line.proration_denominator,
            net=Money(amount=line.net, currency=currency),
            tax_category=line.tax_category,
            tax_country=line.tax_country,
            tax_rate_basis_points=line.tax_rate_basis_points,
            tax=Money(amount=line.tax, currency=currency),
            gross=Money(amount=line.gross, currency=currency),
            outcome=outcome,
        )


class PreviewView(View):
    """What a cart would cost as a quote issued now."""

    lines: tuple[LineView, ...]
    net: Money
    tax: Money
    gross: Money


class QuoteView(View):
    """A quote, open or ended."""

    id: UUID
    account_id: UUID
    number: str = Field(examples=["Q-3F7K2-9XWDA"])
    origin: str
    state: str
    lines: tuple[LineView, ...]
    net: Money
    tax: Money
    gross: Money
    issued_at: datetime
    valid_until: datetime
    time_zone: str
    supersedes: UUID | None
    superseded_by: UUID | None
    order_id: UUID | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: QuoteRow) -> "QuoteView":
        """From the read model's row."""
        return cls(
            id=row.quote_id,
            account_id=row.account_id,
            number=row.number,
            origin=row.origin,
            state=row.state,
            lines=tuple(LineView.of(line, row.currency) for line in row.lines),
            net=Money(amount=row.net, currency=row.currency),
            tax=Money(amount=row.tax, currency=row.currency),
            gross=Money(amount=row.gross, currency=row.currency),
            issued_at=row.issued_at,
            valid_until=row.valid_until,
            time_zone=row.time_zone,
            supersedes=row.supersedes.quote_id if row.supersedes else None,
            superseded_by=row.superseded_by,
            order_id=row.order_id,
            ended_at=row.ended_at,
        )


class OrderView(View):
    """A service order. `state` is the way it has come; `version` is also the ETag."""

    id: UUID
    account_id: UUID
    quote_id: UUID
    number: str
    state: str
    overdue: bool
    lines: tuple[LineView, ...]
    net: Money
    tax: Money
    gross: Money
    captured: Money
    admin_contact: Contact | None
    billing_contact: Contact | None
    billing_address: Address | None
    payment_method: PaymentMethodView | None
    po_number: str | None
    locale: str
    decline_code: str | None
    attempts: int
    pay_until: datetime | None
    action_url: str | None
    cancellation: str | None
    refunded: Money
    prepared_at: datetime
    placed_at: datetime | None
    due_at: datetime | None
    completed_at: datetime | None
    receipt_number: str | None
    receipt_sent: bool
    version: int

    @classmethod
    def references(cls, row: OrderRow) -> tuple[VaultReference, ...]:
        """What `of` needs from the vault."""
        wanted = (
            row.details.billing_contact,
            row.details.billing_address,
            row.details.admin_contact,
            row.purchase_order,
            row.action,
        )
        return tuple(reference for reference in wanted if reference)

    @classmethod
    def of(cls, row: OrderRow, records: Records) -> "OrderView":
        """From the read model's row and the vault."""
        purchase_order = _found(records, row.purchase_order, PurchaseOrder)
        action = _found(records, row.action, ActionLink)
        return cls(
            id=row.order_id,
            account_id=row.account_id,
            quote_id=row.quote_id,
            number=row.number,
            state=row.state,
            overdue=row.overdue,
            lines=tuple(LineView.of(line, row.currency, row.outcomes.get(line.subscription_id)) for line in row.lines),
            net=Money(amount=row.net, currency=row.currency),
            tax=Money(amount=row.tax, currency=row.currency),
            gross=Money(amount=row.gross, currency=row.currency),
            captured=Money(amount=row.captured, currency=row.currency),
            admin_contact=_found(records, row.details.admin_contact, Contact),
            billing_contact=_found(records, row.details.billing_contact, Contact),
            billing_address=_found(records, row.details.billing_address, Address),
            payment_method=PaymentMethodView.of(row.details.payment_method),
            po_number=purchase_order.number if purchase_order else None,
            locale=row.locale,
            decline_code=row.decline_code,
            attempts=row.attempts,
            pay_until=row.pay_until,
            action_url=action.url if action else None,
            cancellation=row.cancelling,
            refunded=Money(amount=row.refunded, currency=row.currency),
            prepared_at=row.prepared_at,
            placed_at=row.placed_at,
            due_at=row.due_at,
            completed_at=row.completed_at,
            receipt_number=row.receipt_number,
            receipt_sent=row.receipt_sent,
            version=row.version,
        )


class TimelineView(View):
    """One event of the account's history: what, to which stream, when by business time, who and why."""

    position: int
    event_id: UUID
    type: str = Field(examples=["QuoteIssued.v1"])
    subject_kind: str
    subject_id: UUID
    subject_version: int
    effective_at: datetime
    recorded_at: datetime
    actor_id: str
    actor_role: str
    causation_id: UUID
    correlation_id: UUID

    @classmethod
    def of(cls, row: TimelineRow) -> "TimelineView":
        """From the read model's row."""
        return cls(
            position=row.position,
            event_id=row.event_id,
            type=row.topic,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            subject_version=row.subject_version,
            effective_at=row.effective_at,
            recorded_at=row.recorded_at,
            actor_id=row.actor_id,
            actor_role=row.actor_role,
            causation_id=row.causation_id,
            correlation_id=row.correlation_id,
        )


class ReceiptView(View):
    """A receipt as JSON; ask with Accept: text/html or text/plain for the document that was mailed."""

    number: str
    order_id: UUID
    issued_on: date
    locale: str
    document_digest: str = Field(description="hex SHA-256 of the document as it is kept")
    order: OrderView


class CareView(View):
    """Why Corporate Account Services should look at something. `detail` is what the event says of it."""

    id: UUID
    care: str
    happened: str
    to_do: str
    detail: str
    since: datetime
    account_id: UUID
    account_number: str | None
    subject_kind: str
    subject_id: UUID
    subject_number: str | None

    @classmethod
    def of(cls, row: CareEntry) -> "CareView":
        """From the care list's row."""
        care = Care(row.care)
        return cls(
            id=row.entry_id,
            care=care.value,
            happened=care.happened,
            to_do=care.to_do,
            detail=row.detail,
            since=row.since,
            account_id=row.account_id,
            account_number=row.account_number,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            subject_number=row.subject_number,
        )


class Listed(View, Generic[Item]):
    """A page of a list; `next` goes into `cursor` for the following one and is null on the last."""

    items: tuple[Item, ...]
    next: str | None


class ClockView(View):
    """Business time."""

    now: datetime


class Problem(View):
    """RFC 9457, with a stable code; the facts of the refusal are further members."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    code: str = Field(examples=["OPEN_QUOTE_CHANGED"])


def _found(records: Records, reference: VaultReference | None, kind: type[Record]) -> Record | None:
    record = records.get(reference) if reference else None
    return record if isinstance(record, kind) else None


def references_of(rows: Iterable[AccountRow]) -> list[VaultReference]:
    """What a list of accounts needs from the vault."""
    return [reference for row in rows for reference in AccountView.references(row)]
