"""A subscription's seats and term, and the one seat change that may be on order."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from eventsourcing.domain import event

from domain.ledger import LedgerAggregate
from domain.pricing import Term
from domain.products import Product, supported_product
from domain.refusals import SeatChangePending, SubscriptionEnding, TermInvalid


class SubscriptionState(StrEnum):
    """Whether seats can be added: only to an active subscription."""

    ACTIVE = "Active"
    PENDING_CANCELLATION = "PendingCancellation"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class SeatChange:
    """Seats on order. `version_sent` orders this change among all that the provisioning system has seen.

    `releasing`: it is being called off for good, and an answer that still comes changes nothing.
    """

    order_id: UUID
    seats_to_add: int
    seats_after: int
    version_sent: int
    releasing: bool = False


class Subscription(LedgerAggregate):
    """Contracted seats of one product at one account. Prices are minor units per seat and term.

    The product may be one that seats can't be added to, so it is a code here and checked when a cart names it.
    """

    TOPIC = "Subscription"

    class Event(LedgerAggregate.Event):
        """A fact about the subscription."""

    class SubscriptionStarted(Event, LedgerAggregate.Created):
        """The subscription exists with its first seats."""

        TOPIC = "SubscriptionStarted.v1"
        account_id: UUID
        number: str
        product: str
        seats: int
        unit_price: int
        currency: str
        term: Term

    Created = SubscriptionStarted

    class SeatsRequested(Event):
        """A cart with these seats was saved. Intent only: it reserves nothing."""

        TOPIC = "SeatsRequested.v1"
        request_id: UUID
        quote_id: UUID
        product: Product
        seats_before: int
        seats_to_add: int
        seats_after: int

    class SeatChangeOrdered(Event):
        """An order for these seats was placed."""

        TOPIC = "SeatChangeOrdered.v1"
        order_id: UUID
        quote_id: UUID
        seats_before: int
        seats_to_add: int
        seats_after: int

    class SeatsProvisioned(Event):
        """The seats are there."""

        TOPIC = "SeatsProvisioned.v1"
        order_id: UUID
        seats_added: int
        seats_after: int
        version_sent: int
        external_reference: str

    class ProvisioningRejected(Event):
        """The provisioning system refused the seats; the change is off."""

        TOPIC = "ProvisioningRejected.v1"
        order_id: UUID
        seats_refused: int
        version_sent: int
        reason: str

    class SeatChangeReleaseBegun(Event):
        """The change on order is being called off: from here on seats that still come are taken back."""

        TOPIC = "SeatChangeReleaseBegun.v1"
        order_id: UUID
        version_sent: int

    class SeatChangeReleased(Event):
        """The change on order is off for another reason."""

        TOPIC = "SeatChangeReleased.v1"
        order_id: UUID
        seats_released: int
        reason: str

    class SubscriptionRenewed(Event):
        """A new term begins, maybe at another price."""

        TOPIC = "SubscriptionRenewed.v1"
        term: Term
        unit_price: int

    class SubscriptionCancellationScheduled(Event):
        """The subscription will end with its term."""

        TOPIC = "SubscriptionCancellationScheduled.v1"
        ends_on: date
        reason: str

    class SubscriptionEnded(Event):
        """The subscription is over."""

        TOPIC = "SubscriptionEnded.v1"
        ended_on: date

    @event(SubscriptionStarted)
    def __init__(
        self,
        id: UUID,
        account_id: UUID,
        number: str,
        product: str,
        seats: int,
        unit_price: int,
        currency: str,
        term: Term,
        timestamp: datetime,
    ) -> None:
        """Start the subscription."""
        self.account_id, self.number, self.product, self.seats = account_id, number, product, seats
        self.unit_price, self.currency, self.term = unit_price, currency, term
        self.state = SubscriptionState.ACTIVE
        self.seat_change: SeatChange | None = None

    def must_take_seats(self, on: date) -> None:
        """Raise unless seats can be added today: active, in its term, and no seats on order."""
        if self.state is not SubscriptionState.ACTIVE or on >= self.term.end:
            raise SubscriptionEnding(subscription_id=self.id, state=self.state, ends_on=self.term.end)
        if self.seat_change:
            raise SeatChangePending(subscription_id=self.id, order_id=self.seat_change.order_id)

    def request_seats(self, request_id: UUID, quote_id: UUID, seats_to_add: int, at: datetime) -> None:
        """Note the intent of a saved cart."""
        self._request_seats(
            request_id=request_id,
            quote_id=quote_id,
            product=supported_product(self.product),
            seats_before=self.seats,
            seats_to_add=seats_to_add,
            seats_after=self.seats + seats_to_add,
            timestamp=at,
        )

    def order_seats(self, order_id: UUID, quote_id: UUID, seats_to_add: int, on: date, at: datetime) -> None:
        """Put the seats on order; refused while others are."""
        self.must_take_seats(on)
        self._order_seats(
            order_id=order_id,
            quote_id=quote_id,
            seats_before=self.seats,
            seats_to_add=seats_to_add,
            seats_after=self.seats + seats_to_add,
            timestamp=at,
        )

    def seats_provisioned(self, order_id: UUID, external_reference: str, at: datetime) -> None:
        """Record that the seats on this order are there; told again, it is the same fact."""
        change = self._change_of(order_id)
        if change:
            self._provision(
                order_id=order_id,
                seats_added=change.seats_to_add,
                seats_after=change.seats_after,
                version_sent=change.version_sent,
                external_reference=external_reference,
                timestamp=at,
            )

    def provisioning_rejected(self, order_id: UUID, reason: str, at: datetime) -> None:
        """Record that the seats on this order were refused; told again, it is the same fact."""
        change = self._change_of(order_id)
        if change:
            self._reject(
                order_id=order_id,
                seats_refused=change.seats_to_add,
                version_sent=change.version_sent,
                reason=reason,
                timestamp=at,
            )

    def begin_release(self, order_id: UUID, at: datetime) -> None:
        """Decide that the seats on this order are not wanted any more, whatever is answered; told again, the same.

        Only now may the provisioning system be told so: told before, seats that were taken back could be recorded as
        there by somebody who holds an answer from before.
        """
        change = self._change_of(order_id)
        if change and not change.releasing:
            self._begin_release(order_id=order_id, version_sent=change.version_sent, timestamp=at)

    def releases(self, order_id: UUID) -> bool:
        """Whether the seats on this order are being called off."""
        change = self._change_of(order_id)
        return change is not None and change.releasing

    def release_seats(self, order_id: UUID, reason: str, at: datetime) -> None:
        """Take the seats off order, if they are on this one."""
        change = self._change_of(order_id)
        if change:
            self._release(order_id=order_id, seats_released=change.seats_to_add, reason=reason, timestamp=at)

    def renew(self, term: Term, unit_price: int, at: datetime) -> None:
        """Begin the next term, which follows the present one; refused for one that is to end."""
        if self.state is not SubscriptionState.ACTIVE:
            raise SubscriptionEnding(subscription_id=self.id, state=self.state, ends_on=self.term.end)
        if term.start != self.term.end or term.days < 1:
            raise TermInvalid(subscription_id=self.id, begins_on=self.term.end)
        self._renew(term=term, unit_price=unit_price, timestamp=at)

    def schedule_cancellation(self, reason: str, at: datetime) -> None:
        """Let the subscription end with its term."""
        if self.state is not SubscriptionState.ACTIVE:
            raise SubscriptionEnding(subscription_id=self.id, state=self.state, ends_on=self.term.end)
        self._schedule_cancellation(ends_on=self.term.end, reason=reason, timestamp=at)

    def end(self, on: date, at: datetime) -> None:
        """End the subscription once its last day is over, if it is to end."""
        if self.state is SubscriptionState.PENDING_CANCELLATION and on >= self.term.end:
            self._end(ended_on=on, timestamp=at)

    def _change_of(self, order_id: UUID) -> SeatChange | None:
        return self.seat_change if self.seat_change and self.seat_change.order_id == order_id else None

    @event(SeatsRequested)
    def _request_seats(
        self,
        request_id: UUID,
        quote_id: UUID,
        product: Product,
        seats_before: int,
        seats_to_add: int,
        seats_after: int,
        timestamp: datetime,
    ) -> None: ...

    @event(SeatChangeOrdered)
    def _order_seats(
        self,
        order_id: UUID,
        quote_id: UUID,
        seats_before: int,
        seats_to_add: int,
        seats_after: int,
        timestamp: datetime,
    ) -> None:
        # The library counts the version up after this method: the event being applied is version + 1.
        self.seat_change = SeatChange(order_id, seats_to_add, seats_after, version_sent=self.version + 1)

    @event(SeatsProvisioned)
    def _provision(
        self,
        order_id: UUID,
        seats_added: int,
        seats_after: int,
        version_sent: int,
        external_reference: str,
        timestamp: datetime,
    ) -> None:
        self.seats, self.seat_change = seats_after, None

    @event(ProvisioningRejected)
    def _reject(
        self,
        order_id: UUID,
        seats_refused: int,
        version_sent: int,
        reason: str,
        timestamp: datetime,
    ) -> None:
        self.seat_change = None

    @event(SeatChangeReleaseBegun)
    def _begin_release(self, order_id: UUID, version_sent: int, timestamp: datetime) -> None:
        assert self.seat_change is not None  # begun only with one
        self.seat_change = replace(self.seat_change, releasing=True)

    @event(SeatChangeReleased)
    def _release(self, order_id: UUID, seats_released: int, reason: str, timestamp: datetime) -> None:
        self.seat_change = None

    @event(SubscriptionRenewed)
    def _renew(self, term: Term, unit_price: int, timestamp: datetime) -> None:
        self.term, self.unit_price = term, unit_price

    @event(SubscriptionCancellationScheduled)
    def _schedule_cancellation(self, ends_on: date, reason: str, timestamp: datetime) -> None:
        self.state = SubscriptionState.PENDING_CANCELLATION

    @event(SubscriptionEnded)
    def _end(self, ended_on: date, timestamp: datetime) -> None:
        self.state = SubscriptionState.ENDED
