"""Read models in another database: what is parked in both is one list, and a restored store is noticed."""

from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.log.direct import DirectLog
from adapters.postgres.homes import MAY_LIVE_ELSEWHERE, Homes, connected
from adapters.postgres.parking import listed, retried
from adapters.postgres.projecting import LogChanged, ProjectionWorker
from adapters.postgres.projection_status import state_of
from adapters.postgres.read_models import CareEntry, care_page
from adapters.postgres.rebuilding import Rebuild
from projections.catalogue import PROJECTIONS
from projections.fold import Projection
from projections.portal import portal
from projections.timers import timers
from tests.contracts.projection_bench import Bench, account

pytestmark = pytest.mark.system

Pools = Homes[AsyncConnectionPool[AsyncConnection]]


@pytest.fixture
async def pools(bench: Bench, read_url: str) -> AsyncIterator[Pools]:
    elsewhere: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        read_url, open=False, kwargs={"autocommit": True}
    )
    async with elsewhere:
        yield Homes(bench.pool, elsewhere)


def _worker(bench: Bench, pools: Pools, projection: Projection) -> ProjectionWorker:
    return ProjectionWorker(projection, bench.log(), pools.of(projection.name), bench.wakeups, "worker", page_size=7)


def _as_owner(read_url: str, *statements: str) -> None:
    with psycopg.connect(read_url.replace("seatledger_app@", "postgres@", 1), autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def test_to_do_lists_never_live_elsewhere() -> None:
    assert {each.name for each in PROJECTIONS} > MAY_LIVE_ELSEWHERE == {"portal", "care"}


async def test_what_is_parked_in_either_database_is_one_list_by_page_and_is_retried_where_it_is(
    bench: Bench, pools: Pools, read_url: str
) -> None:
    await bench.start_subscriptions(20, accounts=4)
    bench.poison(6, 7)
    for projection in (portal, timers):
        await bench.folded(_worker(bench, pools, projection))
    stale = "INSERT INTO projecting.parked SELECT 'portal', {} FROM projecting.parked WHERE projection = 'timers'"
    with psycopg.connect(bench.owner_url) as connection:
        columns = (
            "position, partition, previous, originator_id, originator_version, topic, state, event_id, account_id,"
        )
        columns += "recorded_at, effective_at, actor_id, actor_role, on_behalf_of, correlation_id, causation_id,"
        columns += "idempotency_key, error, tries, parked_at"
        connection.execute(stale.format(columns).encode())  # from before the read models went elsewhere
    entries: list[CareEntry] = []
    cursor: str | None = None
    while True:
        page = await care_page(pools, 1, cursor)
        entries += page.items
        cursor = page.next
        if cursor is None:
            break
    told = sorted((each.position, each.detail.partition(":")[0]) for each in entries)
    assert told == [(6, "portal"), (6, "timers"), (7, "portal"), (7, "timers")]
    assert [each.position for each in entries] == [6, 6, 7, 7]
    urls = Homes(bench.url, read_url)
    async with connected(urls) as connections:
        parked = await listed(connections, None, None)
        assert [(each.projection, each.position) for each in parked] == [
            ("portal", 6),
            ("portal", 7),
            ("timers", 6),
            ("timers", 7),
        ]
        assert await listed(connections, "timers", parked[0].account_id) == [parked[2]]
        state = await state_of(connections, portal)
        assert (state.accounts_parked, state.events_behind, state.rows["subscriptions"] > 0) == (2, 0, True)
        bench.mend(6, 7)
        _as_owner(read_url, "UPDATE projecting.parked SET topic = 'SubscriptionStarted.v1'")
        for each in parked:
            projection = {"portal": portal, "timers": timers}[each.projection]
            assert (await retried(connections.of(each.projection), projection, each.account_id)).left == 0
        assert await listed(connections, None, None) == []


async def test_an_account_parked_in_the_ledgers_database_has_its_number_from_the_other(
    bench: Bench, pools: Pools, read_url: str
) -> None:
    await bench.start_subscriptions(4, accounts=1)
    bench.poison(4)
    await bench.folded(_worker(bench, pools, timers))
    async with pools.read_models.connection() as connection:
        await connection.execute(
            "INSERT INTO portal.accounts (account_id, number, country, currency, language, time_zone, territory,"
            " legal_name, billing_contact, billing_address, version)"
            " VALUES (%s, 'A-77', 'DE', 'EUR', 'de', 'Europe/Berlin', 'dach', '{}', '{}', '{}', 1)",
            (account(0),),
        )
    assert [each.account_number for each in (await care_page(pools, 5, None)).items] == ["A-77"]
    async with connected(Homes(bench.url, read_url)) as connections:
        assert [each.account_number for each in await listed(connections, None, None)] == ["A-77"]


async def test_a_store_restored_to_an_earlier_point_stops_the_read_models_until_they_are_rebuilt(
    bench: Bench, pools: Pools, read_url: str
) -> None:
    await bench.start_subscriptions(30)
    await bench.folded(_worker(bench, pools, portal))
    bench.as_owner("DELETE FROM ledger.events WHERE notification_id > 10")
    with pytest.raises(LogChanged, match="at position 30, but the store ends at 10"):
        await _worker(bench, pools, portal).read_until({0: 10}, lambda _: None)
    owner = read_url.replace("seatledger_app@", "postgres@", 1)
    rebuild = Rebuild(
        portal,
        partial(DirectLog, bench.pool, bench.wakeups),
        pools.of(portal.name),
        partial(AsyncConnection.connect, owner, autocommit=True),
    )
    assert (await rebuild.rebuild()).comparison is None
    async with pools.read_models.connection() as connection:
        count = await (await connection.execute("SELECT count(*) FROM portal.subscriptions")).fetchone()
    assert count == (10,)
    await _worker(bench, pools, portal).read_until({0: 10}, lambda _: None)
