"""Many at once, in two processes: one order, one charge, never two open quotes, and a repeated key changes nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from adapters.bootstrap import opened_ledger
from adapters.event_mapping import decoded
from adapters.ledger import Ledger
from adapters.settings import Settings
from domain.account import BillingAccount
from domain.ledger import LedgerEvent
from domain.quote import Quote
from tests.system.customers import ASSIST, LINDNER, MEETING, Tokens, customers
from tests.system.processes import Running

pytestmark = pytest.mark.system


@dataclass(frozen=True, slots=True)
class Portal:
    """Two processes at one ledger, and a client of each that Anna is signed in to."""

    processes: tuple[Running, Running]
    clients: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    ledger: Ledger

    async def post(self, number: int, path: str, key: str, body: Any = None, **headers: str) -> httpx2.Response:
        """Send to one of the processes, by turns."""
        client = self.clients[number % 2]
        return await client.post(f"/v1/{path}", headers={"Idempotency-Key": key, **headers}, json=body)

    async def quoted(self, subscription: UUID = MEETING, seats: int = 2, replaces: str | None = None) -> str:
        """The id of a quote that was issued."""
        answer = await self.post(0, f"accounts/{LINDNER}/quotes", str(uuid4()), _cart(subscription, seats, replaces))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def prepared(self, quote: str) -> str:
        """The id of its service order."""
        answer = await self.post(0, f"quotes/{quote}/orders", str(uuid4()))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def history(self) -> list[tuple[int, LedgerEvent]]:
        """Lindner's events with their positions, in the order of the log."""
        query = "SELECT notification_id, topic, state FROM ledger.events WHERE account_id = %s ORDER BY notification_id"
        async with self.ledger.pool.connection() as connection:
            rows = await (await connection.execute(query, (LINDNER,))).fetchall()
        return [(position, decoded(topic, state)) for position, topic, state in rows]

    async def completed(self, order: str) -> None:
        """Return when the receipt is sent."""
        async with asyncio.timeout(60):
            while '"receipt_sent":true' not in (await self.clients[0].get(f"/v1/orders/{order}")).text:
                await asyncio.sleep(0.1)


PLACE = {"terms_version": "2026-01"}


def _cart(subscription: UUID, seats: int, replaces: str | None) -> dict[str, Any]:
    return {"lines": [{"subscription_id": str(subscription), "seats_to_add": seats}], "replaces": replaces}


def _ledger_url(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "SANDBOX": "1"}


@pytest.fixture
async def tokens(ledger_url: str) -> Tokens:
    return await customers(ledger_url)


@pytest.fixture
def processes(ledger_url: str) -> Iterator[tuple[Running, Running]]:
    both = tuple(Running("serve", "--workers", **_ledger_url(ledger_url)) for _ in range(2))
    for each in both:
        each.ready()
    yield both[0], both[1]
    for each in both:
        if each.process.poll() is None:
            each.killed()


@pytest.fixture
async def portal(ledger_url: str, tokens: Tokens, processes: tuple[Running, Running]) -> AsyncIterator[Portal]:
    limits = httpx2.Limits(max_connections=200)
    signed_in = {"Authorization": f"Bearer {tokens.anna}"}
    first, second = (
        httpx2.AsyncClient(base_url=each.base, headers=signed_in, timeout=60, limits=limits) for each in processes
    )
    async with opened_ledger(Settings(sandbox=True), ledger_url) as ledger, first, second:
        yield Portal(processes, (first, second), ledger)


async def test_of_200_who_place_one_order_at_once_one_does_and_it_is_charged_once(portal: Portal) -> None:
    order = await portal.prepared(await portal.quoted())
    answers = await asyncio.gather(
        *(
            portal.post(number, f"orders/{order}/place", f"click-{number}", PLACE, **{"If-Match": '"1"'})
            for number in range(200)
        )
    )
    codes = Counter(each.json().get("code", each.status_code) for each in answers)
    assert codes[202] == 1
    assert set(codes) <= {202, "PRECONDITION_FAILED", "QUOTE_NOT_OPEN", "CONFLICT", "ORDER_NOT_IN_STATE"}, codes
    await portal.completed(order)
    names = Counter(type(event).__name__ for _, event in await portal.history())
    once = ("OrderPlaced", "PaymentAttemptStarted", "PaymentCaptured", "SeatsProvisioned", "ReceiptIssued")
    assert {name: names[name] for name in once} == dict.fromkeys(once, 1)
    movements = await portal.ledger.sandbox.payments.movements()
    assert Counter(each.kind for each in movements) == {"authorised": 1, "captured": 1}
    seats = {each.subscription_id: each.seats for each in await portal.ledger.sandbox.provisioning.subscriptions()}
    assert seats[MEETING] == 12


async def test_of_50_who_save_a_cart_at_once_each_gets_a_quote_and_never_are_two_open(portal: Portal) -> None:
    async def saved(number: int) -> int:
        """How often it took until this cart was saved."""
        replaces, tries = None, 0
        while True:
            tries += 1
            subscription = (MEETING, ASSIST)[number // 2 % 2]
            cart = _cart(subscription, 1 + number, replaces)
            answer = await portal.post(number, f"accounts/{LINDNER}/quotes", f"cart-{number}-{tries}", cart)
            if answer.status_code == 201:
                return tries
            assert answer.json()["code"] in {"OPEN_QUOTE_CHANGED", "CONFLICT"}, answer.text
            replaces = answer.json().get("open_quote_id", replaces)

    tries = await asyncio.gather(*(saved(number) for number in range(50)))
    assert sum(tries) > 100, "they were in each other's way"
    history = [event for _, event in await portal.history()]
    assert sum(isinstance(event, Quote.QuoteIssued) for event in history) == 50
    assert most_open_at_once(history) == 1
    # The account's own word for what is open says the same.
    told = [event.open_quote_id for event in history if isinstance(event, BillingAccount.OpenQuoteChanged)]
    issued = [event.originator_id for event in history if isinstance(event, Quote.QuoteIssued)]
    assert told == issued


def most_open_at_once(history: Iterable[LedgerEvent]) -> int:
    """The most quotes that were open at any position of the log."""
    most, still_open = 0, set[UUID]()
    for event in history:
        if isinstance(event, Quote.QuoteIssued):
            still_open.add(event.originator_id)
        elif isinstance(event, Quote.Event):
            still_open.discard(event.originator_id)
        most = max(most, len(still_open))
    return most


async def test_the_proof_from_the_log_would_see_two_open_quotes(portal: Portal) -> None:
    first = await portal.quoted()
    await portal.quoted(ASSIST, 1, first)
    history = [event for _, event in await portal.history()]
    assert most_open_at_once(history) == 1
    without_the_end = [each for each in history if not isinstance(each, Quote.QuoteExpiredBySupersession)]
    assert most_open_at_once(without_the_end) == 2
    (end,) = set(history) - set(without_the_end)
    assert most_open_at_once([*without_the_end, end]) == 2, "an end that comes a position late is seen, too"


async def test_a_place_and_a_new_quote_at_once_never_both_win(portal: Portal) -> None:
    ordered = 0
    open_quote: str | None = None
    for number in range(15):
        quote = await portal.quoted(MEETING if number % 2 else ASSIST, 1, open_quote)
        order = await portal.prepared(quote)
        place, supersede = await asyncio.gather(
            portal.post(number, f"orders/{order}/place", f"place-{number}", PLACE, **{"If-Match": '"1"'}),
            portal.post(number + 1, f"accounts/{LINDNER}/quotes", f"new-{number}", _cart(MEETING, 2, quote)),
        )
        wins = [place.status_code == 202, supersede.status_code == 201]
        assert sum(wins) == 1, (place.text, supersede.text)
        ordered += wins[0]
        open_quote = supersede.json()["id"] if wins[1] else None
        if wins[0]:
            await portal.completed(order)
    history = [event for _, event in await portal.history()]
    assert most_open_at_once(history) == 1
    accepted = {event.originator_id for event in history if isinstance(event, Quote.QuoteAccepted)}
    replaced = {event.originator_id for event in history if isinstance(event, Quote.QuoteExpiredBySupersession)}
    assert len(accepted) == ordered
    assert not accepted & replaced
    captured = [each for each in await portal.ledger.sandbox.payments.movements() if each.kind == "captured"]
    assert len(captured) == ordered


async def test_the_same_key_has_one_effect_and_one_answer_even_after_a_kill(portal: Portal, ledger_url: str) -> None:
    path, cart = f"accounts/{LINDNER}/quotes", _cart(MEETING, 2, None)
    answers = await asyncio.gather(*(portal.post(number, path, "twice", cart) for number in range(20)))
    told = Counter((each.status_code, each.json().get("id", each.json().get("code"))) for each in answers)
    (id,) = {each.json()["id"] for each in answers if each.status_code == 201}
    assert set(told) <= {(201, id), (409, "COMMAND_IN_PROGRESS")}, told
    other = await portal.post(0, path, "twice", _cart(MEETING, 3, None))
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    for each in portal.processes:
        each.killed()
    restarted = Running("serve", **_ledger_url(ledger_url))
    restarted.ready()
    try:
        headers = {"Idempotency-Key": "twice", "Authorization": portal.clients[0].headers["Authorization"]}
        again = httpx2.post(f"{restarted.base}/v1/{path}", headers=headers, json=cart)
        assert (again.status_code, again.json()["id"]) == (201, id)
        assert again.json() == next(each.json() for each in answers if each.status_code == 201)
        other = httpx2.post(f"{restarted.base}/v1/{path}", headers=headers, json=_cart(MEETING, 3, None))
        assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    finally:
        restarted.killed()
    assert sum(isinstance(event, Quote.QuoteIssued) for _, event in await portal.history()) == 1


async def test_who_hangs_up_before_the_answer_gets_it_by_repeating_his_key(portal: Portal) -> None:
    hung_up, quote = 0, None
    for number in range(60):
        cart = _cart(MEETING, 1 + number, quote)
        sending = asyncio.create_task(portal.post(number, f"accounts/{LINDNER}/quotes", f"gone-{number}", cart))
        await asyncio.sleep(number / 60 * 0.02)
        hung_up += not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with asyncio.timeout(10):
            while (
                repeated := await portal.post(number + 1, f"accounts/{LINDNER}/quotes", f"gone-{number}", cart)
            ).status_code == 409:
                assert repeated.json()["code"] in {"COMMAND_IN_PROGRESS", "CONFLICT"}, repeated.text
        assert repeated.status_code == 201, repeated.text
        quote = repeated.json()["id"]
    assert hung_up > 20
    history = [event for _, event in await portal.history()]
    assert sum(isinstance(event, Quote.QuoteIssued) for event in history) == 60
    assert most_open_at_once(history) == 1


async def test_what_was_just_written_is_read_in_the_other_process(portal: Portal) -> None:
    quote = None
    for number in range(50):
        path, cart = f"accounts/{LINDNER}/quotes", _cart(MEETING, 1 + number, quote)
        issued = await portal.post(number, path, f"cart-{number}", cart)
        quote = issued.json()["id"]
        wait_for = {"Seatledger-Wait-For": issued.headers["Seatledger-Position"]}
        read = await portal.clients[(number + 1) % 2].get(f"/v1/accounts/{LINDNER}", headers=wait_for)
        assert read.json()["open_quote_id"] == quote
        one = await portal.clients[(number + 1) % 2].get(f"/v1/quotes/{quote}", headers=wait_for)
        assert one.json() == issued.json()
