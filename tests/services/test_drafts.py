"""No draft outlives its quote, at whatever moment of its being prepared the quote ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from domain.identifiers import order_id
from domain.order import OrderState, ServiceOrder
from domain.quote import CartLine, Quote, QuoteState
from domain.refusals import QuoteNotOpen, Refusal
from domain.subscription import Subscription
from services.ports import Outcome
from services.quoting import IssueQuote
from tests.world import ACCOUNT, MEETING, OPERATOR, World, all_of

TURNS = 12
"""More turns of the loop than either command takes."""


async def _declined(world: World, quote: UUID) -> None:
    await world.quoting.decline(quote, world.context())


async def _superseded(world: World, quote: UUID) -> None:
    await world.quoting.issue(IssueQuote(ACCOUNT, (CartLine(MEETING, 1),), quote), world.context())


async def _renewed(world: World, quote: UUID) -> None:
    (line,) = (await world.the(Quote, quote)).lines
    await world.renewing.renew(MEETING, line.term.end + timedelta(days=365), None, world.context(OPERATOR))


async def _expired(world: World, _: UUID) -> None:
    world.clock.move(timedelta(days=31))
    await world.ring()


@pytest.mark.parametrize("end", [_declined, _superseded, _renewed, _expired])
async def test_a_draft_is_not_made_or_ends_with_its_quote(end: Callable[[World, UUID], Awaitable[None]]) -> None:
    drafts = 0
    for turn in range(-TURNS, TURNS):
        world = World()
        await world.customer()
        quote, context = await world.quote(), world.context()

        async def after(turns: int, command: Awaitable[object]) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await command

        prepared, ended = await asyncio.gather(
            after(turn, world.ordering.prepare(quote, context)),
            after(-turn, end(world, quote)),
            return_exceptions=True,
        )
        assert ended is None, ended
        assert prepared is None or isinstance(prepared, QuoteNotOpen), prepared
        assert (await world.the(Quote, quote)).state is not QuoteState.OPEN
        draft = (await world.events.load(order_id(quote))).find(ServiceOrder, order_id(quote))
        assert draft is None or draft.state is OrderState.CANCELLED, f"a draft for ever, at turn {turn}"
        drafts += draft is not None
    assert 0 < drafts < 2 * TURNS, "now the one was first, now the other"


async def test_a_renewal_decides_anew_whenever_place_was_faster() -> None:
    """Place at every turn of the loop while a renewal is under way: one of the two is decided after the other."""
    placed = 0
    for turn in range(-TURNS, TURNS):
        world = World()
        await world.customer()
        prepared = await world.prepared((MEETING, 1))
        place = world.ordering.place(world.placing(prepared.id, prepared.version), world.context())
        ends = (await world.the(Subscription, MEETING)).term.end
        renew = world.renewing.renew(MEETING, ends + timedelta(days=365), None, world.context(OPERATOR))

        async def after(turns: int, command: Awaitable[object]) -> object:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await command

        ended, renewed = await all_of(after(turn, place), after(-turn, renew))
        assert isinstance(renewed, Outcome), "a renewal is never refused because of an order"
        order = await world.order(prepared.id)
        assert order.state is (OrderState.CANCELLED if isinstance(ended, Refusal) else OrderState.PLACED), ended
        placed += order.state is OrderState.PLACED
    assert 0 < placed < 2 * TURNS
