"""One event an append: the group commit against pgbench's one-row inserts, and against the library's own recorder."""

import asyncio
import os
import re
import statistics
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import AsyncConnection
from rich.console import Console

from adapters.appending import Append, EventRow, partition_of
from adapters.postgres.group_commit import GroupCommit
from benchmarks.figures import Figure, Passes
from benchmarks.servers import BenchServer, bench_server
from domain.envelope import Actor, Role
from services.ports import CommandContext

PASSES: Final = int(os.environ.get("BENCH_PASSES", "5"))
SECONDS: Final = int(os.environ.get("BENCH_SECONDS", "10"))
LIBRARY_SECONDS: Final = 3
STATE: Final = b'{"originator_id":"5ea71ed9-0000-5000-8000-000000000001","x":"' + b"x" * 300 + b'"}'
"""As large as most events are."""

_NOW: Final = datetime(2026, 3, 31, 12, tzinfo=UTC)
_ACTOR: Final = Actor("p-benchmark", Role.OPERATOR)
_ACCOUNTS: Final = tuple(uuid4() for _ in range(64))

# The peer's table is the library's, and nothing more: what of ours is larger (envelope, index by partition) is ours
# to pay for.
_PEER: Final = """
DROP TABLE IF EXISTS public.peer;
CREATE TABLE public.peer (
    originator_id uuid NOT NULL, originator_version bigint NOT NULL, topic text, state bytea,
    notification_id bigserial PRIMARY KEY, UNIQUE (originator_id, originator_version));
"""
_INSERT: Final = (
    "INSERT INTO public.peer (originator_id, originator_version, topic, state) VALUES "
    f"(gen_random_uuid(), 1, 'SelfServiceAllowed.v1', '\\\\x{STATE.hex()}');\n"
)


@dataclass(frozen=True, slots=True)
class Appended:
    """How fast and how evenly it went; latencies in seconds."""

    each_second: tuple[int, ...]
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Appends a second."""
        return sum(self.each_second) / len(self.each_second)


def an_append() -> Append:
    """One event of a stream of its own."""
    stream, command = uuid4(), uuid4()
    account = _ACCOUNTS[stream.int % len(_ACCOUNTS)]
    row = EventRow(stream, 1, "SelfServiceAllowed.v1", STATE, uuid4(), _NOW, account, partition_of(account, 12))
    context = CommandContext(command, _ACTOR, _NOW, command, command)
    return Append(context, ((stream, 0),), (row,), (), "BillingAccount", stream, 1)


async def appended(url: str, waiting: int, seconds: int) -> Appended:
    """`waiting` callers, each appending again as soon as it has its answer, in one process."""
    writer = GroupCommit(lambda: AsyncConnection.connect(url, autocommit=True, prepare_threshold=1), lambda _: None)
    writer.start()
    each_second, latencies = [0] * seconds, list[float]()
    began = time.perf_counter()

    async def caller() -> None:
        while True:
            append, asked = an_append(), time.perf_counter()
            await writer.append(append)
            answered = time.perf_counter()
            if answered >= began + seconds:
                return
            each_second[int(answered - began)] += 1
            latencies.append(answered - asked)

    await asyncio.gather(*(caller() for _ in range(waiting)))
    await writer.stop()
    return Appended(tuple(each_second), tuple(latencies))


def inserted(server: BenchServer, clients: int, seconds: int) -> float:
    """Rows a second that pgbench inserts one by one into a fresh table."""
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        connection.execute(_PEER)
    script = server.folder / "insert.sql"
    script.write_text(_INSERT, "utf-8")
    said = server.program(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script),
        server.owner_url(),
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", said)
    assert found, said
    return float(found[1])


def recorded(server: BenchServer, threads: int, seconds: int) -> float:
    """Events a second through the library's own recorder, one an append, from so many threads."""
    parts = urlsplit(server.owner_url())
    datastore = PostgresDatastore(
        dbname=parts.path[1:],
        host=parse_qs(parts.query)["host"][0],
        port=parts.port or parse_qs(parts.query).get("port", ["5432"])[0],
        user=parts.username or "",
        password="",
        pool_size=threads,
        connect_timeout=30,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name=f"library_{threads}")
    recorder.create_table()
    ends_at = time.perf_counter() + seconds
    counts = [0] * threads

    def work(number: int) -> None:
        while time.perf_counter() < ends_at:
            recorder.insert_events([StoredEvent(uuid4(), 1, "SelfServiceAllowed.v1", STATE)])
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    datastore.close()
    return sum(counts) / seconds


def measured(out: Console) -> list[Figure]:
    """All rows of DESIGN 10 about appending."""
    against: dict[int, Passes] = {64: Passes(), 16: Passes()}
    library = Passes()
    runs: list[Appended] = []
    with bench_server() as server:
        best_threads = max((1, 4, 16), key=lambda threads: recorded(server, threads, LIBRARY_SECONDS))
        for number in range(PASSES):
            peer = inserted(server, 16, SECONDS)
            for waiting, passes in against.items():
                run = _fresh(server, waiting)
                passes.ours.append(run.rate)
                passes.theirs.append(peer)
                if waiting == 64:
                    runs.append(run)
            library.ours.append(runs[-1].rate)
            library.theirs.append(recorded(server, best_threads, LIBRARY_SECONDS))
            out.print(f"pass {number + 1} of {PASSES}: {runs[-1].rate:,.0f}/s against {peer:,.0f}/s", style="dim")
    steady = [run.each_second[-1] / run.each_second[0] for run in runs]
    tails = [_quantile(run.latencies, 0.99) / _quantile(run.latencies, 0.5) for run in runs]
    p50, p99 = (statistics.median(_quantile(run.latencies, q) * 1000 for run in runs) for q in (0.5, 0.99))
    return [
        Figure("append.64_waiting", against[64].ratio, "x", 1.0, note=against[64].spread("events/s")),
        Figure("append.16_waiting", against[16].ratio, "x", 0.65, note=against[16].spread("events/s")),
        Figure("append.last_second", statistics.median(steady), "of first", 0.9),
        Figure("append.p99", statistics.median(tails), "x p50", 4, at_most=True, note=f"{p50:.1f} ms and {p99:.1f} ms"),
        Figure("append.library", library.ratio, "x", 10, note=f"{best_threads} threads; " + library.spread("events/s")),
    ]


def _fresh(server: BenchServer, waiting: int) -> Appended:
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        connection.execute("TRUNCATE ledger.events")
    return asyncio.run(appended(server.application_url(), waiting, SECONDS))


def _quantile(values: tuple[float, ...], share: float) -> float:
    return sorted(values)[int(len(values) * share)]
