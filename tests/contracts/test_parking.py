"""Poison in the log on a real database: its account is parked for that projection, and everything else goes on."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from adapters.postgres.homes import Homes
from adapters.postgres.parking import NothingParked, ParkedAccount, Retried, listed, retried, shown
from adapters.postgres.projecting import TRIES, LeaseLost
from adapters.postgres.read_models import PortalQueries
from adapters.postgres.rebuild_lock import RebuildRunning, alone
from domain.envelope import Recorded
from domain.subscription import Subscription
from projections.care import care
from projections.fold import Projection, Table
from projections.portal import SubscriptionRow, portal, subscriptions
from services.ports import Position
from tests.contracts.projection_bench import SUBSCRIPTIONS, Bench, account

pytestmark = pytest.mark.system

PARKED = "SELECT count(*) FROM projecting.parked"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="adapters.postgres.projecting")


def only_subscriptions(refuses: Callable[[Subscription.SubscriptionStarted], bool]) -> Projection:
    """The portal with one table, whose handler has a fault for some events."""
    table = Table("subscriptions", SubscriptionRow, key="subscription_id")
    (right,) = subscriptions.handlers[Subscription.SubscriptionStarted]

    @table.on(Subscription.SubscriptionStarted)
    def faulty(row: None, event: Subscription.SubscriptionStarted, recorded: Recorded) -> SubscriptionRow:
        if refuses(event):
            message = "a fault"
            raise KeyError(message)
        started: SubscriptionRow = right.handler(row, event, recorded)
        return started

    return Projection("portal", portal.version, table)


async def parked(bench: Bench, projection: str | None = "portal") -> list[ParkedAccount]:
    """What is parked."""
    async with bench.pool.connection() as connection:
        return await listed(Homes(connection), projection, None)


async def retry(bench: Bench, id: UUID, projection: Projection = portal) -> Retried:
    """Try an account's events again, as the command does."""
    async with bench.pool.connection() as connection:
        return await retried(connection, projection, id)


@pytest.mark.parametrize(
    ("poison", "behind"), [(1, 4), (3, 4), (7, 3), (8, 3), (20, 1)], ids=["first", "middle", "page_end", "page", "last"]
)
async def test_an_unknown_event_parks_its_account_and_what_follows_and_the_others_go_on(
    bench: Bench, poison: int, behind: int
) -> None:
    await bench.start_subscriptions(20)
    bench.poison(poison)
    worker = bench.worker("one")
    worker.start()
    await bench.until("SELECT coalesce(min(position), 0) FROM projecting.checkpoints", 20)
    await worker.stop()
    assert worker.failure is None
    (found,) = await parked(bench)
    assert (found.account_id, found.position, found.topic, found.tries, found.events) == (
        account((poison - 1) % 5),
        poison,
        "SeatsTeleported.v1",
        1,
        behind,
    )
    assert found.error == "UnknownEvent: SeatsTeleported.v1"
    assert await bench.count(SUBSCRIPTIONS) == 20 - behind
    bench.mend(poison)
    assert await retry(bench, found.account_id) == Retried(behind, 0, None)
    assert await bench.differences() == []
    assert await parked(bench) == []


async def test_the_events_that_come_later_wait_behind_it_whoever_works(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.poison(2)
    await bench.folded(bench.worker("one"))
    await bench.start_subscriptions(5)
    await bench.folded(bench.worker("two"))
    assert [(each.account_id, each.position, each.events) for each in await parked(bench)] == [(account(1), 2, 2)]
    async with bench.pool.connection() as connection:
        first, second = await shown(connection, "portal", account(1), 10)
    assert (first.position, first.tries, first.error) == (2, 1, "UnknownEvent: SeatsTeleported.v1")
    assert (second.position, second.tries, second.error) == (7, 0, None)
    assert b'"number":"S-1"' in first.state


async def test_bytes_that_are_no_event_are_kept_as_they_are(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.as_owner("UPDATE ledger.events SET state = %s WHERE notification_id = 4", b"\x00\xff no JSON")
    await bench.folded(bench.worker("one"))
    (found,) = await parked(bench)
    assert found.error
    assert found.error.startswith("MalformedEvent: SubscriptionStarted.v1")
    async with bench.pool.connection() as connection:
        (event,) = await shown(connection, "portal", found.account_id, 10)
    assert event.state == b"\x00\xff no JSON"


async def test_two_accounts_poisoned_in_one_partition_are_parked_each_for_itself(bench: Bench) -> None:
    await bench.start_subscriptions(60, accounts=30)
    partitions: dict[int, list[int]] = {}
    async with bench.pool.connection() as connection:
        found = await connection.execute(
            "SELECT partition, notification_id FROM ledger.events WHERE notification_id <= 30 ORDER BY 2"
        )
        for partition, position in await found.fetchall():
            partitions.setdefault(partition, []).append(position)
    first, second, third, *_ = max(partitions.values(), key=len)
    bench.poison(first, second)
    await bench.folded(bench.worker("one"))
    assert [(each.position, each.events) for each in await parked(bench)] == [(first, 2), (second, 2)]
    assert await bench.count(SUBSCRIPTIONS) == 56
    bench.mend(second)
    await retry(bench, account(second - 1))
    assert [each.position for each in await parked(bench)] == [first]
    await bench.start_subscriptions(30, accounts=30)
    await bench.folded(bench.worker("two"))
    assert [(each.position, each.events) for each in await parked(bench)] == [(first, 3)]
    bench.mend(first)
    await retry(bench, account(first - 1))
    assert await bench.differences() == []
    assert third


async def test_a_handlers_error_is_tried_five_times_then_parked_and_nothing_of_its_page_is_lost(bench: Bench) -> None:
    tries = 0

    def refuses(event: Subscription.SubscriptionStarted) -> bool:
        nonlocal tries
        tries += event.number == "S-3"
        return event.number == "S-3"

    await bench.start_subscriptions(20)
    await bench.folded(bench.worker("one", only_subscriptions(refuses)))
    (found,) = await parked(bench)
    assert (found.error, found.tries, found.events) == ("KeyError: 'a fault'", TRIES, 4)
    # The last time it is first tried with its account, then by itself.
    assert tries == TRIES + 1
    assert await bench.count(SUBSCRIPTIONS) == 16
    right = only_subscriptions(lambda _: False)
    assert await retry(bench, found.account_id, right) == Retried(4, 0, None)
    assert await bench.differences(right) == []


async def test_an_error_that_passes_parks_nothing(bench: Bench) -> None:
    failures = iter([True] * (TRIES - 1))
    await bench.start_subscriptions(10)
    worker = bench.worker("one", only_subscriptions(lambda event: event.number == "S-3" and next(failures, False)))
    await bench.folded(worker)
    assert await parked(bench) == []
    assert await bench.count(SUBSCRIPTIONS) == 10


async def test_a_row_that_its_table_does_not_take_parks_its_account_alone(bench: Bench) -> None:
    await bench.start_subscriptions(20)
    bench.as_owner(
        "UPDATE ledger.events SET state = convert_to(replace(convert_from(state, 'UTF8'), '\"seats\":10',"
        " '\"seats\":' || repeat('9', 30)), 'UTF8') WHERE notification_id = 9"
    )
    await bench.folded(bench.worker("one"))
    (found,) = await parked(bench)
    assert (found.position, found.tries, found.events) == (9, TRIES, 3)
    assert found.error
    assert "out of range" in found.error
    assert await bench.count(SUBSCRIPTIONS) == 17
    assert await bench.count("SELECT count(*) FROM portal.timeline") == 17


async def test_a_fault_of_the_database_parks_nobody_and_is_said(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.as_owner("ALTER TABLE portal.timeline RENAME TO elsewhere")
    worker = bench.worker("one")
    worker.start()
    async with asyncio.timeout(5):
        while "UndefinedTable" not in str(worker.failure):
            await asyncio.sleep(0.01)
    assert await bench.count(PARKED) == 0
    bench.as_owner("ALTER TABLE portal.elsewhere RENAME TO timeline")
    await bench.until(SUBSCRIPTIONS, 5)
    async with asyncio.timeout(5):
        while worker.failure:
            await asyncio.sleep(0.01)
    await worker.stop()


async def test_a_crash_while_it_parks_leaves_neither_rows_nor_parked_events(bench: Bench) -> None:
    await bench.start_subscriptions(7)
    bench.poison(3)
    late = bench.worker("late")
    await late._prepare()
    await late._hold_leases()
    async with bench.pool.connection() as connection:
        await connection.execute("UPDATE projecting.checkpoints SET epoch = epoch + 1, expires_at = '-infinity'")
    with pytest.raises(LeaseLost):
        await late.step()
    assert (await bench.count(PARKED), await bench.count(SUBSCRIPTIONS)) == (0, 0)
    await bench.folded(bench.worker("successor"))
    assert (await bench.count(PARKED), await bench.count(SUBSCRIPTIONS)) == (1, 6)


async def test_a_retry_that_fails_again_keeps_it_parked_with_the_new_error(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    bench.poison(2)
    await bench.folded(bench.worker("one"))
    again = await retry(bench, account(1))
    assert again == Retried(0, 2, "UnknownEvent: SeatsTeleported.v1")
    (found,) = await parked(bench)
    assert (found.tries, found.events) == (2, 2)
    bench.mend(2)
    refused = only_subscriptions(lambda event: event.number == "S-1")
    assert await retry(bench, account(1), refused) == Retried(0, 2, "KeyError: 'a fault'")
    (found,) = await parked(bench)
    assert (found.error, found.tries) == ("KeyError: 'a fault'", 3)
    assert await bench.count(SUBSCRIPTIONS) == 8


async def test_a_retry_folds_as_far_as_it_can_and_stops_at_the_next_poison(bench: Bench) -> None:
    await bench.start_subscriptions(25)
    bench.poison(1, 11)
    await bench.folded(bench.worker("one"))
    bench.mend(1)
    assert await retry(bench, account(0)) == Retried(2, 3, "UnknownEvent: SeatsTeleported.v1")
    (found,) = await parked(bench)
    assert (found.position, found.tries, found.events) == (11, 1, 3)
    refused = only_subscriptions(lambda event: event.number == "S-15")
    bench.mend(11)
    assert await retry(bench, account(0), refused) == Retried(1, 2, "KeyError: 'a fault'")
    assert await retry(bench, account(0)) == Retried(2, 0, None)
    assert await bench.count(SUBSCRIPTIONS) == 25


async def test_a_second_retry_finds_nothing_and_two_at_once_fold_it_once(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    bench.poison(2)
    await bench.folded(bench.worker("one"))
    bench.mend(2)
    outcomes = await asyncio.gather(*(retry(bench, account(1)) for _ in range(3)), return_exceptions=True)
    assert [each for each in outcomes if isinstance(each, Retried)] == [Retried(2, 0, None)]
    assert [type(each) for each in outcomes].count(NothingParked) == 2
    with pytest.raises(NothingParked):
        await retry(bench, uuid4())
    assert await bench.differences() == []


async def test_a_live_worker_notices_that_an_account_is_parked_no_more(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.poison(2)
    worker = bench.worker("one", lease_seconds=60)
    worker.start()
    await bench.until(PARKED, 1)
    bench.mend(2)
    await retry(bench, account(1))
    await bench.start_subscriptions(5)
    await bench.until(SUBSCRIPTIONS, 10)
    await worker.stop()
    assert (await parked(bench), worker.failure) == ([], None)
    assert await bench.differences() == []


async def test_a_page_that_was_read_before_a_retry_is_not_written_after_it(bench: Bench) -> None:
    """It would park events of the account again that nobody would then try."""
    await bench.start_subscriptions(5)
    bench.poison(2)
    worker = bench.worker("one", lease_seconds=60)
    await worker._prepare()
    await worker._hold_leases()
    await worker.step()
    await bench.start_subscriptions(5)
    bench.mend(2)
    await retry(bench, account(1))
    with pytest.raises(LeaseLost):
        await worker.step()
    assert await bench.count(PARKED) == 0
    await bench.folded(bench.worker("one"))
    assert await bench.differences() == []


async def test_while_the_projection_is_rebuilt_nothing_is_retried(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.poison(2)
    await bench.folded(bench.worker("one"))
    async with bench.pool.connection() as connection, alone(connection, "portal"):
        with pytest.raises(RebuildRunning, match="portal is being rebuilt"):
            await retry(bench, account(1))
    assert (await retry(bench, account(1))).left == 1


async def test_an_event_that_no_handler_of_a_projection_takes_parks_nothing_there(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.as_owner("UPDATE ledger.events SET state = 'broken' WHERE notification_id = 2")
    await bench.folded(bench.worker("one", care))
    await bench.folded(bench.worker("one"))
    assert await parked(bench, "care") == []
    assert len(await parked(bench, "portal")) == 1


async def test_the_care_list_says_what_is_parked_page_by_page(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    bench.poison(2, 4)
    await bench.folded(bench.worker("one"))
    queries = PortalQueries(Homes(bench.pool), bench.wakeups, bench.events)
    first = await queries.care(1, None)
    second = await queries.care(1, first.next)
    assert second.next is None
    found = [*first.items, *second.items]
    assert [(each.care, each.account_id, each.position) for each in found] == [
        ("parked", account(1), 2),
        ("parked", account(3), 4),
    ]
    assert [(each.subject_kind, each.subject_id, each.detail) for each in found[:1]] == [
        ("BillingAccount", account(1), "portal: UnknownEvent: SeatsTeleported.v1")
    ]
    assert found == [*(await queries.care(50, None)).items]
    bench.mend(2, 4)
    for number in (1, 3):
        await retry(bench, account(number))
    assert (await queries.care(50, None)).items == []


async def test_who_waits_for_a_position_past_a_parked_event_is_answered(bench: Bench) -> None:
    await bench.start_subscriptions(5)
    bench.poison(5)
    await bench.folded(bench.worker("one"))
    queries = PortalQueries(Homes(bench.pool), bench.wakeups, bench.events)
    for partition in range(12):
        await queries.reached(Position(5, partition), 0)
