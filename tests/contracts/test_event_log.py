"""What every event log promises its readers, tried on the store itself and on Kafka."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.log.event_log import EventLog, LogRecord
from projections.fulfilment_todo import fulfilment_todo
from tests.contracts.projection_bench import UNKNOWN, Bench, account

pytestmark = pytest.mark.system


async def _all(log: EventLog, after: dict[int, int], count: int, limit: int = 1000) -> list[LogRecord]:
    """The next so many records, however many pages that takes."""
    records: list[LogRecord] = []
    async with asyncio.timeout(20):
        while len(records) < count:
            page = await log.read(after, limit)
            records += page.records
            after.update(page.reached)
            if not page.records:
                await log.wait(0.1)
    return records


async def test_every_event_comes_once_whole_and_in_the_order_of_its_partition(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(40)
    await any_bench.published()
    log = any_bench.log()
    found = await _all(log, dict.fromkeys(await log.ends(), 0), 40, limit=7)
    expected = (await any_bench.direct().read(dict.fromkeys(range(12), 0), 100)).records
    assert _without_previous(sorted(found, key=lambda each: each.position)) == _without_previous(expected)
    for partition in range(12):
        before = 0
        for each in (each for each in found if each.partition == partition):
            assert before <= each.previous < each.position, "nothing of the partition lies between"
            before = each.position
    await log.close()


def _without_previous(records: Sequence[LogRecord]) -> list[LogRecord]:
    """A page may know that more lies behind it than the last event of the partition."""
    return [each._replace(previous=0) for each in records]


async def test_a_reader_goes_on_from_wherever_it_is_told(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(30)
    await any_bench.published()
    log = any_bench.log()
    assert [each.position for each in await _all(log, dict.fromkeys(range(12), 20), 10)] == list(range(21, 31))
    assert len(await _all(log, dict.fromkeys(range(12), 0), 30)) == 30
    partition = (await _all(log, dict.fromkeys(range(12), 0), 30))[0].partition
    own = await _all(log, {partition: 6}, 4)
    assert {each.partition for each in own} == {partition}
    assert min(each.position for each in own) > 6
    await log.close()


async def test_a_page_has_no_more_than_its_limit_and_says_how_far_each_partition_is_read(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(10, accounts=2)
    await any_bench.published()
    log = any_bench.log()
    async with asyncio.timeout(20):
        while not (page := await log.read(dict.fromkeys(range(12), 0), 4)).records:
            await log.wait(0.1)
    assert len(page.records) == 4
    rest = await _all(log, dict(page.reached), 6)
    assert sorted(each.position for each in [*page.records, *rest]) == list(range(1, 11))
    await log.close()


async def test_all_partitions_reach_the_end_with_or_without_events(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(10, accounts=1)
    await any_bench.published()
    log, after = any_bench.log(), dict.fromkeys(range(12), 0)
    async with asyncio.timeout(20):
        while set(after.values()) != {10}:
            after.update((await log.read(after, 100)).reached)
    assert max((await log.ends()).values()) == 10
    await log.close()


async def test_names_of_no_interest_are_left_out_and_unknown_ones_never(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(2)
    await any_bench.published()
    any_bench.poison(2)
    await any_bench.start_subscriptions(1)
    log, after = any_bench.log(), dict.fromkeys(range(12), 0)
    of_no_interest = any_bench.worker("one", fulfilment_todo)._folding.of_no_interest
    found: list[LogRecord] = []
    async with asyncio.timeout(20):
        while min(after.values()) < 3:
            page = await log.read(after, 100, of_no_interest)
            found += page.records
            after.update(page.reached)
    expected = [] if any_bench.access else [UNKNOWN]  # it was published under the name that it had then
    assert [each.topic for each in found] == expected
    await log.close()


async def test_who_waits_is_woken_by_the_next_event(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(1)
    await any_bench.published()
    log, after = any_bench.log(), dict.fromkeys(range(12), 0)
    await _all(log, after, 1)
    waiting = asyncio.create_task(_all(log, after, 1))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await any_bench.start_subscriptions(1)
    (record,) = await waiting
    assert (record.position, record.account_id) == (2, account(0))
    await log.close()


async def test_a_log_keeps_its_identity(any_bench: Bench) -> None:
    await any_bench.start_subscriptions(1)
    await any_bench.published()
    assert await any_bench.log().identity() == await any_bench.log().identity()
