"""The service killed or stopped in the middle of everything: after the next start all of it has happened, and once."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import UUID

import httpx2
import pytest

from adapters.bootstrap import opened_ledger
from adapters.ledger import Ledger
from adapters.sandbox_script import Moment, Script
from adapters.settings import Settings
from domain.envelope import Role
from domain.identifiers import account_id, subscription_id
from tests.system.customers import _admitted, _company
from tests.system.processes import Running

pytestmark = pytest.mark.system

POINTS = (
    "payments.create_intent",
    "payments.confirm",
    "admin_directory.ensure_admin",
    "provisioning.set_seats:goto_meeting",
    "provisioning.set_seats:gotoassist_v5",  # between the two lines of an order
    "admin_directory.ensure_seats",
    "payments.capture",
    "mail.send",
)
STEPS = tuple(product(POINTS, Moment))

# All that an account with one order has ever seen.
ONCE = (
    "AccountOpened PaymentMethodSelected QuoteIssued ServiceOrderPrepared OrderDetailsChanged OrderPlaced QuoteAccepted"
)
ONCE += " PaymentAttemptStarted PaymentAuthorised AdminContactAssigned AdminSeatsAssigned PaymentCaptured ReceiptIssued"
ONCE += " OrderCompleted ReceiptSent"
TWICE = "SubscriptionStarted SeatsRequested OpenQuoteChanged SeatChangeOrdered SeatsProvisioned OrderLineProvisioned"
HISTORY = Counter(f"{name}.v1" for name in (ONCE + 2 * f" {TWICE}").split())


@dataclass
class Walk:
    """A company's way from the cart to the placed order; `answered` is what it was told, by Idempotency-Key."""

    number: str
    answered: dict[str, UUID] = field(default_factory=dict)
    gross: int = 0

    @property
    def account(self) -> UUID:
        return account_id(self.number)

    @property
    def subscriptions(self) -> tuple[UUID, UUID]:
        return subscription_id(f"{self.number}-1"), subscription_id(f"{self.number}-2")

    async def go(self, client: httpx2.AsyncClient) -> None:
        """Go it to its end; gone again, each command repeats its key and must get the same answer."""
        lines = [{"subscription_id": str(each), "seats_to_add": 2} for each in self.subscriptions]
        quote = await self._sent(client, "POST", f"accounts/{self.account}/quotes", {"lines": lines, "replaces": None})
        order = (await self._sent(client, "POST", f"quotes/{quote['id']}/orders"))["id"]
        admin = {"name": "Jonas Keller", "email": f"jonas@{self.number.lower()}.example"}
        await self._sent(client, "PUT", f"orders/{order}/admin-contact", admin, '"1"')
        placed = await self._sent(client, "POST", f"orders/{order}/place", {"terms_version": "2026-01"}, '"2"')
        self.gross = placed["gross"]["amount"]

    async def _sent(
        self, client: httpx2.AsyncClient, method: str, path: str, body: Any = None, version: str | None = None
    ) -> Any:
        key = path.rpartition("/")[2]
        headers = {"Idempotency-Key": key, **({"If-Match": version} if version else {})}
        answer = await client.request(method, f"/v1/{path}", headers=headers, json=body)
        assert answer.status_code in {200, 201, 202}, answer.text
        assert self.answered.setdefault(key, UUID(answer.json()["id"])) == UUID(answer.json()["id"])
        return answer.json()


@dataclass(frozen=True)
class Effects:
    """What counterparties and ledger have of a walk: movements, calls and seats by subscription, copies of mails."""

    money: list[tuple[str, int]]
    seats: list[tuple[int, int | None]]
    admin: list[str]
    history: Counter[str]
    receipts: int
    mails: int
    message_ids: int

    @classmethod
    def once(cls, walk: Walk, mails: int = 1) -> "Effects":
        money = [("authorised", walk.gross), ("captured", walk.gross)]
        return cls(money, [(1, 12), (1, 12)], ["goto_meeting", "gotoassist_v5"], HISTORY, 1, mails, 1)


@pytest.fixture
def service(ledger_url: str) -> Iterator[Callable[[], Running]]:
    started: list[Running] = []

    def start() -> Running:
        started.append(Running("serve", "--workers", DATABASE_URL=ledger_url, SANDBOX="1", WORKERS_AT_ONCE="20"))
        started[-1].ready()
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.killed()


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened_ledger(Settings(sandbox=True), ledger_url) as opened:
        yield opened


async def _walks(ledger: Ledger, count: int) -> tuple[list[Walk], str]:
    """As many companies, and the token of somebody who may order for all of them."""
    walks = [Walk(f"A-{number}") for number in range(101, 101 + count)]
    products = ("goto_meeting", "gotoassist_v5")
    for walk in walks:
        await _company(
            ledger, walk.number, "tok_visa", *((f"{walk.number}-{n}", each) for n, each in enumerate(products, 1))
        )
    accounts = tuple(str(walk.account) for walk in walks)
    return walks, await _admitted(ledger, "anna", Role.BILLING_ADMIN, accounts=accounts)


def _client(service: Running, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=service.base, headers={"Authorization": f"Bearer {token}"}, timeout=20)


async def _paused(script: Script, step: str) -> None:
    async with asyncio.timeout(20):
        while step not in await script.paused():
            await asyncio.sleep(0.02)


async def _all_receipts_sent(client: httpx2.AsyncClient, walks: Sequence[Walk], within: float = 30) -> None:
    give_up_at = time.monotonic() + within
    for walk in walks:
        # For the seconds that the dead process's leases hold, the read models stand still and may not have the order.
        while '"receipt_sent":true' not in (answer := await client.get(f"/v1/orders/{walk.answered['place']}")).text:
            assert time.monotonic() < give_up_at, answer.text
            await asyncio.sleep(0.1)


async def _rows(ledger: Ledger, query: Any, *parameters: Any) -> list[Any]:
    async with ledger.pool.connection() as connection:
        return await (await connection.execute(query, parameters)).fetchall()


async def _recorded(ledger: Ledger, walk: Walk) -> dict[str, UUID]:
    """What the ledger answers to each key of this company."""
    query = "SELECT idempotency_key, result_id FROM ledger.commands WHERE account_id = %s AND actor_id = 'p-anna'"
    return dict(await _rows(ledger, query, walk.account))


async def _effects(ledger: Ledger, walks: Sequence[Walk]) -> list[Effects]:
    sandbox = ledger.sandbox
    movements, mails = await sandbox.payments.movements(), await sandbox.mailer.messages()
    subscriptions = {each.subscription_id: each for each in await sandbox.provisioning.subscriptions()}
    admins = {each.accounts[0]: each for each in await sandbox.admin_directory.admins()}
    numbers = await _rows(ledger, "SELECT account_id, receipt_number FROM portal.receipts ORDER BY receipt_number")
    assert [int(number[-6:]) for _, number in numbers] == list(range(1, len(walks) + 1)), "no gap, none twice"
    found = []
    for walk in walks:
        topics = await _rows(ledger, "SELECT topic FROM ledger.events WHERE account_id = %s", walk.account)
        ids = [mail.parsed()["Message-ID"] for mail in mails if mail.recipient == f"anna@{walk.number.lower()}.example"]
        found.append(
            Effects(
                money=[(each.kind, each.amount) for each in movements if each.order_id == walk.answered["place"]],
                seats=[(len(subscriptions[each].answers), subscriptions[each].seats) for each in walk.subscriptions],
                admin=admins[walk.account].products,
                history=Counter(topic for (topic,) in topics),
                receipts=sum(account == walk.account for account, _ in numbers),
                mails=len(ids),
                message_ids=len(set(ids)),
            )
        )
    return found


async def _the_lease_runs_out(ledger: Ledger, dead: Running) -> None:
    """What 30 seconds do to the claims of a process that is no more; that time alone does it is tested once."""
    expire = "UPDATE ledger.work_claims SET expires_at = clock_timestamp() WHERE owner LIKE %s RETURNING 1"
    await _rows(ledger, expire, f"%:{dead.process.pid}")


async def test_an_order_is_completed_and_charged_once_whatever_step_of_it_was_killed(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    script = Script(ledger.sandbox.books)
    walks, token = await _walks(ledger, len(STEPS))
    first = service()
    async with _client(first, token) as client:
        for (point, moment), walk in zip(STEPS, walks, strict=True):
            # Each plan is for one call: this order stops there, and those after it pass, each to a stop of its own.
            await script.plan(point, moment, "pause")
            await walk.go(client)
            await _paused(script, f"{point} {moment}")
    first.killed()
    kinds = Counter(each.kind for each in await ledger.sandbox.payments.movements())
    assert kinds == {"authorised": 13, "captured": 3}, "the kill came where it was planned"
    for point in POINTS:
        await script.clear(point)
    second = service()
    async with _client(second, token) as client:
        await _all_receipts_sent(client, walks, within=60)
    found = dict(zip(STEPS, await _effects(ledger, walks), strict=True))
    # Only a mail that was delivered and not recorded goes out again, as a copy with the same Message-ID.
    copies = found["mail.send", Moment.AFTER].mails
    assert copies in {1, 2}
    for step, walk in zip(STEPS, walks, strict=True):
        assert found[step] == Effects.once(walk, copies if step == ("mail.send", Moment.AFTER) else 1), step


async def test_what_was_answered_before_a_kill_is_there_and_each_command_repeated_has_one_effect(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    walks, token = await _walks(ledger, 30)
    first = service()
    async with _client(first, token) as client:
        under_way = asyncio.gather(*(walk.go(client) for walk in walks), return_exceptions=True)
        while sum(len(walk.answered) for walk in walks) < 45:
            await asyncio.sleep(0)
        first.killed()
        ends = await under_way
    assert sum(isinstance(end, httpx2.TransportError) for end in ends) > 10, "commands were in flight"
    assert all(end is None or isinstance(end, httpx2.TransportError) for end in ends), ends
    for walk in walks:
        assert walk.answered.items() <= (await _recorded(ledger, walk)).items()
    await _the_lease_runs_out(ledger, first)
    second = service()
    async with _client(second, token) as client:
        for _ in range(2):
            await asyncio.gather(*(walk.go(client) for walk in walks))
        await _all_receipts_sent(client, walks)
    for walk, effects in zip(walks, await _effects(ledger, walks), strict=True):
        assert await _recorded(ledger, walk) == walk.answered
        assert effects == Effects.once(walk, effects.mails)


@pytest.mark.parametrize("moment", Moment)
async def test_being_told_to_end_takes_seconds_and_loses_nothing(
    ledger: Ledger, service: Callable[[], Running], moment: Moment
) -> None:
    script = Script(ledger.sandbox.books)
    walks, token = await _walks(ledger, 12)
    first = service()
    async with _client(first, token) as client:
        await script.plan("payments.capture", moment, "pause")
        await walks[0].go(client)
        await _paused(script, f"payments.capture {moment}")
        under_way = asyncio.gather(*(walk.go(client) for walk in walks[1:]), return_exceptions=True)
        while sum(len(walk.answered) for walk in walks) < 20:
            await asyncio.sleep(0)
        told = time.monotonic()
        assert "Traceback" not in await asyncio.to_thread(first.ended_by, signal.SIGTERM)
        assert time.monotonic() - told < 10
        ends = await under_way
    assert all(end is None or isinstance(end, httpx2.TransportError) for end in ends), ends
    for walk in walks:
        assert walk.answered.items() <= (await _recorded(ledger, walk)).items()
    await script.clear("payments.capture")
    await _the_lease_runs_out(ledger, first)
    second = service()
    async with _client(second, token) as client:
        await asyncio.gather(*(walk.go(client) for walk in walks))
        await _all_receipts_sent(client, walks)
    for walk, effects in zip(walks, await _effects(ledger, walks), strict=True):
        assert effects == Effects.once(walk, effects.mails)


async def test_a_process_that_is_told_to_end_gives_its_orders_back_at_once(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    first = service()
    async with _stopped_at_the_capture(ledger, first):
        await asyncio.to_thread(first.ended_by, signal.SIGTERM)
    held = "SELECT list, expires_at - clock_timestamp() FROM ledger.work_claims WHERE expires_at > clock_timestamp()"
    assert await _rows(ledger, held) == []


async def test_somebody_who_follows_an_order_does_not_hold_up_the_end(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    first = service()
    async with (
        _stopped_at_the_capture(ledger, first) as (client, order),
        client.stream("GET", f"/v1/orders/{order}/progress") as progress,
    ):
        assert progress.status_code == 200
        told = time.monotonic()
        said = await asyncio.to_thread(first.ended_by, signal.SIGTERM)
    assert time.monotonic() - told < 4
    assert said == ""


@asynccontextmanager
async def _stopped_at_the_capture(ledger: Ledger, service: Running) -> AsyncIterator[tuple[httpx2.AsyncClient, UUID]]:
    """An order that stands still in the middle, and the portal it was placed with."""
    script = Script(ledger.sandbox.books)
    (walk,), token = await _walks(ledger, 1)
    await script.plan("payments.capture", Moment.BEFORE, "pause")
    async with _client(service, token) as client:
        await walk.go(client)
        await _paused(script, "payments.capture before")
        yield client, walk.answered["place"]
