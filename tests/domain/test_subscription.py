"""A subscription's seats, term and the one change that may be on order."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from domain.pricing import Term
from domain.refusals import ProductUnsupported, SeatChangePending, SubscriptionEnding, TermInvalid
from domain.subscription import SeatChange, Subscription, SubscriptionState
from tests.domain.examples import LATER, NOON, ORDER, OTHER_ORDER, QUOTE, TERM, TODAY, subscription
from tests.domain.given_when_then import given


def ordered(it: Subscription) -> None:
    it.order_seats(ORDER, QUOTE, 2, TODAY, NOON)


def test_a_saved_cart_is_an_intent_and_reserves_nothing() -> None:
    asked = given(subscription).when(lambda it: it.request_seats(QUOTE, QUOTE, 3, NOON))
    after = asked.then(Subscription.SeatsRequested, seats_before=10, seats_to_add=3, seats_after=13)
    assert (after.seats, after.seat_change) == (10, None)


def test_seats_of_other_products_cannot_be_requested() -> None:
    legacy = given(lambda: subscription(product="openvoice"))
    legacy.when(lambda it: it.request_seats(QUOTE, QUOTE, 1, NOON)).then_refused(ProductUnsupported)


def test_an_ordered_change_names_the_version_that_is_sent_to_provisioning() -> None:
    after = given(subscription).when(ordered).then(Subscription.SeatChangeOrdered, seats_after=12)
    assert after.seat_change == SeatChange(ORDER, 2, 12, version_sent=2)
    assert after.version == 2


def test_a_second_change_is_refused_until_the_first_is_settled() -> None:
    given(subscription, ordered).when(lambda it: it.order_seats(OTHER_ORDER, QUOTE, 1, TODAY, LATER)).then_refused(
        SeatChangePending, order_id=ORDER
    )


def test_provisioned_seats_are_there() -> None:
    after = (
        given(subscription, ordered)
        .when(lambda it: it.seats_provisioned(ORDER, "ref", LATER))
        .then(Subscription.SeatsProvisioned, seats_added=2, seats_after=12, version_sent=2, external_reference="ref")
    )
    assert (after.seats, after.seat_change) == (12, None)


def test_rejected_seats_are_off_order() -> None:
    after = (
        given(subscription, ordered)
        .when(lambda it: it.provisioning_rejected(ORDER, "no room", LATER))
        .then(Subscription.ProvisioningRejected, seats_refused=2, reason="no room")
    )
    assert (after.seats, after.seat_change) == (10, None)


def test_a_release_is_begun_once_and_the_seats_stay_on_order_meanwhile() -> None:
    begun = (
        given(subscription, ordered)
        .when(lambda it: it.begin_release(ORDER, LATER))
        .then(Subscription.SeatChangeReleaseBegun, version_sent=2)
    )
    assert begun.releases(ORDER)
    assert not begun.releases(OTHER_ORDER)
    begun.begin_release(ORDER, LATER)
    assert not begun.pending_events
    assert begun.seat_change is not None


def test_released_seats_are_off_order() -> None:
    after = (
        given(subscription, ordered)
        .when(lambda it: it.release_seats(ORDER, "stuck", LATER))
        .then(Subscription.SeatChangeReleased, seats_released=2)
    )
    assert after.seat_change is None


def test_what_is_told_of_another_order_or_twice_changes_nothing() -> None:
    for told in (
        lambda it: it.seats_provisioned(OTHER_ORDER, "ref", LATER),
        lambda it: it.provisioning_rejected(OTHER_ORDER, "no room", LATER),
        lambda it: it.release_seats(OTHER_ORDER, "stuck", LATER),
    ):
        given(subscription, ordered).when(told).then()
        given(subscription).when(told).then()
    done = given(subscription, ordered, lambda it: it.seats_provisioned(ORDER, "ref", NOON))
    done.when(lambda it: it.seats_provisioned(ORDER, "ref", LATER)).then()


def test_seats_are_not_added_after_the_end_of_the_term() -> None:
    given(subscription).when(lambda it: it.must_take_seats(TERM.end)).then_refused(SubscriptionEnding, ends_on=TERM.end)
    given(subscription).when(lambda it: it.must_take_seats(TERM.end - timedelta(days=1))).then()


def test_a_subscription_that_will_end_takes_no_seats() -> None:
    ending = given(subscription, lambda it: it.schedule_cancellation("asked", NOON))
    assert ending.aggregate.state is SubscriptionState.PENDING_CANCELLATION
    ending.when(lambda it: it.must_take_seats(TODAY)).then_refused(SubscriptionEnding)
    again = given(subscription, lambda it: it.schedule_cancellation("asked", NOON))
    again.when(lambda it: it.schedule_cancellation("asked", LATER)).then_refused(SubscriptionEnding)


def test_a_subscription_that_is_to_end_ends_with_its_term_and_once() -> None:
    ending = lambda it: it.schedule_cancellation("asked", NOON)  # noqa: E731
    end = lambda it: it.end(TERM.end, NOON)  # noqa: E731
    given(subscription, ending).when(lambda it: it.end(TERM.end - timedelta(days=1), NOON)).then()
    assert given(subscription, ending).when(end).then(Subscription.SubscriptionEnded).state is SubscriptionState.ENDED
    given(subscription, ending, end).when(end).then()
    given(subscription).when(end).then()


def test_only_an_active_subscription_is_renewed_and_without_a_gap() -> None:
    following = Term(TERM.end, TERM.end + timedelta(days=365))
    ending = given(subscription, lambda it: it.schedule_cancellation("asked", NOON))
    ending.when(lambda it: it.renew(following, 24000, NOON)).then_refused(SubscriptionEnding)
    gap = Term(TERM.end + timedelta(days=1), TERM.end + timedelta(days=365))
    given(subscription).when(lambda it: it.renew(gap, 24000, NOON)).then_refused(TermInvalid, begins_on=TERM.end)
    for end in (TERM.end, TERM.start):
        empty = Term(TERM.end, end)
        given(subscription).when(partial(Subscription.renew, term=empty, unit_price=24000, at=NOON)).then_refused(
            TermInvalid
        )


def test_a_renewal_begins_the_next_term_at_its_price() -> None:
    following = Term(TERM.end, TERM.end + timedelta(days=365))
    renewed = given(subscription).when(lambda it: it.renew(following, 24000, NOON))
    after = renewed.then(Subscription.SubscriptionRenewed)
    assert (after.term, after.unit_price) == (following, 24000)
    assert after.account_of(after) == UUID(int=1)  # type: ignore[arg-type]
