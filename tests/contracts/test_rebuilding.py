"""A read model rebuilt beside the live one on a real database: compared, swapped, and never in the live one's way."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from adapters.log.direct import DirectLog
from adapters.memory.clock import StandingClock
from adapters.postgres.comparing import SHOWN_AT_MOST, WHOLE_ROW, Difference
from adapters.postgres.homes import Homes
from adapters.postgres.parking import retried
from adapters.postgres.projecting import LeaseLost, OtherVersion, ProjectionWorker
from adapters.postgres.read_model_tables import INDEXES, made, make_what_costs_nothing, outdated
from adapters.postgres.read_models import PortalQueries
from adapters.postgres.rebuild_lock import RebuildRunning
from adapters.postgres.rebuilding import Progress, Rebuild, RebuildRefused
from adapters.postgres.work_lists import PostgresWorkList
from projections.catalogue import PROJECTIONS
from projections.fold import Projection
from projections.portal import portal
from projections.timers import timers
from tests.contracts.projection_bench import NOON, SUBSCRIPTIONS, Bench, account

pytestmark = pytest.mark.system

SCHEMAS = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'portal%'"
OTHERS = "SELECT count(*) FROM projecting.checkpoints WHERE projection LIKE 'portal\\_%'"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="adapters.postgres.projecting")


def rebuild(
    bench: Bench,
    projection: Projection = portal,
    kind: type[Rebuild] = Rebuild,
    told: Callable[[Progress], None] = lambda _: None,
) -> Rebuild:
    """One that has not begun."""

    def log() -> DirectLog:
        return DirectLog(bench.pool, bench.wakeups)

    def connect() -> Any:
        return AsyncConnection.connect(bench.owner_url, autocommit=True)

    return kind(projection, log, bench.pool, connect, told)


def newer(projection: Projection = portal) -> Projection:
    """The projection as the next version of the program has it."""
    return Projection(projection.name, projection.version + 1, *projection.tables.values())


async def clean(bench: Bench) -> None:
    """Nothing is left beside the live one."""
    assert (await bench.count(SCHEMAS), await bench.count(OTHERS)) == (1, 0)


async def test_a_rebuilt_read_model_takes_the_live_ones_place_and_a_worker_goes_on_with_it(bench: Bench) -> None:
    await bench.start_subscriptions(30)
    worker = bench.worker("one")
    worker.start()
    await bench.until(SUBSCRIPTIONS, 30)
    old = await bench.count("SELECT 'portal.subscriptions'::regclass::oid")
    seen: list[Progress] = []
    done = await rebuild(bench, told=seen.append).rebuild()
    assert (done.version_before, done.version, done.events) == (2, 2, 30)
    assert done.comparison
    assert (done.comparison.rows, done.comparison.differing_rows) == (60, 0)
    assert await bench.count("SELECT 'portal.subscriptions'::regclass::oid") != old
    assert await bench.count("SELECT reltuples FROM pg_class WHERE oid = 'portal.subscriptions'::regclass") == 30
    await bench.start_subscriptions(10)
    await bench.until(SUBSCRIPTIONS, 40)
    await worker.stop()
    assert worker.failure is None
    assert await bench.differences() == []
    await clean(bench)
    assert [(each.stage, each.done, each.total) for each in seen if each.done == each.total][:1] == [
        ("reading events", 30, 30)
    ]


async def test_events_appended_meanwhile_are_in_the_new_one_once(bench: Bench) -> None:
    await bench.start_subscriptions(20)
    workers = [bench.worker(name) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    appending = asyncio.create_task(bench.start_subscriptions(300, accounts=9))
    rebuilds = 0
    while not appending.done():
        await rebuild(bench).rebuild()
        rebuilds += 1
    await appending
    await bench.until(SUBSCRIPTIONS, 320)
    for worker in workers:
        await worker.stop()
    assert rebuilds > 0
    assert await bench.differences() == []
    await clean(bench)


async def test_readers_never_miss_a_row_while_it_is_swapped(bench: Bench) -> None:
    await bench.start_subscriptions(20, accounts=1)
    await bench.folded(bench.worker("one"))
    queries = PortalQueries(Homes(bench.pool), bench.wakeups, bench.events)
    stop = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not stop.is_set():
            assert len((await queries.subscriptions(account(0), 50, None)).items) == 20
            assert (await queries.care(5, None)).items == []
            reads += 1
        return reads

    reading = [asyncio.create_task(read()) for _ in range(2)]
    for _ in range(5):
        await rebuild(bench).rebuild()
    stop.set()
    assert all(reads > 5 for reads in await asyncio.gather(*reading))


async def test_comparing_names_each_value_that_differs_and_changes_nothing(bench: Bench) -> None:
    await bench.start_subscriptions(6)
    await bench.folded(bench.worker("one"))
    async with bench.pool.connection() as connection:
        rows = await connection.execute("SELECT subscription_id FROM portal.subscriptions ORDER BY 1")
        first, second, third, *_ = [id for (id,) in await rows.fetchall()]
        await connection.execute("UPDATE portal.subscriptions SET seats = 11 WHERE subscription_id = %s", (first,))
        await connection.execute("DELETE FROM portal.subscriptions WHERE subscription_id = %s", (second,))
        await connection.execute(
            "UPDATE portal.subscriptions SET order_id = %s WHERE subscription_id = %s", (first, third)
        )
        extra = UUID(int=1)
        await connection.execute(
            "INSERT INTO portal.timeline SELECT (jsonb_populate_record(t, jsonb_build_object('event_id', %s::uuid))).*"
            " FROM portal.timeline t LIMIT 1",
            (extra,),
        )
    found = (await rebuild(bench).compare()).comparison
    assert found
    assert (found.rows, found.differing_rows) == (13, 4)
    assert found.differences == [
        Difference("subscriptions", first, "seats", "11", "10"),
        Difference("subscriptions", second, WHOLE_ROW, None, "there"),
        Difference("subscriptions", third, "order_id", str(first), None),
        Difference("timeline", extra, WHOLE_ROW, "there", None),
    ]
    assert await bench.count("SELECT seats FROM portal.subscriptions ORDER BY subscription_id LIMIT 1") == 11
    await clean(bench)
    mended = await rebuild(bench).rebuild()
    assert mended.comparison
    assert mended.comparison.differing_rows == 4
    assert await bench.differences() == []


async def test_only_the_first_differences_are_shown_and_all_are_counted(bench: Bench) -> None:
    await bench.start_subscriptions(SHOWN_AT_MOST + 10)
    await bench.folded(bench.worker("one"))
    async with bench.pool.connection() as connection:
        await connection.execute("UPDATE portal.subscriptions SET seats = 11")
    found = (await rebuild(bench).compare()).comparison
    assert found
    assert (found.differing_rows, len(found.differences)) == (SHOWN_AT_MOST + 10, SHOWN_AT_MOST)


async def test_a_live_one_that_is_behind_is_compared_where_it_is_and_goes_on_from_there(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    await bench.folded(bench.worker("one"))
    await bench.start_subscriptions(10)
    done = await rebuild(bench).rebuild()
    assert done.events == 10
    assert done.comparison
    assert done.comparison.differing_rows == 0
    assert await bench.count(SUBSCRIPTIONS) == 10
    await bench.folded(bench.worker("two"))
    assert await bench.differences() == []


async def test_a_retried_account_is_as_a_rebuild_makes_it_and_a_parked_one_stays_parked_in_both(bench: Bench) -> None:
    await bench.start_subscriptions(30)
    bench.poison(2, 14)
    await bench.folded(bench.worker("one"))
    found = await rebuild(bench).rebuild()
    assert found.comparison
    assert found.comparison.differing_rows == 0
    parked = "SELECT count(*) FROM projecting.parked WHERE projection = 'portal'"
    assert await bench.count(parked) == await bench.count("SELECT count(*) FROM projecting.parked") == 10
    bench.mend(2, 14)
    async with bench.pool.connection() as connection:
        assert (await retried(connection, portal, account(1))).left == 0
    found = await rebuild(bench).compare()
    assert found.comparison
    # The other account has only been mended in the log: a rebuild has its four rows and their timeline.
    assert (found.comparison.differing_rows, await bench.count(parked)) == (8, 4)
    async with bench.pool.connection() as connection:
        assert (await retried(connection, portal, account(3))).left == 0
    found = await rebuild(bench).compare()
    assert found.comparison
    assert found.comparison.differing_rows == 0
    # Parked in the live one, mended in the log: the rebuilt one has it, and nothing stays parked.
    bench.poison(30)
    bench.as_owner("TRUNCATE portal.subscriptions, portal.timeline")
    bench.as_owner("UPDATE projecting.checkpoints SET position = 0")
    await bench.folded(bench.worker("two"))
    assert await bench.count(parked) == 1
    bench.mend(30)
    await rebuild(bench).rebuild()
    assert await bench.count(parked) == 0
    assert await bench.differences() == []


STEPS = ("_compared", "_caught_up", "_swapped", "_fenced", "_read", "_renamed", "_dropped")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_the_live_one_goes_on_and_the_next_rebuild_begins_anew(
    bench: Bench, step: str, when: str
) -> None:
    class Killed(BaseException):
        """The process is gone: nothing of it is cleaned up."""

    class Dies(Rebuild):
        """Ends at one step, and drops nothing then."""

        dead = False

        async def _dropped(self, owner: AsyncConnection) -> None:
            if not self.dead:
                await super()._dropped(owner)

    async def dies(self: Any, *arguments: Any) -> Any:
        at_last_drop = step != "_dropped" or self._events
        if when == "after" or not at_last_drop:
            result = await getattr(Rebuild, step)(self, *arguments)
            if not at_last_drop:
                return result
        if self.dead:
            return None
        self.dead = True
        raise Killed

    setattr(Dies, step, dies)
    await bench.start_subscriptions(20)
    bench.poison(4)
    worker = bench.worker("one", lease_seconds=0.5)
    worker.start()
    await bench.until(SUBSCRIPTIONS, 16)
    with pytest.raises(Killed):
        await rebuild(bench, kind=Dies).rebuild()
    # A fence of the dead one would hold for half a minute.
    async with bench.pool.connection() as connection:
        await connection.execute(
            "UPDATE projecting.checkpoints SET expires_at = '-infinity' WHERE owner LIKE 'rebuild%%'"
        )
    await bench.start_subscriptions(5)
    await bench.until(SUBSCRIPTIONS, 20)
    again = await rebuild(bench).rebuild()
    assert again.comparison
    assert again.comparison.differing_rows == 0
    await bench.start_subscriptions(5)
    await bench.until(SUBSCRIPTIONS, 24)
    await worker.stop()
    assert worker.failure is None
    await clean(bench)


async def test_a_rebuild_that_loses_its_fence_swaps_nothing(bench: Bench) -> None:
    class Overtaken(Rebuild):
        """Sleeps through its lease with everything read."""

        async def _fenced(self, owner: AsyncConnection) -> dict[int, tuple[int, int]]:
            fence = await super()._fenced(owner)
            await owner.execute("UPDATE projecting.checkpoints SET epoch = epoch + 1 WHERE projection = 'portal'")
            return fence

    await bench.start_subscriptions(5)
    await bench.folded(bench.worker("one"))
    old = await bench.count("SELECT 'portal.subscriptions'::regclass::oid")
    with pytest.raises(LeaseLost):
        await rebuild(bench, kind=Overtaken).rebuild()
    assert await bench.count("SELECT 'portal.subscriptions'::regclass::oid") == old
    await clean(bench)


async def test_two_rebuilds_at_once_are_one_too_many_and_other_projections_are_free(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    await bench.folded(bench.worker("one"))
    await bench.folded(bench.worker("one", timers))
    outcomes = await asyncio.gather(
        rebuild(bench).rebuild(), rebuild(bench).compare(), rebuild(bench, timers).rebuild(), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, RebuildRunning)]
    assert len(refused) == 1
    assert "portal is being rebuilt" in str(refused[0])
    assert len([each for each in outcomes if not isinstance(each, BaseException)]) == 2
    await clean(bench)


async def test_accounts_that_the_live_one_has_whole_are_not_parked_unless_somebody_says_so(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    await bench.folded(bench.worker("one"))
    bench.poison(2)
    assert (await rebuild(bench).compare()).accounts_parked == 1
    with pytest.raises(RebuildRefused, match="1 accounts would be parked"):
        await rebuild(bench).rebuild()
    assert await bench.count(SUBSCRIPTIONS) == 10
    await clean(bench)
    assert (await rebuild(bench).rebuild(even_if_parked=True)).accounts_parked == 1
    assert await bench.count(SUBSCRIPTIONS) == 8


async def test_a_claim_on_a_rebuilt_to_do_list_is_still_held(bench: Bench) -> None:
    await bench.schedule_end()
    await bench.folded(bench.worker("one", timers))
    log = DirectLog(bench.pool, bench.wakeups)
    mine, yours = (
        PostgresWorkList(timers.name, bench.pool, log, bench.wakeups, StandingClock(NOON + timedelta(days=400)))
        for _ in range(2)
    )
    (claim,) = await mine.claim("w", 5, 60)
    entries = await bench.count("SELECT 'timers.entries'::regclass::oid")
    await rebuild(bench, timers).rebuild()
    assert await bench.count("SELECT 'timers.entries'::regclass::oid") != entries
    assert await yours.claim("w2", 5, 60) == []
    assert await mine.keep(claim, 0)
    (again,) = await yours.claim("w2", 5, 60)
    assert (again.entry_id, again.token) == (claim.entry_id, claim.token + 1)
    await mine.sweep()
    assert await bench.count("SELECT count(*) FROM ledger.work_claims") == 1


async def test_a_newer_version_is_built_to_the_logs_end_and_stops_the_workers_of_the_old(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    old, new = bench.worker("old"), bench.worker("new", newer())
    old.start()
    new.start()
    await bench.until(SUBSCRIPTIONS, 10)
    async with asyncio.timeout(5):
        while "tables are of version 2" not in str(new.failure):
            await asyncio.sleep(0.01)
    done = await rebuild(bench, newer()).rebuild()
    assert (done.version_before, done.version, done.comparison) == (2, 3, None)
    await bench.start_subscriptions(10)
    await bench.until(SUBSCRIPTIONS, 20)
    async with asyncio.timeout(10):
        while "tables are of version 3" not in str(old.failure) or new.failure:
            await asyncio.sleep(0.01)
    await old.stop()
    await new.stop()
    assert await bench.differences(newer()) == []
    with pytest.raises(RebuildRefused, match="update the program"):
        await rebuild(bench).rebuild()


async def test_a_projection_that_has_no_tables_yet_is_made_by_its_first_rebuild(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    bench.as_owner("DROP SCHEMA portal CASCADE")
    bench.as_owner("DELETE FROM projecting.read_models WHERE projection = 'portal'")
    with pytest.raises(OtherVersion, match="version none"):
        await bench.worker("one")._prepare()
    done = await rebuild(bench).rebuild()
    assert (done.version_before, done.events, done.comparison) == (None, 10, None)
    await bench.folded(bench.worker("one"))
    assert await bench.differences() == []


async def test_tables_of_another_version_are_said_and_made_at_once_where_the_log_is_empty(bench: Bench) -> None:
    bench.as_owner("UPDATE projecting.read_models SET version = 1 WHERE projection = 'portal'")
    bench.as_owner("UPDATE projecting.read_models SET version = 99 WHERE projection = 'care'")
    bench.as_owner("DELETE FROM projecting.read_models WHERE projection = 'timers'")
    with psycopg.connect(bench.owner_url) as connection:
        said = [*outdated(connection).values()]
        assert ["run `seatledger projections rebuild" in each for each in said] == [True, True, False]
        assert ["is missing" in each for each in said] == [False, True, False]
        await bench.start_subscriptions(1)
        make_what_costs_nothing(connection)
        assert [*outdated(connection).values()] == said
        connection.commit()
        bench.as_owner("TRUNCATE ledger.events")
        make_what_costs_nothing(connection)
        assert outdated(connection) == {}


async def test_a_role_that_may_make_no_schema_is_told_whom_to_ask(bench: Bench) -> None:
    def log() -> DirectLog:
        return DirectLog(bench.pool, bench.wakeups)

    refused = Rebuild(portal, log, bench.pool, lambda: AsyncConnection.connect(bench.url, autocommit=True))
    with pytest.raises(RebuildRefused, match="DATABASE_OWNER_URL"):
        await refused.rebuild()
    await clean(bench)


_SHAPE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind = 'r'
  AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT c.relname, regexp_replace(indexdef, '^.* USING ', ''), (indexdef LIKE 'CREATE UNIQUE%%')::text, NULL
FROM pg_indexes i JOIN pg_class c ON c.relname = i.tablename AND c.relnamespace = %(schema)s::text::regnamespace
WHERE i.schemaname = %(schema)s::text
UNION ALL
SELECT c.relname, acl.privilege_type, acl.grantee::regrole::text, c.relowner::regrole::text
FROM pg_class c, aclexplode(c.relacl) AS acl WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT NULL, acl.privilege_type, acl.grantee::regrole::text, n.nspowner::regrole::text
FROM pg_namespace n, aclexplode(n.nspacl) AS acl WHERE n.nspname = %(schema)s::text
"""


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_tables_made_for_a_rebuild_are_those_that_migrate_made_with_the_same_rights(
    ledger_url: str, projection: Projection
) -> None:
    def shape(schema: str) -> set[tuple[Any, ...]]:
        rows = connection.execute(_SHAPE, {"schema": schema})
        return {tuple(map(str, row)) for row in rows}

    with psycopg.connect(ledger_url.replace("seatledger_app@", "postgres@", 1)) as connection:
        connection.execute(made(projection, f"{projection.name}_v9"))
        assert shape(f"{projection.name}_v9") == shape(projection.name)


def test_every_index_is_of_a_table_that_there_is() -> None:
    tables = {f"{projection.name}.{table}" for projection in PROJECTIONS for table in projection.tables}
    assert INDEXES.keys() <= tables


async def test_a_worker_beside_reads_exactly_to_where_it_is_told(bench: Bench) -> None:
    await bench.start_subscriptions(20)
    worker: ProjectionWorker = bench.worker("one")
    ends = await DirectLog(bench.pool, bench.wakeups).ends()
    until = dict.fromkeys(ends, 10) | {0: 5}
    await worker.read_until(until, lambda _: None)
    await worker.stop()
    async with bench.pool.connection() as connection:
        found = await connection.execute("SELECT partition, position FROM projecting.checkpoints")
        assert dict(await found.fetchall()) == until
