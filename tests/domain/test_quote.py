"""A cart becomes a quote, and a quote ends in one of four ways."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.pricing import Term
from domain.quote import CartLine, ExpiryCause, Quote, QuoteOrigin, QuoteState, issue_quote, price_cart
from domain.refusals import (
    CartInvalid,
    NoAutomaticPaymentMethod,
    NotEligibleForSelfService,
    OpenQuoteChanged,
    QuantityInvalid,
    QuoteChanged,
    QuoteExpired,
    QuoteNotOpen,
    SalesRepQuoteUnacknowledged,
    SeatChangePending,
    SubscriptionEnding,
    ValidityInvalid,
)
from domain.subscription import Subscription
from domain.tax import TaxCategory
from tests.domain.examples import (
    ADMIN,
    ASSIST,
    LATER,
    MEETING,
    NOON,
    ORDER,
    QUOTE,
    RULES,
    TODAY,
    account,
    account_with_card,
    quote,
    subscription,
)
from tests.domain.given_when_then import given

NEXT = UUID(int=44)


def test_two_seats_for_302_of_365_days_cost_377_29_and_german_tax() -> None:
    issued = given(quote).then()
    assert (issued.totals.net, issued.totals.tax, issued.totals.gross) == (37729, 7169, 44898)
    (line,) = issued.lines
    assert (line.seats_before, line.seats_to_add, line.seats_after, line.gross) == (10, 2, 12, 44898)


def test_a_quote_holds_thirty_days_and_no_longer_than_any_term_on_it() -> None:
    assert given(quote).then().valid_until == NOON + timedelta(days=30)
    short = subscription(term=Term(TODAY - timedelta(days=350), TODAY + timedelta(days=15)))
    mine = account_with_card()
    lines = price_cart([CartLine(MEETING, 1)], mine, {MEETING: short}, "DE", RULES, NOON)
    made = issue_quote(
        QUOTE, "Q", QuoteOrigin.SELF_SERVICE, lines, mine, {MEETING: short}, None, None, None, RULES, NOON
    )
    assert made.valid_until == datetime(2026, 4, 14, 22, tzinfo=UTC), "midnight in Berlin, in summer time"


def test_a_sales_rep_names_price_and_validity_but_not_beyond_the_term() -> None:
    mine, seats = account(), subscription()
    lines = price_cart([CartLine(MEETING, 2, unit_price=10000)], mine, {MEETING: seats}, "DE", RULES, NOON)
    until = NOON + timedelta(days=3)
    made = issue_quote(QUOTE, "Q", QuoteOrigin.SALES_REP, lines, mine, {MEETING: seats}, None, None, until, RULES, NOON)
    assert (made.lines[0].unit_price, made.valid_until, made.origin) == (10000, until, QuoteOrigin.SALES_REP)


@pytest.mark.parametrize("seats", [0, -1, 10_001, 10**12])
def test_new_seat_qty_is_a_whole_number_of_seats_to_add(seats: int) -> None:
    with pytest.raises(QuantityInvalid):
        price_cart([CartLine(MEETING, seats)], account(), {MEETING: subscription()}, "DE", RULES, NOON)


def test_a_cart_has_lines_and_each_subscription_once() -> None:
    with pytest.raises(CartInvalid, match="no line"):
        price_cart([], account(), {}, "DE", RULES, NOON)
    with pytest.raises(CartInvalid, match="twice"):
        price_cart([CartLine(MEETING, 1)] * 2, account(), {MEETING: subscription()}, "DE", RULES, NOON)


def test_a_cart_is_refused_for_a_subscription_that_takes_no_seats() -> None:
    busy = subscription()
    busy.order_seats(ORDER, QUOTE, 1, TODAY, NOON)
    with pytest.raises(SeatChangePending):
        price_cart([CartLine(MEETING, 1)], account(), {MEETING: busy}, "DE", RULES, NOON)
    ended = subscription()
    ended.schedule_cancellation("asked", NOON)
    with pytest.raises(SubscriptionEnding):
        price_cart([CartLine(MEETING, 1)], account(), {MEETING: ended}, "DE", RULES, NOON)


def test_a_country_without_a_rule_is_sent_to_corporate_account_services() -> None:
    with pytest.raises(NotEligibleForSelfService, match="no tax rule for US"):
        price_cart([CartLine(MEETING, 1)], account("US"), {MEETING: subscription()}, None, RULES, NOON)


def test_a_company_of_another_eu_country_with_a_vat_id_is_charged_without_tax() -> None:
    (line,) = price_cart([CartLine(MEETING, 2)], account("FR"), {MEETING: subscription()}, "FR", RULES, NOON)
    assert (line.tax_category, line.tax_rate_basis_points, line.tax) == (TaxCategory.REVERSE_CHARGE, 0, 0)


def _issue(superseded: Quote | None, acknowledged_by: str | None = None) -> tuple[Quote, Subscription]:
    mine, seats = account_with_card(), subscription()
    if superseded:
        mine.open_quote(superseded.id, NOON)
    lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: seats}, "DE", RULES, NOON)
    by = {MEETING: seats}
    new = issue_quote(
        NEXT, "Q", QuoteOrigin.SELF_SERVICE, lines, mine, by, superseded, acknowledged_by, None, RULES, LATER
    )
    assert mine.open_quote_id == NEXT
    return new, seats


def test_a_new_quote_supersedes_the_open_one_with_its_lineage_and_what_is_lost() -> None:
    old = given(quote).aggregate
    new, seats = _issue(old)
    assert new.supersedes is not None
    assert (new.supersedes.quote_id, new.supersedes.acknowledged_by) == (QUOTE, None)
    (ended,) = old.collect_events()
    assert isinstance(ended, Quote.QuoteExpiredBySupersession)
    assert (ended.superseded_by_quote_id, ended.gross_lost, ended.currency) == (NEXT, 44898, "EUR")
    assert isinstance(seats.pending_events[-1], Subscription.SeatsRequested)


def test_a_quote_is_not_issued_to_be_expired_at_once() -> None:
    mine, seats = account(), subscription()
    lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: seats}, "DE", RULES, NOON)
    with pytest.raises(ValidityInvalid):
        issue_quote(QUOTE, "Q", QuoteOrigin.SALES_REP, lines, mine, {MEETING: seats}, None, None, NOON, RULES, NOON)


def test_a_sales_reps_quote_is_superseded_only_knowingly() -> None:
    mine, seats = account(), subscription()
    lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: seats}, "DE", RULES, NOON)
    rep = issue_quote(QUOTE, "Q", QuoteOrigin.SALES_REP, lines, mine, {MEETING: seats}, None, None, None, RULES, NOON)
    with pytest.raises(SalesRepQuoteUnacknowledged):
        _issue(rep)
    new, _ = _issue(rep, acknowledged_by=ADMIN)
    assert new.supersedes is not None
    assert (new.supersedes.origin, new.supersedes.acknowledged_by) == (QuoteOrigin.SALES_REP, ADMIN)


def test_a_restricted_account_or_one_without_card_gets_no_self_service_quote() -> None:
    for mine, refusal in ((account(), NoAutomaticPaymentMethod),):
        lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: subscription()}, "DE", RULES, NOON)
        with pytest.raises(refusal):
            issue_quote(NEXT, "Q", QuoteOrigin.SELF_SERVICE, lines, mine, {}, None, None, None, RULES, NOON)


def test_a_cart_that_replaces_another_quote_than_the_open_one_is_refused() -> None:
    mine = account_with_card()
    mine.open_quote(UUID(int=99), NOON)
    lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: subscription()}, "DE", RULES, NOON)
    with pytest.raises(OpenQuoteChanged):
        issue_quote(NEXT, "Q", QuoteOrigin.SELF_SERVICE, lines, mine, {}, None, None, None, RULES, NOON)


ENDINGS = {
    QuoteState.ACCEPTED: (Quote.QuoteAccepted, lambda it: it.accept(ORDER, LATER)),
    QuoteState.DECLINED: (Quote.QuoteDeclined, lambda it: it.decline(ADMIN, LATER)),
    QuoteState.EXPIRED: (Quote.QuoteExpired, lambda it: it.expire(ExpiryCause.RENEWAL, LATER)),
    QuoteState.EXPIRED_BY_SUPERSESSION: (
        Quote.QuoteExpiredBySupersession,
        lambda it: it.be_superseded(NEXT, LATER),
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_open_quote_ends_in_one_of_four_ways(ending: QuoteState) -> None:
    event, decision = ENDINGS[ending]
    assert given(quote).when(decision).then(event).state is ending


@pytest.mark.parametrize("first", ENDINGS)
@pytest.mark.parametrize("second", ENDINGS)
def test_a_quote_that_has_ended_does_not_end_again(first: QuoteState, second: QuoteState) -> None:
    given(quote, ENDINGS[first][1]).when(ENDINGS[second][1]).then_refused(QuoteNotOpen, state=first)


def test_a_quote_whose_time_is_over_is_neither_accepted_nor_declined() -> None:
    over = NOON + timedelta(days=30)
    given(quote).when(lambda it: it.accept(ORDER, over)).then_refused(QuoteExpired)
    given(quote).when(lambda it: it.decline(ADMIN, over)).then_refused(QuoteExpired)
    given(quote).when(lambda it: it.accept(ORDER, over - timedelta(microseconds=1))).then(Quote.QuoteAccepted)


def test_a_quote_whose_term_is_over_too_has_no_price_any_more() -> None:
    issued = given(quote).aggregate
    with pytest.raises(QuoteExpired):
        issued.lines_on_order(account(), "DE", RULES, NOON + timedelta(days=400))


def test_ordered_on_the_day_it_costs_what_was_quoted() -> None:
    issued = given(quote).aggregate
    assert issued.lines_on_order(account(), "DE", RULES, LATER) == issued.lines


def test_ordered_on_a_later_day_it_costs_the_smaller_price() -> None:
    issued = given(quote).aggregate
    (line,) = issued.lines_on_order(account(), "DE", RULES, NOON + timedelta(days=10))
    assert (line.net, line.proration_numerator, line.service_start) == (36480, 292, TODAY + timedelta(days=10))
    (earlier,) = issued.lines_on_order(account(), "DE", RULES, NOON - timedelta(days=1))
    assert earlier == issued.lines[0], "a clock that ran back changes nothing"


def test_another_tax_treatment_must_be_reviewed_again() -> None:
    issued = given(quote).aggregate
    with pytest.raises(QuoteChanged, match="tax treatment"):
        issued.lines_on_order(account("FR"), "FR", RULES, LATER)


def test_a_higher_tax_rate_must_be_reviewed_again() -> None:
    issued = given(quote).aggregate
    issued.lines = tuple(replace(line, tax_rate_basis_points=1600, tax=6037) for line in issued.lines)
    issued.totals = replace(issued.totals, tax=6037, gross=43766)
    with pytest.raises(QuoteChanged, match="tax rate"):
        issued.lines_on_order(account(), "DE", RULES, LATER)


def test_the_digest_names_the_content_and_nothing_else() -> None:
    issued, same = given(quote).aggregate, given(quote, ENDINGS[QuoteState.DECLINED][1]).aggregate
    assert issued.content_digest == same.content_digest
    same.lines = tuple(replace(line, net=line.net + 1) for line in same.lines)
    assert issued.content_digest != same.content_digest
    assert ASSIST != MEETING


def test_its_end_is_told_once_while_it_is_open() -> None:
    soon = lambda it: it.expires_soon(LATER)  # noqa: E731
    told = given(quote, soon)
    assert told.aggregate.notice_due
    told.when(soon).then()
    given(quote, ENDINGS[QuoteState.DECLINED][1]).when(soon).then()
    ended = given(quote, soon, ENDINGS[QuoteState.DECLINED][1])
    assert not ended.aggregate.notice_due
    ended.when(lambda it: it.notice_sent("<m>", account().billing_contact, LATER)).then(Quote.QuoteNoticeSent)
    given(quote, soon).when(lambda it: it.notice_was_undeliverable("<m>", "no such person", LATER)).then(
        Quote.QuoteNoticeUndeliverable
    )
    given(quote).when(lambda it: it.notice_was_undeliverable("<m>", "no such person", LATER)).then()
    given(quote).when(lambda it: it.notice_sent("<m>", account().billing_contact, LATER)).then()
