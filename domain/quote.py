"""The quote an account has open: how a cart becomes one, and the four ways it ends."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from eventsourcing.domain import event
from pydantic import TypeAdapter

from domain.account import BillingAccount
from domain.calendar import business_day, first_instant
from domain.ledger import LedgerAggregate
from domain.money import Totals
from domain.personal_data import VaultReference
from domain.pricing import PRICE_RULE, QuoteLine, on_day, prorated_net, totals
from domain.products import supported_product
from domain.refusals import (
    CartInvalid,
    NotEligibleForSelfService,
    QuantityInvalid,
    QuoteChanged,
    QuoteExpired,
    QuoteNotOpen,
    SalesRepQuoteUnacknowledged,
    ValidityInvalid,
)
from domain.subscription import Subscription
from domain.tax import TAX_RULE, TaxTreatment, tax_on, tax_treatment


class QuoteState(StrEnum):
    """Open, or ended in one of four ways."""

    OPEN = "Open"
    ACCEPTED = "Accepted"
    DECLINED = "Declined"
    EXPIRED = "Expired"
    EXPIRED_BY_SUPERSESSION = "ExpiredBySupersession"


class QuoteOrigin(StrEnum):
    """Who made the quote."""

    SELF_SERVICE = "self_service"
    SALES_REP = "sales_rep"


class ExpiryCause(StrEnum):
    """Why a quote expired by itself."""

    VALID_UNTIL = "valid_until"
    RENEWAL = "renewal"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Supersession:
    """The quote that a new one replaces; `acknowledged_by` is the actor who agreed to lose a sales rep's quote."""

    quote_id: UUID
    origin: QuoteOrigin
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class CartLine:
    """New Seat Qty for one subscription: seats to ADD, never the new total. A sales rep may name the price."""

    subscription_id: UUID
    seats_to_add: int
    unit_price: int | None = None


@dataclass(frozen=True, slots=True)
class QuotingRules:
    """What the company decides, from the settings: who sells, how long a quote holds, how many seats a line may add."""

    seller: str
    seller_country: str
    valid_days: int = 30
    seats_at_most: int = 10_000


_LINES: TypeAdapter[tuple[QuoteLine, ...]] = TypeAdapter(tuple[QuoteLine, ...])


class Quote(LedgerAggregate):
    """Priced lines of an account's cart. The lines never change."""

    TOPIC = "Quote"

    class Event(LedgerAggregate.Event):
        """A fact about the quote."""

    class QuoteIssued(Event, LedgerAggregate.Created):
        """The cart was saved; this is what it costs. Amounts in minor units of `currency`."""

        TOPIC = "QuoteIssued.v1"
        account_id: UUID
        number: str
        origin: QuoteOrigin
        seller: str
        currency: str
        lines: tuple[QuoteLine, ...]
        totals: Totals
        valid_until: datetime
        time_zone: str
        supersedes: Supersession | None
        price_rule: str
        tax_rule: str

    Created = QuoteIssued

    class QuoteAccepted(Event):
        """Its service order was placed."""

        TOPIC = "QuoteAccepted.v1"
        order_id: UUID

    class QuoteDeclined(Event):
        """The account doesn't want it."""

        TOPIC = "QuoteDeclined.v1"
        declined_by: str

    class QuoteExpired(Event):
        """Its time is over, or a subscription on it was renewed."""

        TOPIC = "QuoteExpired.v1"
        cause: ExpiryCause

    class QuoteExpiredBySupersession(Event):
        """Another quote took its place at once; `gross_lost` is what it was worth."""

        TOPIC = "QuoteExpiredBySupersession.v1"
        superseded_by_quote_id: UUID
        origin: QuoteOrigin
        gross_lost: int
        currency: str

    class QuoteExpiresSoon(Event):
        """The open quote ends in a few days."""

        TOPIC = "QuoteExpiresSoon.v1"
        valid_until: datetime

    class QuoteNoticeSent(Event):
        """The mail server took the mail about the quote's end."""

        TOPIC = "QuoteNoticeSent.v1"
        message_id: str
        recipient: VaultReference

    class QuoteNoticeUndeliverable(Event):
        """The mail about the quote's end can't reach the billing contact."""

        TOPIC = "QuoteNoticeUndeliverable.v1"
        message_id: str
        reason: str

    @event(QuoteIssued)
    def __init__(
        self,
        id: UUID,
        account_id: UUID,
        number: str,
        origin: QuoteOrigin,
        seller: str,
        currency: str,
        lines: tuple[QuoteLine, ...],
        totals: Totals,
        valid_until: datetime,
        time_zone: str,
        supersedes: Supersession | None,
        price_rule: str,
        tax_rule: str,
        timestamp: datetime,
    ) -> None:
        """Issue the quote."""
        self.account_id, self.number, self.origin, self.seller = account_id, number, origin, seller
        self.currency, self.lines, self.totals, self.valid_until = currency, lines, totals, valid_until
        self.time_zone, self.supersedes = time_zone, supersedes
        self.state = QuoteState.OPEN
        self.order_id: UUID | None = None
        self.said_to_expire = self.notice_settled = False

    @property
    def notice_due(self) -> bool:
        """Whether somebody must still be told that the open quote ends soon; of an ended one, nobody is told."""
        return self.state is QuoteState.OPEN and self._notice_is_unsettled

    @property
    def _notice_is_unsettled(self) -> bool:
        return self.said_to_expire and not self.notice_settled

    @property
    def content_digest(self) -> str:
        """Hex SHA-256 over account, currency, lines and validity: what an order says it was placed on."""
        head = f"{self.id}\n{self.account_id}\n{self.seller}\n{self.currency}\n{self.valid_until.isoformat()}\n"
        return hashlib.sha256(head.encode() + _LINES.dump_json(self.lines)).hexdigest()

    def must_be_open(self, at: datetime) -> None:
        """Raise QuoteNotOpen, or QuoteExpired once `valid_until` has come."""
        if self.state is not QuoteState.OPEN:
            raise QuoteNotOpen(quote_id=self.id, state=self.state)
        if at >= self.valid_until:
            raise QuoteExpired(quote_id=self.id, valid_until=self.valid_until)

    def lines_on_order(
        self, account: BillingAccount, vat_id_country: str | None, rules: QuotingRules, at: datetime
    ) -> tuple[QuoteLine, ...]:
        """The lines as an order placed now is charged.

        On a later day than quoted each line costs the smaller of both days' prices. Raises QuoteNotOpen, QuoteExpired,
        and QuoteChanged if the tax treatment is another or the gross would be more than quoted.
        """
        self.must_be_open(at)  # after its end a line may have no day of its term left to be priced by
        day = business_day(at, self.time_zone)
        treatment = _treatment(account, vat_id_country, rules, at)
        if {(line.tax_category, line.tax_country) for line in self.lines} != {(treatment.category, treatment.country)}:
            raise QuoteChanged(quote_id=self.id, reason="tax treatment")
        lines = tuple(on_day(line, day, treatment) for line in self.lines)
        if totals(lines).gross > self.totals.gross:
            raise QuoteChanged(quote_id=self.id, reason="tax rate")
        return lines

    def accept(self, order_id: UUID, at: datetime) -> None:
        """Turn it into a placed order."""
        self.must_be_open(at)
        self._accept(order_id=order_id, timestamp=at)

    def decline(self, by: str, at: datetime) -> None:
        """Turn it down; `by` is the actor's opaque id."""
        self.must_be_open(at)
        self._decline(declined_by=by, timestamp=at)

    def expire(self, cause: ExpiryCause, at: datetime) -> None:
        """End it by itself."""
        if self.state is not QuoteState.OPEN:
            raise QuoteNotOpen(quote_id=self.id, state=self.state)
        self._expire(cause=cause, timestamp=at)

    def expires_soon(self, at: datetime) -> None:
        """Note, once, that the open quote ends in a few days, so that somebody is told."""
        if self.state is QuoteState.OPEN and not self.said_to_expire and at < self.valid_until:
            self._expire_soon(valid_until=self.valid_until, timestamp=at)

    def notice_sent(self, message_id: str, recipient: VaultReference, at: datetime) -> None:
        """Record that the mail server took the mail about the quote's end; it may have ended meanwhile."""
        if self._notice_is_unsettled:
            self._send_notice(message_id=message_id, recipient=recipient, timestamp=at)

    def notice_was_undeliverable(self, message_id: str, reason: str, at: datetime) -> None:
        """Record that the mail about the quote's end can't reach its reader, or has nobody to tell any more."""
        if self._notice_is_unsettled:
            self._fail_notice(message_id=message_id, reason=reason, timestamp=at)

    def be_superseded(self, by_quote_id: UUID, at: datetime) -> None:
        """Expire at once because another quote takes its place."""
        if self.state is not QuoteState.OPEN:
            raise QuoteNotOpen(quote_id=self.id, state=self.state)
        self._be_superseded(
            superseded_by_quote_id=by_quote_id,
            origin=self.origin,
            gross_lost=self.totals.gross,
            currency=self.currency,
            timestamp=at,
        )

    @event(QuoteAccepted)
    def _accept(self, order_id: UUID, timestamp: datetime) -> None:
        self.state, self.order_id = QuoteState.ACCEPTED, order_id

    @event(QuoteDeclined)
    def _decline(self, declined_by: str, timestamp: datetime) -> None:
        self.state = QuoteState.DECLINED

    @event(QuoteExpired)
    def _expire(self, cause: ExpiryCause, timestamp: datetime) -> None:
        self.state = QuoteState.EXPIRED

    @event(QuoteExpiresSoon)
    def _expire_soon(self, valid_until: datetime, timestamp: datetime) -> None:
        self.said_to_expire = True

    @event(QuoteNoticeSent)
    def _send_notice(self, message_id: str, recipient: VaultReference, timestamp: datetime) -> None:
        self.notice_settled = True

    @event(QuoteNoticeUndeliverable)
    def _fail_notice(self, message_id: str, reason: str, timestamp: datetime) -> None:
        self.notice_settled = True

    @event(QuoteExpiredBySupersession)
    def _be_superseded(
        self,
        superseded_by_quote_id: UUID,
        origin: QuoteOrigin,
        gross_lost: int,
        currency: str,
        timestamp: datetime,
    ) -> None:
        self.state = QuoteState.EXPIRED_BY_SUPERSESSION


def price_cart(
    cart: Sequence[CartLine],
    account: BillingAccount,
    subscriptions: Mapping[UUID, Subscription],
    vat_id_country: str | None,
    rules: QuotingRules,
    at: datetime,
) -> tuple[QuoteLine, ...]:
    """The lines of the quote that this cart would become, priced and taxed as on the day of `at`.

    Raises CartInvalid, QuantityInvalid, SubscriptionEnding, SeatChangePending, NotEligibleForSelfService.
    """
    if not cart:
        raise CartInvalid(reason="no line in it")
    if len({line.subscription_id for line in cart}) != len(cart):
        raise CartInvalid(reason="a subscription appears twice")
    day = business_day(at, account.time_zone)
    treatment = _treatment(account, vat_id_country, rules, at)
    return tuple(_priced(line, subscriptions[line.subscription_id], treatment, rules, day) for line in cart)


def issue_quote(
    quote_id: UUID,
    number: str,
    origin: QuoteOrigin,
    lines: tuple[QuoteLine, ...],
    account: BillingAccount,
    subscriptions: Mapping[UUID, Subscription],
    superseded: Quote | None,
    acknowledged_by: str | None,
    valid_until: datetime | None,
    rules: QuotingRules,
    at: datetime,
) -> Quote:
    """Save Cart and Review: the new quote is open, and the one it replaces has expired at once.

    Changes the account, the superseded quote and every subscription in the cart; all belong in one append.
    A sales rep's quote needs neither eligibility nor a card; to supersede one needs `acknowledged_by`.
    Raises NotEligibleForSelfService, NoAutomaticPaymentMethod, OpenQuoteChanged, ValidityInvalid,
    SalesRepQuoteUnacknowledged.
    """
    if origin is QuoteOrigin.SELF_SERVICE:
        account.must_be_eligible()
        account.must_have_valid_card(at)
    account.must_have_open(superseded.id if superseded else None)
    if valid_until and valid_until <= at:
        raise ValidityInvalid(valid_until=valid_until)
    if superseded:
        if superseded.origin is QuoteOrigin.SALES_REP and acknowledged_by is None:
            raise SalesRepQuoteUnacknowledged(open_quote_id=superseded.id)
        superseded.be_superseded(quote_id, at)
    latest = min(
        [at + timedelta(days=rules.valid_days), *(first_instant(line.term.end, account.time_zone) for line in lines)]
    )
    quote = Quote(
        id=quote_id,
        account_id=account.id,
        number=number,
        origin=origin,
        seller=rules.seller,
        currency=account.currency,
        lines=lines,
        totals=totals(lines),
        valid_until=min(valid_until, latest) if valid_until else latest,
        time_zone=account.time_zone,
        supersedes=Supersession(superseded.id, superseded.origin, acknowledged_by) if superseded else None,
        price_rule=PRICE_RULE,
        tax_rule=TAX_RULE,
        timestamp=at,
    )
    for line in lines:
        subscriptions[line.subscription_id].request_seats(quote_id, quote_id, line.seats_to_add, at)
    account.open_quote(quote_id, at)
    return quote


def _priced(
    line: CartLine, subscription: Subscription, treatment: TaxTreatment, rules: QuotingRules, day: date
) -> QuoteLine:
    if not 1 <= line.seats_to_add <= rules.seats_at_most:
        raise QuantityInvalid(seats_to_add=line.seats_to_add, at_most=rules.seats_at_most)
    subscription.must_take_seats(day)
    unit_price = subscription.unit_price if line.unit_price is None else line.unit_price
    term, start = subscription.term, max(day, subscription.term.start)
    net = prorated_net(unit_price, line.seats_to_add, term.remaining_days(day), term.days)
    return QuoteLine(
        subscription_id=subscription.id,
        subscription_number=subscription.number,
        product=supported_product(subscription.product),
        seats_before=subscription.seats,
        seats_to_add=line.seats_to_add,
        unit_price=unit_price,
        term=term,
        service_start=start,
        proration_numerator=term.remaining_days(day),
        proration_denominator=term.days,
        net=net,
        tax_category=treatment.category,
        tax_country=treatment.country,
        tax_rate_basis_points=treatment.rate_basis_points,
        tax=tax_on(net, treatment.rate_basis_points),
    )


def _treatment(account: BillingAccount, vat_id_country: str | None, rules: QuotingRules, at: datetime) -> TaxTreatment:
    day = business_day(at, account.time_zone)
    treatment = tax_treatment(rules.seller_country, account.country, vat_id_country, day)
    if treatment is None:
        raise NotEligibleForSelfService(account_id=account.id, reason=f"no tax rule for {account.country}")
    return treatment
