"""The projection engine on a real database: each event has its effect once, whoever crashes or wakes up late."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import pytest

from adapters.log.direct import DirectLog
from adapters.log.event_log import Page
from adapters.postgres.projecting import LeaseLost, ProjectionWorker
from adapters.postgres.work_lists import SWEPT_AT_ONCE, PostgresWorkList
from projections.fulfilment_todo import fulfilment_todo
from projections.portal import portal
from services.background import ended
from services.ports import Claim
from services.working import Pace, Worker
from tests.contracts.projection_bench import SUBSCRIPTIONS, Bench

pytestmark = pytest.mark.system


async def test_the_read_model_follows_the_log(any_bench: Bench) -> None:
    worker = any_bench.worker("one")
    worker.start()
    await any_bench.start_subscriptions(50)
    await any_bench.until(SUBSCRIPTIONS, 50)
    await worker.stop()
    assert await any_bench.count("SELECT count(*) FROM portal.timeline") == 50
    assert worker.failure is None


async def test_the_next_worker_goes_on_at_once_where_the_last_one_stopped(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(20)
    first = any_bench.worker("one", lease_seconds=60)
    first.start()
    await any_bench.until(SUBSCRIPTIONS, 20)
    await first.stop()
    await any_bench.start_subscriptions(20)
    second = any_bench.worker("two")
    second.start()
    await any_bench.until(SUBSCRIPTIONS, 40)
    await second.stop()
    assert await any_bench.count("SELECT count(*) FROM portal.timeline") == 40


async def test_a_crash_between_rows_and_checkpoint_leaves_neither(any_bench: Bench) -> None:
    class DiesAtTheCheckpoint(ProjectionWorker):
        """A worker whose process ends before it commits."""

        died = False

        async def _write(self, events: object, reached: Mapping[int, int]) -> None:
            if not self.died:
                self.died = True
                reached = dict.fromkeys(reached, 2**70)  # makes the last statement fail
            await super()._write(events, reached)  # type: ignore[arg-type]

    await any_bench.start_subscriptions(5)
    log = any_bench.log()
    worker = DiesAtTheCheckpoint(portal, log, any_bench.pool, any_bench.wakeups, "one", page_size=7)
    worker.start()
    await any_bench.until(SUBSCRIPTIONS, 5)
    await worker.stop()
    assert worker.died
    assert await any_bench.count("SELECT count(*) FROM portal.timeline") == 5


async def test_a_worker_that_was_stopped_and_wakes_up_late_cannot_write(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(3)
    await any_bench.published()
    late = any_bench.worker("late", lease_seconds=0.2)
    await late._prepare()
    await late._hold_leases()
    await asyncio.sleep(0.3)
    successor = any_bench.worker("successor")
    successor.start()
    await any_bench.until(SUBSCRIPTIONS, 3)
    before = await any_bench.count("SELECT sum(epoch) FROM projecting.checkpoints")

    async def until_it_writes() -> None:
        while True:
            await late.step()

    with pytest.raises(LeaseLost):
        await asyncio.wait_for(until_it_writes(), 20)
    await successor.stop()
    assert await any_bench.count(SUBSCRIPTIONS) == 3
    assert await any_bench.count("SELECT sum(epoch) FROM projecting.checkpoints") == before


async def test_partitions_are_held_by_one_worker_at_a_time(any_bench: Bench) -> None:
    workers = [any_bench.worker(name) for name in ("one", "two", "three")]
    for worker in workers:
        worker.start()
    await any_bench.start_subscriptions(60)
    await any_bench.until(SUBSCRIPTIONS, 60)
    for worker in workers:
        await worker.stop()
    assert await any_bench.count("SELECT count(*) FROM portal.timeline") == 60
    assert await any_bench.count("SELECT count(*) FROM projecting.checkpoints WHERE expires_at > now()") == 0


async def test_a_checkpoint_of_another_log_is_refused_and_said(bench: Bench, ledger_url: str) -> None:
    class OtherLog(DirectLog):
        """A store restored from elsewhere."""

        async def identity(self) -> str:
            """Not the one the checkpoint knows."""
            return "store:another"

    await bench.start_subscriptions(3)
    worker = bench.worker("one")
    worker.start()
    await bench.until(SUBSCRIPTIONS, 3)
    await worker.stop()
    other = bench.worker("two", log=OtherLog(bench.pool, bench.wakeups))
    other.start()
    async with asyncio.timeout(5):
        while other.failure is None:
            await asyncio.sleep(0.01)
    await other.stop()
    assert "but the log is store:another" in other.failure
    assert ledger_url


async def test_a_page_names_how_far_it_has_read_even_without_events(bench: Bench) -> None:
    await bench.start_subscriptions(10, accounts=1)
    log = DirectLog(bench.pool, bench.wakeups)
    partitions = dict.fromkeys(await log.ends(), 0)
    full = await log.read(partitions, 4)
    assert [record.position for record in full.records] == [1, 2, 3, 4]
    assert set(full.reached.values()) == {4}
    rest = await log.read(full.reached, 100)
    assert [record.previous for record in rest.records] == [4, 5, 6, 7, 8, 9]
    assert set(rest.reached.values()) == {10}
    assert await log.read(rest.reached, 100) == Page((), rest.reached)
    assert await log.read({}, 100) == Page((), {})


async def test_a_claim_is_one_workers_until_it_runs_out_and_its_token_fences_out_the_old_one(bench: Bench) -> None:
    entry, account = uuid4(), uuid4()
    async with bench.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO fulfilment_todo.entries VALUES (%s, 'fulfil', %s, %s, %s, %s, 1, now())",
            (entry, entry, account, entry, entry),
        )
    log = DirectLog(bench.pool, bench.wakeups)
    mine, yours = (PostgresWorkList(fulfilment_todo.name, bench.pool, log, bench.wakeups) for _ in range(2))
    results = await asyncio.gather(*(each.claim("w", 5, 0.3) for each in (mine, yours, mine, yours)))
    (claim,) = [claim for claims in results for claim in claims]
    assert (claim.entry_id, claim.account_id, claim.token, claim.tries) == (entry, account, 1, 1)
    assert await mine.keep(claim, 0.3)
    await asyncio.sleep(0.4)
    (second,) = await yours.claim("w2", 5, 5)
    assert (second.token, second.tries) == (2, 2)
    assert not await mine.keep(claim, 5)
    await mine.release(claim, 0)
    assert await mine.claim("w", 5, 5) == []
    await yours.release(second, 0)
    assert len(await mine.claim("w", 5, 0)) == 1


async def test_claims_of_entries_that_left_the_list_are_swept_by_the_worker_some_at_a_time(bench: Bench) -> None:
    claims = "SELECT count(*) FROM ledger.work_claims"
    async with bench.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO ledger.work_claims SELECT 'fulfilment_todo', gen_random_uuid(), 'w', 1,"
            " now() - make_interval(hours => h), 1 FROM generate_series(0, %s) AS s (h)",
            (SWEPT_AT_ONCE + 5,),
        )
    work_list = PostgresWorkList(fulfilment_todo.name, bench.pool, DirectLog(bench.pool, bench.wakeups), bench.wakeups)
    await work_list.sweep()
    assert await bench.count(claims) == 6

    class NoWork:
        async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
            pytest.fail("there is nothing to do")

    worker = asyncio.create_task(Worker(work_list, NoWork(), "w", Pace(poll_seconds=0.01)).run())
    await bench.until(claims, 1)  # the one that ended a moment ago stays for a minute
    await ended(worker)


async def test_a_list_is_caught_up_once_it_has_what_was_in_the_log(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    log = DirectLog(bench.pool, bench.wakeups)
    work_list = PostgresWorkList(fulfilment_todo.name, bench.pool, log, bench.wakeups)
    waiting = asyncio.create_task(work_list.caught_up())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    worker = bench.worker("one", fulfilment_todo)
    worker.start()
    async with asyncio.timeout(5):
        await waiting
    await worker.stop()


async def test_what_a_dying_server_lost_is_read_again_by_a_worker_that_remembers_it_as_stored(bench: Bench) -> None:
    """A checkpoint's commit does not wait for the disk: after a crash of the server it may be older than was told."""
    await bench.start_subscriptions(5)
    worker = bench.worker("one")
    await worker._prepare()
    await worker._hold_leases()
    assert await worker.step() == 5
    bench.as_owner("UPDATE projecting.checkpoints SET position = 0 WHERE projection = 'portal'")
    bench.as_owner("TRUNCATE portal.subscriptions, portal.timeline")
    await bench.start_subscriptions(2)
    with pytest.raises(LeaseLost):
        await worker.step()
    worker._forget_leases()
    worker.start()
    await bench.until(SUBSCRIPTIONS, 7)
    await worker.stop()
    assert await bench.differences() == []


async def test_events_of_no_interest_are_left_out_and_their_checkpoint_is_stored_in_time(bench: Bench) -> None:
    await bench.start_subscriptions(30)
    end = await bench.count("SELECT max(notification_id) FROM ledger.events")
    log = DirectLog(bench.pool, bench.wakeups)
    worker = bench.worker("one", fulfilment_todo, log=log)
    page = await log.read(dict.fromkeys(range(12), 0), 100, worker._folding.of_no_interest)
    assert (list(page.records), set(page.reached.values())) == ([], {end})
    worker.start()
    await bench.until(
        "SELECT coalesce(min(position), 0) FROM projecting.checkpoints WHERE projection = 'fulfilment_todo'", end
    )
    await worker.stop()


async def test_a_name_that_this_version_does_not_know_is_never_left_out(bench: Bench) -> None:
    await bench.start_subscriptions(3)
    bench.poison(2)
    log = DirectLog(bench.pool, bench.wakeups)
    worker = bench.worker("one", fulfilment_todo, log=log)
    page = await log.read(dict.fromkeys(range(12), 0), 100, worker._folding.of_no_interest)
    assert [record.position for record in page.records] == [2]
