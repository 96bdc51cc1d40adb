"""Each fault that would cost an order or a charge, planted on purpose: a named check finds it, and not without it.

A retry that makes a new payment intent is planted in tests/simulation/test_saga.py.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from adapters.appending import Append, prepared_append
from adapters.bootstrap import opened_ledger
from adapters.log.direct import DirectLog
from adapters.log.event_log import LogRecord, Page
from adapters.postgres import event_store, projecting
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.projecting import LeaseLost, ProjectionWorker
from adapters.settings import Settings
from benchmarks.chaos_store import figures
from benchmarks.store_load import under_load
from projections.fold import RowKey
from projections.portal import portal
from tests.contracts.projection_bench import Bench, account, context, opened_bench, started
from tests.system.customers import _company
from tests.system.test_races import _history, drafts_without_a_quote, race_prepare_with_the_end_of_its_quote

pytestmark = pytest.mark.system

EVENTS = 4_000


@pytest.fixture
async def bench(ledger_url: str) -> AsyncIterator[Bench]:
    async with opened_bench(ledger_url) as bench:
        yield bench


def _owner(ledger_url: str) -> str:
    return ledger_url.replace("seatledger_app@", "postgres@", 1)


# --- found by `chaos store`, which tests/system/test_store_under_load.py runs without a fault ------------------------


def _found(ledger_url: str, **planted: Any) -> dict[str, float]:
    """The figures that fall short under load with a fault."""
    books = under_load(ledger_url, _owner(ledger_url), EVENTS, lambda _: None, **planted)
    return {figure.name: figure.measured for figure in figures(books, EVENTS) if not figure.holds}


def _plant_in_append(ledger_url: str, *changes: tuple[str, str]) -> None:
    with psycopg.connect(_owner(ledger_url), autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_functiondef('ledger.append'::regproc)").fetchone()
        assert row
        definition: str = row[0]
        for sound, faulty in changes:
            assert definition.count(sound) == 1, f"ledger.append has changed: where is {sound}?"
            definition = definition.replace(sound, faulty)
        connection.execute(definition.encode())


class HeadAfterRows(DirectLog):
    """A reader that takes the log's head in a later statement than its rows."""

    async def read(self, after: Mapping[int, int], limit: int, without: Collection[str] = ()) -> Page:
        page = await super().read(after, limit, without)
        if len(page.records) == limit:
            return page
        head = max((await self.ends()).values())
        return Page(page.records, {each: max(head, position) for each, position in page.reached.items()})


def test_a_reader_that_passes_a_gap_is_found_by_what_it_missed(ledger_url: str) -> None:
    assert set(_found(ledger_url, log=HeadAfterRows)) == {"store.missed"}


def test_ids_handed_out_before_the_lock_are_found_by_what_a_reader_missed(ledger_url: str) -> None:
    with psycopg.connect(_owner(ledger_url), autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE ledger.planted MINVALUE 0 START 0")
        connection.execute("ALTER SEQUENCE ledger.planted OWNER TO seatledger_owner")
    lock = "PERFORM pg_advisory_xact_lock(7238902345);"
    ids = """
        PERFORM pg_advisory_lock(1);
        SELECT last_value INTO base FROM ledger.planted;
        PERFORM setval('ledger.planted', base + cardinality(e_append));
        PERFORM pg_advisory_unlock(1);
        PERFORM pg_sleep(random() * 0.003); -- two processes are seldom so close that it shows by itself
    """
    _plant_in_append(
        ledger_url,
        (lock, ids + lock),
        ("SELECT e.notification_id, greatest(e.recorded_at", "SELECT greatest(e.recorded_at"),
        ("INTO base, recorded", "INTO recorded"),
        ("IF base IS NULL THEN\n        base := 0;", "IF recorded IS NULL THEN"),
    )
    found = _found(ledger_url)
    assert {"store.missed", "store.out_of_order"} <= set(found), found


def test_a_version_that_is_not_checked_is_found_by_what_was_not_refused(ledger_url: str) -> None:
    _plant_in_append(ledger_url, ("WHERE g.version <> COALESCE", "WHERE g.version < 0 AND g.version <> COALESCE"))
    assert "store.wrong_not_refused" in _found(ledger_url)


class FailsTogether(GroupCommit):
    """A writer that lets all appends of a call fail with one of them."""

    async def _write(self, batch: Sequence[tuple[Append, asyncio.Future[Any]]]) -> None:
        try:
            results = await self._call_patiently(batch)
        except psycopg.Error as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def test_a_failed_append_that_fails_its_neighbours_is_found_by_them(ledger_url: str) -> None:
    assert "store.neighbours_failed" in _found(ledger_url, writer=FailsTogether)


# --- found by a race, which tests/system/test_races.py runs without the fault ----------------------------------------


async def test_unchanged_that_is_not_checked_is_found_by_the_race_of_preparing_with_declining(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(aggregates: Any, context: Any, _: Any, *rest: Any) -> Append:
        return prepared_append(aggregates, context, (), *rest)

    monkeypatch.setattr(event_store, "prepared_append", unchecked)
    settings = Settings(sandbox=True)
    async with opened_ledger(settings, ledger_url) as one, opened_ledger(settings, ledger_url) as other:
        await _company(one, "A-1", "tok_visa", ("S-1", "goto_meeting"))
        await race_prepare_with_the_end_of_its_quote(one, other, 100)
        assert len(drafts_without_a_quote(await _history(one))) > 0


# --- found by a projection's rows ------------------------------------------------------------------------------------

# The process dies when it writes the first row; a sequence remembers, whatever is rolled back.
_DIES_ONCE = """
CREATE SEQUENCE public.written;
GRANT SELECT ON SEQUENCE public.written TO seatledger_app;
CREATE FUNCTION public.die_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('public.written') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER die_once BEFORE INSERT ON portal.subscriptions FOR EACH ROW EXECUTE FUNCTION public.die_once();
"""


class CheckpointFirst(ProjectionWorker):
    """A worker that stores the checkpoint in a transaction of its own, before the rows."""

    async def _written(
        self,
        records: Sequence[LogRecord],
        reached: Mapping[int, int],
        folded: Callable[..., Awaitable[Any]],
    ) -> None:
        positions = [reached.get(partition, lease.position) for partition, lease in self._leases.items()]
        async with self._pool.connection() as connection:
            await connection.execute(projecting._MOVE, {**self._mine(), "positions": positions})
        for partition, position in reached.items():
            self._leases[partition].position = position
        await super()._written(records, reached, folded)


async def differences_after_a_crash(bench: Bench, kind: type[ProjectionWorker]) -> list[RowKey]:
    """Rows that are not what the log says, after a crash in the midst of writing the first page."""
    bench.as_owner(_DIES_ONCE)
    await bench.start_subscriptions(5)
    worker = kind(portal, DirectLog(bench.pool, bench.wakeups), bench.pool, bench.wakeups, "one")
    worker.start()
    await bench.until("SELECT COALESCE(min(position), 0) FROM projecting.checkpoints WHERE projection = 'portal'", 5)
    await bench.until("SELECT (last_value > 0 AND is_called)::int FROM public.written", 1)
    await asyncio.sleep(0.2)  # it would go on now if it knew that there is something left
    await worker.stop()
    return await bench.differences()


async def test_a_checkpoint_stored_before_the_rows_is_found_by_a_crash_between(bench: Bench) -> None:
    assert len(await differences_after_a_crash(bench, CheckpointFirst)) > 0


async def test_a_crash_in_the_midst_of_a_page_loses_no_row(bench: Bench) -> None:
    assert await differences_after_a_crash(bench, ProjectionWorker) == []


async def written_after_its_lease(bench: Bench, *, successor_has_read: bool) -> list[str]:
    """What a worker wrote whose lease ran out after it had read its page, and was taken over."""
    subscription = started("S-0", account(0))
    await bench.events.append(subscription, context=context())
    late = bench.worker("late", lease_seconds=0.2)
    await late._prepare()
    await late._hold_leases()
    read = await late._log.read(dict.fromkeys(late._leases, 0), 7)
    await asyncio.sleep(0.3)
    subscription.schedule_cancellation("not needed", at=subscription.modified_on)
    await bench.events.append(subscription, context=context())
    successor = bench.worker("successor")
    await successor._prepare()
    await successor._hold_leases()
    if successor_has_read:
        assert await successor.step() == 2
    before = await _written(bench)
    with contextlib.suppress(LeaseLost):
        await late._write(read.records, read.reached)
    await successor.stop()
    return [each for each in await _written(bench) if each not in before]


async def _written(bench: Bench) -> list[str]:
    query = """
        SELECT s::text FROM portal.subscriptions s
        UNION ALL SELECT partition || ' is at ' || position FROM projecting.checkpoints
    """
    async with bench.pool.connection() as connection:
        return [text for (text,) in await (await connection.execute(query)).fetchall()]


@pytest.mark.parametrize("successor_has_read", [False, True])
async def test_a_stopped_worker_writes_nothing_after_its_lease(bench: Bench, *, successor_has_read: bool) -> None:
    assert await written_after_its_lease(bench, successor_has_read=successor_has_read) == []


@pytest.mark.parametrize("successor_has_read", [False, True])
async def test_a_stopped_worker_that_writes_after_its_lease_is_found_by_what_it_wrote(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, successor_has_read: bool
) -> None:
    unchecked = projecting._MOVE.replace(" AND c.epoch = mine.epoch", "")
    if successor_has_read:  # then the position, which has moved, fences the late one out as well
        unchecked = unchecked.replace("AND c.position = mine.stored", "")
    assert len(unchecked) < len(projecting._MOVE)
    monkeypatch.setattr(projecting, "_MOVE", unchecked)
    assert len(await written_after_its_lease(bench, successor_has_read=successor_has_read)) > 0
