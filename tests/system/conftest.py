"""The portal over a ledger with customers, for all who test its pages in process."""

from collections.abc import AsyncIterator

import pytest

from tests.system.customers import customers
from tests.system.visitors import Portal, Visitor, portal_over


@pytest.fixture
async def portal(ledger_url: str) -> AsyncIterator[Portal]:
    await customers(ledger_url)
    async with portal_over(ledger_url) as opened:
        yield opened


@pytest.fixture
async def anna(portal: Portal) -> Visitor:
    return await portal.visitor()
