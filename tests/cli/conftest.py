"""A customer in a ledger in memory."""

import pytest_asyncio

from tests.world import World


@pytest_asyncio.fixture
async def world() -> World:
    """The account A-1 with two subscriptions and a card."""
    world = World()
    await world.customer()
    return world
