"""Whatever is wrong with the database: 503 meanwhile, back by itself, nothing acknowledged lost, nothing twice."""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from adapters.bootstrap import opened_ledger
from adapters.settings import Settings
from tests.system import troubles
from tests.system.processes import Running
from tests.system.troubles import Server, Trouble
from tests.system.walks import Effects, Walk, all_receipts_sent, effects_of, recorded, walks_of

pytestmark = pytest.mark.system

_log = logging.getLogger(__name__)

WALKS = 30
LASTS = 6.0  # seconds after /readyz has said it: longer than a command waits for the database
ANSWERED_WITHIN = 16.0  # 15 s for the request, one to carry it
BACK_WITHIN = 5.0
WELL = {200, 201, 202}


@dataclass(frozen=True)
class Answer:
    """What a request got; times are seconds of the monotonic clock."""

    method: str
    path: str
    status: int
    began: float
    ended: float


class Patient(httpx2.AsyncClient):
    """Sends again, with the same key, what was refused for now, as long as it takes; notes every answer."""

    answers: list[Answer]

    def __init__(self, service: Running, token: str) -> None:
        # A connection each: a kept one that the server closes at the moment of its use would be nobody's fault.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        headers = {"Authorization": f"Bearer {token}"}
        super().__init__(base_url=service.base, headers=headers, timeout=60, limits=limits)
        self.answers = []

    async def once(self, method: str, path: str, **sent: Any) -> httpx2.Response:
        """A single request."""
        began = time.monotonic()
        answer = await super().request(method, path, **sent)
        self.answers.append(Answer(method, path, answer.status_code, began, time.monotonic()))
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["code"] in {"UNAVAILABLE", "COUNTERPARTY_UNAVAILABLE"}, answer.text
        return answer

    async def request(self, method: Any, url: Any, **sent: Any) -> httpx2.Response:
        while True:
            answer = await self.once(method, url, **sent)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.1)


class Service:
    """`serve` with workers, and what it prints."""

    def __init__(self, **settings: str) -> None:
        self.running = Running("serve", "--workers", SANDBOX="1", WORKERS_AT_ONCE="20", **settings)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.running.ready()

    def _read(self) -> None:
        assert self.running.process.stdout
        self.said.extend(self.running.process.stdout)  # else it would stand still once the pipe is full

    @property
    def resident(self) -> int:
        """MiB of memory in use."""
        status = Path(f"/proc/{self.running.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    def end(self) -> None:
        self.running.process.kill()
        self.running.process.wait()
        self._reader.join()
        assert self.running.process.stdout
        self.running.process.stdout.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.erase()


@pytest.fixture
def service(server: Server) -> Iterator[Callable[..., Service]]:
    with ExitStack() as stack:

        def start(**settings: str) -> Service:
            started = Service(DATABASE_URL=server.url, **settings)
            stack.callback(started.end)
            return started

        yield start


async def _go_one_after_another(client: Patient, walks: Sequence[Walk]) -> None:
    """Begin one walk after another, so that some commands come before the trouble, most in it, and some after it."""
    async with asyncio.TaskGroup() as group:
        for walk in walks:
            group.create_task(walk.go(client))
            await asyncio.sleep(0.4)


async def _read_on(client: Patient, walk: Walk, until: asyncio.Event) -> None:
    while not until.is_set():
        await client.once("GET", f"/v1/accounts/{walk.account}/subscriptions")
        await asyncio.sleep(0.1)


async def _readiness(client: Patient, status: int, said: str = "") -> None:
    """Return once /readyz answers with this status and says this."""
    async with asyncio.timeout(30):
        while True:
            answer = await httpx2.AsyncClient.request(client, "GET", "/readyz")
            if answer.status_code == status and said in str(answer.json()["trouble"]):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (troubles.away, "no connection to the database"),
        (troubles.frozen, "does not answer"),
        (troubles.events_locked, "too slow"),
        (troubles.appends_locked, "too slow"),
        (troubles.without_connections, "no connection to the database"),
        (troubles.full_of_connections, "no connection to the database"),
        (troubles.read_only, "read-only"),
        (troubles.full_disk, "disk is full"),
        (troubles.full_files, "an error of its own"),
    ],
)
async def test_orders_go_through_a_trouble_of_the_database_each_once(
    server: Server, service: Callable[..., Service], trouble: Trouble, reason: str
) -> None:
    async with opened_ledger(Settings(sandbox=True), server.url) as ledger:
        walks, token = await walks_of(ledger, WALKS)
    running = service()
    over = asyncio.Event()
    async with Patient(running.running, token) as client, asyncio.TaskGroup() as group:
        going = group.create_task(_go_one_after_another(client, walks))
        group.create_task(_read_on(client, walks[0], over))
        await asyncio.sleep(1)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, trouble(server))
            began = time.monotonic()
            await _readiness(client, 503, reason)
            await asyncio.sleep(LASTS)
            ended = time.monotonic()
            await asyncio.to_thread(stack.close)
        back = time.monotonic()
        await _readiness(client, 200)
        ready = time.monotonic() - back
        await going
        await all_receipts_sent(client, walks, within=60)
        finished = time.monotonic() - back
        over.set()
    answers = client.answers
    assert {each.status for each in answers} <= WELL | {503}, Counter(each.status for each in answers)
    slowest = max(each.ended - each.began for each in answers)
    commands = [each for each in answers if each.method != "GET"]
    assert [each for each in commands if each.status == 503 and began < each.ended < ended], "it was a trouble"
    first = min(each.ended for each in commands if each.status in WELL and each.ended > back) - back
    counts = {kind: Counter(a.status for a in answers if (a.method == "GET") == kind) for kind in (False, True)}
    _log.info(
        "%s: first 2xx after %.2f s, ready %.2f s, last receipt %.1f s; slowest %.1f s; commands %s, queries %s",
        trouble.__name__,
        first,
        ready,
        finished,
        slowest,
        counts[False],
        counts[True],
    )
    assert "Traceback" not in "".join(running.said)
    assert slowest < ANSWERED_WITHIN
    assert first < BACK_WITHIN
    assert running.running.process.poll() is None
    async with opened_ledger(Settings(sandbox=True), server.url) as ledger:
        for walk, effects in zip(walks, await effects_of(ledger, walks), strict=True):
            assert await recorded(ledger, walk) == walk.answered
            # The sandbox gateway's books are in the same database: it may not have said what became of the attempt.
            assert effects.history.pop("PaymentOutcomeUnknown.v1", 0) <= 1
            assert effects == Effects.once(walk, effects.mails)


@pytest.mark.parametrize("trouble", [troubles.frozen, troubles.appends_locked])
async def test_of_many_who_come_meanwhile_few_wait_and_the_rest_is_refused_at_once(
    server: Server, service: Callable[..., Service], trouble: Trouble
) -> None:
    async with opened_ledger(Settings(sandbox=True), server.url) as ledger:
        walks, token = await walks_of(ledger, 23)
    running = service(APPEND_QUEUE="20", READ_QUEUE="40")

    async def wave(client: Patient) -> None:
        async with asyncio.TaskGroup() as group:
            for walk in 5 * walks[3:]:
                headers = {"Idempotency-Key": str(uuid4())}
                lines = [{"subscription_id": str(walk.subscriptions[0]), "seats_to_add": 1}]
                body = {"lines": lines, "replaces": None}
                path = f"/v1/accounts/{walk.account}/quotes"
                group.create_task(client.once("POST", path, headers=headers, json=body))

    async with Patient(running.running, token) as client:
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, trouble(server))
            await wave(client)
            before = running.resident
            client.answers.clear()
            async with asyncio.TaskGroup() as group:
                for _ in range(6):
                    group.create_task(wave(client))
                    await asyncio.sleep(1.5)  # no faster than a busy machine can say no
            after = running.resident
            await asyncio.to_thread(stack.close)
        took = [each.ended - each.began for each in client.answers if each.status == 503]
        at_once = sum(each < 4 for each in took)  # less than anybody is made to wait for the database
        _log.info(
            "%s: %d of 600 refused, %d at once; %d MiB, then %d", trouble.__name__, len(took), at_once, before, after
        )
        assert (len(client.answers), len(took)) == (600, 600)
        assert at_once > 300
        assert max(took) < ANSWERED_WITHIN
        assert after - before < 32
        await asyncio.gather(*(walk.go(client) for walk in walks[:3]))
