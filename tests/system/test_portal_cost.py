"""What a page of an account of 500 subscriptions costs: queries of the read models and bytes. Time: `make bench`."""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from adapters.http.application import application
from services.accounts import StartSubscription
from tests.system.customers import LINDNER, _context, customers
from tests.system.test_portal_walk import BASE, JONAS, SAVE, SEATS, TO_ORDER, TO_PAYMENT
from tests.system.visitors import ORIGIN, Portal, Visitor, portal_over

pytestmark = pytest.mark.system

SUBSCRIPTIONS = 500
QUERIES_AT_MOST = 3
BYTES_AT_MOST = 100_000


class Counting:
    """The queries, each counted when it is asked."""

    def __init__(self, queries: Any) -> None:
        self.queries, self.asked = queries, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self.queries, name)


@pytest.fixture
async def portal(ledger_url: str) -> AsyncIterator[Portal]:
    await customers(ledger_url)
    async with portal_over(ledger_url) as opened:
        today = (await opened.ledger.clock.now()).date()
        for number in range(SUBSCRIPTIONS - 3):
            start = StartSubscription(
                account_id=LINDNER,
                number=f"S-1{number:03d}",
                product="goto_webinar",
                seats=10,
                unit_price=22800,
                term_start=today - timedelta(days=63),
                term_end=today + timedelta(days=302),
            )
            await opened.ledger.accounts.start_subscription(start, await _context(opened.ledger, LINDNER, start.number))
        await opened.caught_up()
        yield opened


async def test_a_page_of_500_subscriptions_takes_few_queries_and_few_bytes(portal: Portal) -> None:
    anna = await portal.visitor()
    quote = await anna.press(await anna.get(f"{BASE}/cart?{SEATS}=3"), SAVE)
    payment = await anna.press(quote, TO_PAYMENT)
    review = await anna.press(payment, TO_ORDER, **JONAS)
    assert review.status == 200
    await portal.caught_up()
    rows = (await portal.ledger.queries.subscriptions(LINDNER, SUBSCRIPTIONS, None)).items
    assert len(rows) == SUBSCRIPTIONS
    full = "&".join(f"seats-{row.subscription_id}=1" for row in rows if row.product == "goto_webinar")
    pages = {
        "subscriptions": f"{BASE}/subscriptions",
        "cart": f"{BASE}/cart?{SEATS}=3",
        "quote": quote.path.partition("?")[0],
        "payment": payment.path.partition("?")[0],
        "review": review.path.partition("?")[0],
        "order": review.path.partition("/review")[0],
    }
    counting = Counting(portal.ledger.queries)
    counted = dataclasses.replace(portal.ledger, queries=counting)  # type: ignore[arg-type]
    transport = httpx2.ASGITransport(app=application(counted))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        visitor = Visitor(client, anna.cookies)
        for name, path in pages.items():
            counting.asked.clear()
            page = await visitor.get(path)
            assert page.status == 200, name
            assert 1 <= counting.asked.total() <= QUERIES_AT_MOST, (name, counting.asked)
            assert len(page.answer.content) <= BYTES_AT_MOST, (name, len(page.answer.content))
        assert (await visitor.get(f"{BASE}/cart?{full}")).status == 200, "all of them at once"


async def test_one_of_500_subscriptions_is_found_by_its_number_or_its_product(portal: Portal) -> None:
    anna = await portal.visitor()
    assert 'role="search"' in (await anna.get(f"{BASE}/subscriptions")).source
    by_number = await anna.get(f"{BASE}/subscriptions?named=s-1007")
    assert "S-1007" in by_number.text
    assert "S-1008" not in by_number.text
    by_product = await anna.get(f"{BASE}/subscriptions?named=webinar")
    assert "S-1008" in by_product.text
    assert "named=webinar&amp;cursor=" in by_product.source
    assert "GoTo Meeting" not in by_product.text
    assert "Kein Abonnement dieses Kontos passt dazu." in (await anna.get(f"{BASE}/subscriptions?named=%25")).text
