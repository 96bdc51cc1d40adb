"""What the clock alone makes happen, and that it happens once."""

from datetime import timedelta

import pytest

from domain.care import Care
from domain.order import OrderState
from domain.quote import Quote, QuoteState
from domain.refusals import OrderNotInState, QuoteNotOpen, SubscriptionEnding, TermInvalid
from domain.subscription import Subscription, SubscriptionState
from services.fulfilment import StillWaiting
from tests.world import ASSIST, MEETING, OPERATOR, World, kept


async def test_a_quote_expires_with_its_time_and_its_draft_with_it(world: World) -> None:
    outcome = await world.prepared()
    quote = (await world.order(outcome.id)).quote_id
    world.clock.move(timedelta(days=30))
    await world.ring()
    assert (await world.the(Quote, quote)).state is QuoteState.EXPIRED
    assert (await world.order(outcome.id)).state is OrderState.CANCELLED
    await world.quote((MEETING, 1))


async def test_a_quote_that_ended_otherwise_is_left_alone(world: World) -> None:
    quote = await world.quote()
    world.clock.move(timedelta(days=31))
    (claim, *_) = [each for each in await world.due.claim("worker", 10, 30) if each.work == "expire_quote"]
    await world.timers.carry_on(claim, kept)
    before = len(world.events.recorded)
    await world.timers.carry_on(claim, kept)
    assert len(world.events.recorded) == before
    with pytest.raises(QuoteNotOpen):
        await world.quoting.decline(quote, world.context())


async def test_three_days_before_its_end_the_billing_contact_is_told_of_an_open_quote(world: World) -> None:
    quote = await world.quote()
    world.clock.move(timedelta(days=27))
    await world.ring()
    await world.ring()
    await world.tell()
    await world.tell()
    (mail,) = await world.mailer.messages()
    assert (await world.the(Quote, quote)).number in mail.raw.decode()


async def test_nobody_is_told_of_a_quote_that_ended_before_the_mail_was_sent(world: World) -> None:
    quote = await world.quote()
    world.clock.move(timedelta(days=27))
    await world.ring()
    await world.quoting.decline(quote, world.context())
    await world.tell()
    assert await world.mailer.messages() == []
    assert world.to_tell.entries() == []


async def test_at_20_hours_care_is_told_and_at_24_the_customer(world: World) -> None:
    order = await world.placed()
    await world.script.plan("provisioning.set_seats", "before", "pending")
    with pytest.raises(StillWaiting):
        await world.work()
    world.clock.move(timedelta(hours=20))
    await world.ring()
    assert await world.care() == [Care.ORDER_DELAYED]
    world.clock.move(timedelta(hours=4))
    await world.ring()
    assert await world.care() == [Care.ORDER_OVERDUE]
    await world.tell()
    assert len(await world.mailer.messages()) == 1
    assert (await world.order(order)).state is OrderState.AUTHORISED, "never cancelled by itself"
    await world.work()
    assert (await world.order(order)).state is OrderState.COMPLETED
    assert await world.care() == []


async def test_a_renewal_expires_the_open_quote_on_the_subscription(world: World) -> None:
    outcome = await world.prepared((MEETING, 2), (ASSIST, 1))
    quote = (await world.order(outcome.id)).quote_id
    ends = (await world.the(Subscription, ASSIST)).term.end
    context = world.context(OPERATOR)
    renewed = await world.renewing.renew(ASSIST, ends + timedelta(days=365), 23900, context)
    assert await world.renewing.renew(ASSIST, ends + timedelta(days=365), 23900, context) == renewed
    assert (await world.the(Quote, quote)).state is QuoteState.EXPIRED
    assert (await world.order(outcome.id)).state is OrderState.CANCELLED
    assert (await world.the(Subscription, ASSIST)).unit_price == 23900
    with pytest.raises(QuoteNotOpen):
        await world.quoting.decline(quote, world.context())


async def test_a_renewal_leaves_quotes_on_other_subscriptions_alone(world: World) -> None:
    quote = await world.quote((MEETING, 2))
    ends = (await world.the(Subscription, ASSIST)).term.end
    await world.renewing.renew(ASSIST, ends + timedelta(days=365), None, world.context(OPERATOR))
    assert (await world.the(Quote, quote)).state is QuoteState.OPEN
    with pytest.raises(TermInvalid):
        await world.renewing.renew(MEETING, ends, None, world.context(OPERATOR))


async def test_an_order_under_way_keeps_its_lines_whatever_renews(world: World) -> None:
    order = await world.placed()
    before = (await world.order(order)).lines
    ends = (await world.the(Subscription, MEETING)).term.end
    await world.renewing.renew(MEETING, ends + timedelta(days=365), 30000, world.context(OPERATOR))
    await world.work()
    assert (await world.order(order)).lines == before


async def test_a_cancelled_subscription_takes_no_seats_and_ends_with_its_term(world: World) -> None:
    quote = await world.quote((ASSIST, 1))
    await world.renewing.cancel(ASSIST, "customer_request", world.context(OPERATOR))
    assert (await world.the(Quote, quote)).state is QuoteState.EXPIRED
    with pytest.raises(SubscriptionEnding):
        await world.quote((ASSIST, 1))
    world.clock.move(timedelta(days=301))
    await world.ring()
    assert (await world.the(Subscription, ASSIST)).state is SubscriptionState.PENDING_CANCELLATION
    world.clock.move(timedelta(days=1))
    await world.ring()
    assert (await world.the(Subscription, ASSIST)).state is SubscriptionState.ENDED
    assert world.due.entries() == []
    with pytest.raises(SubscriptionEnding):
        await world.renewing.renew(ASSIST, world.clock.at.date() + timedelta(days=365), None, world.context(OPERATOR))


async def test_a_quote_of_the_day_before_a_renewal_is_not_placed_after_it(world: World) -> None:
    ends = (await world.the(Subscription, MEETING)).term.end
    world.clock.move(timedelta(days=(ends - world.clock.at.date()).days - 1))
    outcome = await world.prepared((MEETING, 2))
    await world.renewing.renew(MEETING, ends + timedelta(days=365), None, world.context(OPERATOR))
    world.clock.move(timedelta(days=1))
    with pytest.raises(OrderNotInState):
        await world.ordering.place(world.placing(outcome.id, outcome.version + 1), world.context())
