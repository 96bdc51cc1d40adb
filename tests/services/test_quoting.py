"""Save Cart and Review: one open quote, whatever happens at once."""

from datetime import timedelta

import pytest

from domain.account import BillingAccount
from domain.history import topic_of
from domain.identifiers import order_id
from domain.order import OrderState
from domain.quote import CartLine, Quote, QuoteOrigin, QuoteState
from domain.refusals import (
    CartInvalid,
    Conflict,
    IdempotencyKeyReused,
    NotEligibleForSelfService,
    NotFound,
    OpenQuoteChanged,
    ProductUnsupported,
    SalesRepQuoteUnacknowledged,
)
from domain.subscription import Subscription
from services.quoting import IssueQuote
from tests.world import ACCOUNT, ASSIST, FOREIGN, LEGACY, MEETING, NOON, REP, World, all_of, succeeded


async def test_two_seats_for_302_of_365_days_cost_377_29(world: World) -> None:
    quote = await world.the(Quote, await world.quote())
    assert (quote.totals.net, quote.totals.tax, quote.totals.gross) == (37729, 7169, 44898)


async def test_a_preview_is_priced_like_the_quote_and_stores_nothing(world: World) -> None:
    before = len(world.events.recorded)
    lines = await world.quoting.preview(ACCOUNT, (CartLine(MEETING, 2),), NOON)
    assert len(world.events.recorded) == before
    assert (await world.the(Quote, await world.quote())).lines == lines


async def test_issuing_notes_the_request_on_each_subscription_and_opens_the_quote(world: World) -> None:
    before = len(world.events.recorded)
    quote_id = await world.quote((MEETING, 2), (ASSIST, 1))
    assert sorted(world.types(before)) == [
        "OpenQuoteChanged.v1",
        "QuoteIssued.v1",
        "SeatsRequested.v1",
        "SeatsRequested.v1",
    ]
    assert (await world.the(BillingAccount, ACCOUNT)).open_quote_id == quote_id


async def test_a_new_quote_expires_the_open_one_and_cancels_its_draft_in_the_same_append(world: World) -> None:
    first = await world.quote()
    await world.ordering.prepare(first, world.context())
    before = len(world.events.recorded)
    second = await world.quote((ASSIST, 1), replaces=first)
    assert world.types(before) == [
        "OpenQuoteChanged.v1",
        "QuoteExpiredBySupersession.v1",
        "OrderCancelled.v1",
        "QuoteIssued.v1",
        "SeatsRequested.v1",
    ]
    assert (await world.the(Quote, first)).state is QuoteState.EXPIRED_BY_SUPERSESSION
    assert (await world.the(Quote, second)).supersedes is not None
    assert (await world.order(order_id(first))).state is OrderState.CANCELLED


async def test_a_cart_must_name_the_open_quote_that_it_replaces(world: World) -> None:
    first = await world.quote()
    with pytest.raises(OpenQuoteChanged) as refused:
        await world.quote()
    assert refused.value.open_quote_id == first
    with pytest.raises(OpenQuoteChanged):
        await world.quote(replaces=order_id(first))


async def test_of_fifty_carts_at_once_one_is_quoted_and_never_two_are_open(world: World) -> None:
    results = await all_of(*(world.quote() for _ in range(50)))
    assert len(succeeded(results)) == 1
    assert all(isinstance(each, OpenQuoteChanged | Conflict) for each in results if isinstance(each, Exception))
    assert world.types().count("QuoteIssued.v1") == 1


async def test_the_same_key_again_gives_the_same_quote(world: World) -> None:
    context = world.context(key="once")
    command = IssueQuote(ACCOUNT, (CartLine(MEETING, 2),), None)
    first = await world.quoting.issue(command, context)
    assert await world.quoting.issue(command, context) == first
    assert world.types().count("QuoteIssued.v1") == 1


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    command = IssueQuote(ACCOUNT, (CartLine(MEETING, 2),), None)
    await world.quoting.issue(command, world.context(key="once", body="two"))
    with pytest.raises(IdempotencyKeyReused):
        await world.quoting.issue(command, world.context(key="once", body="three"))


async def test_another_accounts_subscription_does_not_exist(world: World) -> None:
    other = await world.open_account("A-2")
    await world.start_subscription("S-9", other)
    with pytest.raises(NotFound) as refused:
        await world.quote((FOREIGN, 1))
    assert refused.value.id == FOREIGN


async def test_a_subscription_of_another_product_takes_no_seats(world: World) -> None:
    await world.start_subscription("S-3", product="openvoice")
    with pytest.raises(ProductUnsupported):
        await world.quote((LEGACY, 1))


async def test_an_empty_cart_is_refused(world: World) -> None:
    with pytest.raises(CartInvalid):
        await world.quoting.issue(IssueQuote(ACCOUNT, (), None), world.context())


async def test_a_country_without_a_tax_rule_is_sent_to_corporate_account_services() -> None:
    world = World()
    await world.customer(country="US", vat_id=None)
    with pytest.raises(NotEligibleForSelfService):
        await world.quote()


async def test_a_sales_reps_quote_has_its_own_price_and_must_be_given_up_knowingly(world: World) -> None:
    command = IssueQuote(ACCOUNT, (CartLine(MEETING, 2, unit_price=10000),), None, origin=QuoteOrigin.SALES_REP)
    offered = (await world.quoting.issue(command, world.context(REP))).id
    assert (await world.the(Quote, offered)).lines[0].unit_price == 10000
    with pytest.raises(SalesRepQuoteUnacknowledged):
        await world.quote(replaces=offered)
    own = await world.quote(replaces=offered, acknowledge_sales_rep_quote=True)
    lineage = (await world.the(Quote, own)).supersedes
    assert lineage is not None
    assert (lineage.origin, lineage.acknowledged_by) == (QuoteOrigin.SALES_REP, "p-anna")


async def test_declining_closes_the_quote_and_cancels_its_draft(world: World) -> None:
    quote_id = await world.quote()
    order = (await world.ordering.prepare(quote_id, world.context())).id
    context = world.context()
    first = await world.quoting.decline(quote_id, context)
    assert await world.quoting.decline(quote_id, context) == first
    assert (await world.the(BillingAccount, ACCOUNT)).open_quote_id is None
    assert (await world.order(order)).state is OrderState.CANCELLED


async def test_a_quote_without_a_draft_is_declined_alone(world: World) -> None:
    quote_id = await world.quote()
    before = len(world.events.recorded)
    await world.quoting.decline(quote_id, world.context())
    assert world.types(before) == ["QuoteDeclined.v1", "OpenQuoteChanged.v1"]


async def test_an_unknown_quote_cannot_be_declined(world: World) -> None:
    with pytest.raises(NotFound):
        await world.quoting.decline(order_id(ACCOUNT), world.context())


async def test_a_stream_of_another_kind_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.quoting.decline(MEETING, world.context())


async def test_subscriptions_are_unchanged_by_a_mere_request(world: World) -> None:
    await world.quote()
    subscription = await world.the(Subscription, MEETING)
    assert (subscription.seats, subscription.seat_change) == (10, None)
    assert topic_of(world.events.recorded[-1].event) == "SeatsRequested.v1"


async def test_a_quote_is_issued_again_at_todays_price(world: World) -> None:
    first = await world.quote((MEETING, 2))
    await world.quoting.decline(first, world.context())
    world.clock.move(timedelta(days=100))
    again = await world.quoting.issue_again(first, None, acknowledge_sales_rep_quote=False, context=world.context())
    before, after = await world.the(Quote, first), await world.the(Quote, again.id)
    assert [(line.subscription_id, line.seats_to_add) for line in after.lines] == [(MEETING, 2)]
    assert after.totals.gross < before.totals.gross
    with pytest.raises(OpenQuoteChanged):
        await world.quoting.issue_again(first, None, acknowledge_sales_rep_quote=False, context=world.context())
