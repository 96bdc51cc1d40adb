"""The service killed or stopped in the middle of everything: after the next start all of it has happened, and once."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import product
from uuid import UUID

import httpx2
import pytest

from adapters.bootstrap import opened_ledger
from adapters.ledger import Ledger
from adapters.sandbox_script import Moment, Script
from adapters.settings import Settings
from tests.system.processes import Running
from tests.system.walks import Effects, all_receipts_sent, effects_of, portal, recorded, rows, walks_of

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


async def _paused(script: Script, step: str) -> None:
    async with asyncio.timeout(20):
        while step not in await script.paused():
            await asyncio.sleep(0.02)


async def _the_lease_runs_out(ledger: Ledger, dead: Running) -> None:
    """What 30 seconds do to the claims of a process that is no more; that time alone does it is tested once."""
    expire = "UPDATE ledger.work_claims SET expires_at = clock_timestamp() WHERE owner LIKE %s RETURNING 1"
    await rows(ledger, expire, f"%:{dead.process.pid}")


async def test_an_order_is_completed_and_charged_once_whatever_step_of_it_was_killed(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    script = Script(ledger.sandbox.books)
    walks, token = await walks_of(ledger, len(STEPS))
    first = service()
    async with portal(first, token) as client:
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
    async with portal(second, token) as client:
        await all_receipts_sent(client, walks, within=60)
    found = dict(zip(STEPS, await effects_of(ledger, walks), strict=True))
    # Only a mail that was delivered and not recorded goes out again, as a copy with the same Message-ID.
    copies = found["mail.send", Moment.AFTER].mails
    assert copies in {1, 2}
    for step, walk in zip(STEPS, walks, strict=True):
        assert found[step] == Effects.once(walk, copies if step == ("mail.send", Moment.AFTER) else 1), step


async def test_what_was_answered_before_a_kill_is_there_and_each_command_repeated_has_one_effect(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    walks, token = await walks_of(ledger, 30)
    first = service()
    async with portal(first, token) as client:
        under_way = asyncio.gather(*(walk.go(client) for walk in walks), return_exceptions=True)
        while sum(len(walk.answered) for walk in walks) < 45:
            await asyncio.sleep(0)
        first.killed()
        ends = await under_way
    assert sum(isinstance(end, httpx2.TransportError) for end in ends) > 10, "commands were in flight"
    assert all(end is None or isinstance(end, httpx2.TransportError) for end in ends), ends
    for walk in walks:
        assert walk.answered.items() <= (await recorded(ledger, walk)).items()
    await _the_lease_runs_out(ledger, first)
    second = service()
    async with portal(second, token) as client:
        for _ in range(2):
            await asyncio.gather(*(walk.go(client) for walk in walks))
        await all_receipts_sent(client, walks)
    for walk, effects in zip(walks, await effects_of(ledger, walks), strict=True):
        assert await recorded(ledger, walk) == walk.answered
        assert effects == Effects.once(walk, effects.mails)


@pytest.mark.parametrize("moment", Moment)
async def test_being_told_to_end_takes_seconds_and_loses_nothing(
    ledger: Ledger, service: Callable[[], Running], moment: Moment
) -> None:
    script = Script(ledger.sandbox.books)
    walks, token = await walks_of(ledger, 12)
    first = service()
    async with portal(first, token) as client:
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
        assert walk.answered.items() <= (await recorded(ledger, walk)).items()
    await script.clear("payments.capture")
    await _the_lease_runs_out(ledger, first)
    second = service()
    async with portal(second, token) as client:
        await asyncio.gather(*(walk.go(client) for walk in walks))
        await all_receipts_sent(client, walks)
    for walk, effects in zip(walks, await effects_of(ledger, walks), strict=True):
        assert effects == Effects.once(walk, effects.mails)


async def test_a_process_that_is_told_to_end_gives_its_orders_back_at_once(
    ledger: Ledger, service: Callable[[], Running]
) -> None:
    first = service()
    async with _stopped_at_the_capture(ledger, first):
        await asyncio.to_thread(first.ended_by, signal.SIGTERM)
    held = "SELECT list, expires_at - clock_timestamp() FROM ledger.work_claims WHERE expires_at > clock_timestamp()"
    assert await rows(ledger, held) == []


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
    (walk,), token = await walks_of(ledger, 1)
    await script.plan("payments.capture", Moment.BEFORE, "pause")
    async with portal(service, token) as client:
        await walk.go(client)
        await _paused(script, "payments.capture before")
        yield client, walk.answered["place"]
