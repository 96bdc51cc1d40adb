"""The second wall between accounts: the database gives a caller no row that is not his, whatever the query forgets."""

import re
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool

from adapters.bootstrap import opened_ledger, projecting
from adapters.log.direct import DirectLog
from adapters.postgres import schema
from adapters.postgres.rebuilding import Rebuild
from adapters.postgres.row_policies import Policy
from adapters.postgres.sight import (
    EVERY_ACCOUNT,
    NO_ACCOUNT,
    Seen,
    become_api,
    seeing,
    seen,
    these_accounts,
    these_territories,
)
from adapters.postgres.views import VIEWS
from adapters.settings import Settings
from projections.catalogue import PROJECTIONS
from projections.fold import Projection
from tests.contracts.projection_bench import Bench, account
from tests.reference.policies import PATH, tables, written
from tests.system.customers import CARDLESS, LINDNER, RESTRICTED, STRANGER, customers

pytestmark = pytest.mark.system

TABLES = tables()
EVERYBODY = {LINDNER, STRANGER, RESTRICTED, CARDLESS}
A_ROW = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, (
    SELECT jsonb_object_agg(attname, CASE
        WHEN attname = 'account_id' THEN to_jsonb(%s::text)
        WHEN atttypid = 'uuid'::regtype THEN to_jsonb(gen_random_uuid())
        WHEN atttypid = 'bytea'::regtype THEN to_jsonb('x'::text)
        WHEN atttypid IN ('timestamptz'::regtype, 'date'::regtype) THEN to_jsonb(now()::text)
        WHEN atttypid = 'jsonb'::regtype THEN '{{}}'::jsonb
        WHEN atttypid = 'boolean'::regtype THEN 'true'::jsonb
        WHEN attname = 'territory' THEN to_jsonb('dach'::text)
        ELSE to_jsonb((random() * 1000000)::int %% 30000) END)
    FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped))).*
"""


def _as(role: str, url: str) -> str:
    return re.sub(r"//\w+@", f"//{role}@", url)


@pytest.fixture
def filled(ledger_url: str) -> str:
    """A ledger with a row of Lindner's and one of the stranger's in every table that has an account."""
    with psycopg.connect(_as("postgres", ledger_url), autocommit=True) as owner:
        for name in TABLES:
            for of in (LINDNER, STRANGER):
                owner.execute(A_ROW.format(table=name).encode(), (str(of),))
    return ledger_url


@pytest.fixture
def api(filled: str) -> Iterator[Connection]:
    with psycopg.connect(_as("seatledger_api", filled), autocommit=True) as connection:
        yield connection


def _read(connection: Connection, table: str, what: Seen | None) -> set[UUID]:
    """Whose rows a transaction reads that says so."""
    with connection.transaction():
        if what:
            connection.execute("SELECT set_config(%s, %s, true)", what)
        return {row[0] for row in connection.execute(f"SELECT account_id FROM {table}".encode()).fetchall()}


def _readable(connection: Connection) -> list[str]:
    """The tables that it may read at all: of the others it does not even reach the schema."""
    readable = []
    for name in TABLES:
        try:
            _read(connection, name, None)
        except psycopg.errors.InsufficientPrivilege:
            continue
        readable.append(name)
    return readable


def test_without_a_setting_the_api_reads_no_row_of_any_table_with_an_account(api: Connection) -> None:
    readable = _readable(api)
    assert {"portal.orders", "portal.timeline", "care.entries", "ledger.vault", "projecting.parked"} <= set(readable)
    for name in readable:
        for what in (None, NO_ACCOUNT, Seen("seatledger.accounts", ""), Seen("seatledger.every_account", "off")):
            assert _read(api, name, what) == set(), (name, what)


def test_with_a_setting_it_reads_those_accounts_and_no_others(api: Connection) -> None:
    for name in _readable(api):
        assert _read(api, name, these_accounts(LINDNER)) == {LINDNER}, name
        assert _read(api, name, these_accounts(CARDLESS)) == set(), name
        assert _read(api, name, EVERY_ACCOUNT) == {LINDNER, STRANGER}, name
        here = {LINDNER, STRANGER} if name == "portal.accounts" else set()
        assert _read(api, name, these_territories(["dach"])) == here, name
        assert _read(api, name, these_territories(['d"ach', "da\\ch", "{}"])) == set(), name
        assert _read(api, name, None) == set(), "what a transaction said ended with it"


def test_nothing_is_read_because_of_a_setting_without_sense(api: Connection) -> None:
    for value in ("*", "{*}", "all", "{NULL}"):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation) if value != "{NULL}" else _nothing():
            assert _read(api, "portal.orders", Seen("seatledger.accounts", value)) == set()


class _nothing:  # noqa: N801 -- stands where a context manager does
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


async def test_a_pooled_connection_forgets_whom_it_served(filled: str) -> None:
    async def configure(connection: AsyncConnection) -> None:
        await connection.set_autocommit(True)
        await become_api(connection)

    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        filled, min_size=1, max_size=1, open=False, configure=configure
    )
    query = "SELECT DISTINCT account_id FROM portal.orders"
    async with pool:
        for of in (LINDNER, STRANGER, LINDNER):
            before = seen.set(these_accounts(of))
            async with seeing(pool) as connection:
                assert await (await connection.execute(query)).fetchall() == [(of,)]
                assert await (await connection.execute(query)).fetchall() == [(of,)], "all of the block is one"
            seen.reset(before)
            async with pool.connection() as connection:
                assert await (await connection.execute(query)).fetchall() == []
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with seeing(pool) as connection:
                await (await connection.execute("SELECT FROM portal.nothing")).fetchall()
        async with seeing(pool) as connection:
            assert len(await (await connection.execute(query)).fetchall()) == 2, "an error breaks nothing"


async def test_requests_are_served_as_the_api_and_workers_see_everything(ledger_url: str) -> None:
    await customers(ledger_url)
    async with opened_ledger(Settings(sandbox=True), ledger_url) as ledger, projecting(ledger):
        async with ledger.pool.connection() as connection:
            row = await (await connection.execute("SELECT max(notification_id) FROM ledger.events")).fetchone()
        assert row
        while len((await ledger.queries.accounts(None, frozenset(), 10, None)).items) < len(EVERYBODY):
            await ledger.queries.wait_for_news(ledger.queries.news(), 0.05)
        async with ledger.queries._pool.connection() as connection:
            who = await (await connection.execute("SELECT current_user::text")).fetchone()
            assert who == ("seatledger_api",)
        before = seen.set(these_accounts(LINDNER))
        try:
            page = await ledger.queries.accounts(None, frozenset(), 10, None)
            assert {each.account_id for each in page.items} == {LINDNER}, "the query itself would give all"
            assert await ledger.queries.account(STRANGER) is None
            references = [page.items[0].legal_name]
            assert len(await ledger.vault.read(references)) == 1
            seen.set(these_accounts(STRANGER))
            assert await ledger.vault.read(references) == {}
        finally:
            seen.reset(before)


def _in_database(connection: Connection) -> dict[str, set[tuple[str, str, str]]]:
    """Which policies there are for whom on what, by table."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for name, policy, roles, command in connection.execute(
        "SELECT schemaname || '.' || tablename, policyname, roles, cmd FROM pg_policies"
    ).fetchall():
        found.setdefault(name, set()).add((policy, *roles, command))
    return found


def _wanted(policies: tuple[Policy, ...]) -> set[tuple[str, str, str]]:
    return {(each.name, each.role, each.command) for each in policies}


def _expressions(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT policyname, qual FROM pg_policies WHERE with_check IS NULL").fetchall()
    return {(name, " ".join(said.split())) for name, said in rows}


def _rebuild(bench: Bench, projection: Projection) -> Rebuild:
    connect = partial(AsyncConnection.connect, bench.owner_url, autocommit=True)
    return Rebuild(projection, partial(DirectLog, bench.pool, bench.wakeups), bench.pool, connect)


async def test_every_table_has_its_policies_after_the_migration_and_after_each_rebuild(bench: Bench) -> None:
    with psycopg.connect(bench.owner_url, autocommit=True) as owner:
        migrated = _in_database(owner)
        assert migrated == {name: _wanted(policies) for name, policies in TABLES.items()}
        said = _expressions(owner)
        assert len(said) == 4, "a migration and a rebuild say the same"
        await bench.start_subscriptions(10)
        for projection in PROJECTIONS:
            await bench.folded(bench.worker("one", projection))
            await _rebuild(bench, projection).rebuild()
        assert _in_database(owner) == migrated
        assert _expressions(owner) == said
        closed = "SELECT relrowsecurity FROM pg_class WHERE oid = %s::regclass"
        assert all(owner.execute(closed, (name,)).fetchone() == (True,) for name in TABLES)
    with psycopg.connect(_as("seatledger_api", bench.url), autocommit=True) as api:
        assert _read(api, "portal.subscriptions", None) == set()
        assert _read(api, "portal.subscriptions", these_accounts(account(1))) == {account(1)}


async def test_views_of_others_look_at_the_live_tables_whoever_reads_while_they_are_swapped(bench: Bench) -> None:
    await bench.start_subscriptions(10)
    portal = PROJECTIONS[0]
    await bench.folded(bench.worker("one", portal))
    for role in ("seatledger_finance", "seatledger_investigator"):
        names = [name for name, view in VIEWS.items() if view.role == role]
        with psycopg.connect(_as(role, bench.url), autocommit=True) as reader:
            for name in names:
                reader.execute(f"SELECT * FROM {name}".encode())
    with psycopg.connect(_as("seatledger_investigator", bench.url)) as reader:
        assert reader.execute("SELECT count(*) FROM investigation.timeline").fetchone() == (10,)
        reader.rollback()
        await _rebuild(bench, portal).rebuild()
        await bench.start_subscriptions(1)
        await bench.folded(bench.worker("two", portal))
        assert reader.execute("SELECT count(*) FROM investigation.timeline").fetchone() == (11,)
        [(content,)] = reader.execute("SELECT content::jsonb->>'number' FROM investigation.events LIMIT 1").fetchall()
        assert content == "S-0"


def test_views_that_are_gone_are_made_again_at_the_next_migration(ledger_url: str) -> None:
    with psycopg.connect(_as("postgres", ledger_url), autocommit=True) as owner:
        owner.execute("DROP VIEW finance.orders, investigation.timeline")
        schema.migrate(_as("postgres", ledger_url), 12)
        assert owner.execute("SELECT count(*) FROM finance.orders").fetchone() == (0,)


def test_the_page_of_row_policies_is_as_it_would_be_written_now() -> None:
    assert PATH.read_text("utf-8") == written(), "look at it, then run `make reference`"


def test_a_role_that_may_not_serve_the_api_is_told_so(ledger_url: str) -> None:
    with psycopg.connect(_as("postgres", ledger_url), autocommit=True) as owner:
        owner.execute("GRANT USAGE ON SCHEMA public TO seatledger_reader")
        owner.execute("GRANT SELECT ON public.alembic_version TO seatledger_reader")
    with (
        psycopg.connect(_as("seatledger_reader", ledger_url), autocommit=True) as reader,
        pytest.raises(schema.SchemaError, match="may not become seatledger_api"),
    ):
        schema.check(reader, 12)
