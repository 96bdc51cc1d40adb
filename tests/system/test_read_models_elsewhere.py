"""Read models in a PostgreSQL of their own: orders with both logs, kills, the database away, and the wrong database."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from adapters.bootstrap import check_schema, opened_ledger
from adapters.cli.main import app
from adapters.ledger import Ledger
from adapters.postgres import embedded, read_database, schema
from adapters.settings import Settings
from ops.kafka.brokers import Cluster
from tests.system.processes import Running
from tests.system.walks import Effects, all_receipts_sent, effects_of, portal, read_model_rows, rows, walks_of

pytestmark = pytest.mark.system

LOGS = ("direct", "kafka")


def _as_owner(url: str) -> str:
    return url.replace("seatledger_app@", "postgres@", 1)


def _changed(url: str, *statements: str) -> None:
    with psycopg.connect(_as_owner(url), autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def _settings(read_url: str) -> Settings:
    return Settings(sandbox=True, read_database_url=SecretStr(read_url))


@pytest.fixture
async def ledger(ledger_url: str, read_url: str) -> AsyncIterator[Ledger]:
    async with opened_ledger(_settings(read_url), ledger_url) as opened:
        yield opened


Start = Callable[..., Running]


@pytest.fixture
def start(ledger_url: str) -> Iterator[Start]:
    started: list[Running] = []

    def begin(**settings: str) -> Running:
        started.append(Running("serve", "--workers", SANDBOX="1", **{"DATABASE_URL": ledger_url, **settings}))
        started[-1].ready()
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.killed()


@pytest.mark.parametrize("log", LOGS)
async def test_orders_go_to_their_end_through_a_kill_and_a_rebuild_finds_every_row_the_same(
    log: str,
    ledger: Ledger,
    ledger_url: str,
    read_url: str,
    start: Start,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"DATABASE_URL": ledger_url, "READ_DATABASE_URL": read_url}
    if log == "kafka":
        broker: Cluster = request.getfixturevalue("broker")
        settings |= {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "LEDGER": f"t-{uuid4().hex[:20]}"}
    walks, token = await walks_of(ledger, 4)
    service = start(**settings)
    async with portal(service, token) as client:
        await asyncio.gather(*(walk.go(client) for walk in walks[:2]))
    service.killed()  # with two orders on their way
    service = start(**settings)
    async with portal(service, token) as client:
        await asyncio.gather(*(walk.go(client) for walk in walks))  # the first two with their keys again
        order = walks[-1].answered["place"]
        placed = await rows(
            ledger,
            "SELECT partition, position FROM ledger.commands WHERE result_id = %s ORDER BY 2 DESC LIMIT 1",
            order,
        )
        waited = await client.get(
            f"/v1/orders/{order}", headers={"Seatledger-Wait-For": f"{placed[0][0]}.{placed[0][1]}"}
        )
        assert (waited.status_code, waited.json()["state"] != "Prepared") == (200, True), waited.text
        await all_receipts_sent(client, walks, within=90)
        await _ready(client, trouble=None)
        for page in ("/", "/sandbox/books"):
            shown = await client.get(page)
            assert (shown.status_code, walks[0].number in shown.text) == (200, True)
    assert await effects_of(ledger, walks) == [Effects.once(walk) for walk in walks]
    assert len(await read_model_rows(ledger, "SELECT FROM portal.orders")) == 4
    assert await rows(ledger, "SELECT FROM portal.orders") == []
    assert await rows(ledger, "SELECT FROM projecting.checkpoints WHERE projection IN ('portal', 'care')") == []
    owners = {"DATABASE_OWNER_URL": _as_owner(ledger_url), "READ_DATABASE_OWNER_URL": _as_owner(read_url)}
    for name, value in {**settings, **owners}.items():
        monkeypatch.setenv(name, value)
    compared = json.loads(_told("projections", "compare", "--json"))
    assert [(each["comparison"]["differing_rows"], each["projection"]) for each in compared] == [
        (0, each) for each in ("portal", "fulfilment_todo", "receipts_todo", "notices_todo", "timers", "care")
    ]
    assert compared[0]["comparison"]["rows"] > 40
    assert "is live" in _told("projections", "rebuild", "portal")
    listed = {each["name"]: each for each in json.loads(_told("projections", "list", "--json"))}
    assert listed["portal"]["rows"]["orders"] == 4
    status = json.loads(_told("status", "--json"))
    assert (status["healthy"], status["orders"]) == (True, {"Completed": 4})
    assert {each["name"] for each in status["projections"]} == set(listed)
    assert "Nothing is parked" in _told("parked", "list")
    assert "Nothing on the care list" in _told("care")
    assert walks[-1].number in _told("orders", "show", str(order))
    assert "of their own" in _told("doctor", code=None)
    assert "as before" in _told("migrate")


def _told(*arguments: str, code: int | None = 0) -> str:
    with ThreadPoolExecutor(1) as thread:  # the command has an event loop of its own
        done = thread.submit(lambda: CliRunner().invoke(app, list(arguments))).result()
    assert code is None or done.exit_code == code, done.output
    return done.output


async def _ready(client: httpx2.AsyncClient, trouble: str | None) -> None:
    """Return once /readyz is well, and says this of the read models."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.get("/readyz")
            said = answer.json()["read_models"]["trouble"]
            if answer.status_code == 200 and (said == trouble or (trouble and said and trouble in said)):
                return
            await asyncio.sleep(0.1)


class OtherServer:
    """A PostgreSQL server beside the session's, with a database for read models."""

    def __init__(self, ledger_url: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sl-read-"))
        self.running = embedded.start(self.folder)
        self.url = self.running.url("seatledger_app", "seatledger")
        read_database.migrate(_as_owner(self.url), ledger_url)

    def stop(self) -> None:
        self.running.stop()

    def start(self) -> None:
        self.running = embedded.start(self.folder)


@pytest.fixture
def other(ledger_url: str) -> Iterator[OtherServer]:
    made = OtherServer(ledger_url)
    yield made
    embedded.erase(made.folder)
    shutil.rmtree(made.folder, ignore_errors=True)


async def test_while_the_read_models_are_away_commands_go_on_and_queries_are_told_when_to_ask_again(
    ledger_url: str, other: OtherServer, start: Start
) -> None:
    async with opened_ledger(_settings(other.url), ledger_url) as ledger:
        walks, token = await walks_of(ledger, 3)
        early, late, walk_of_restart = walks
        service = start(READ_DATABASE_URL=other.url)
        async with portal(service, token) as client:
            await early.go(client)
            await all_receipts_sent(client, [early])
            other.stop()
            await _ready(client, trouble="database")
            await late.go(client)  # cart, draft, contact and placement: nothing of it needs the portal
            refused = await client.get(f"/v1/orders/{late.answered['place']}")
            assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
            assert int(refused.headers["Retry-After"]) > 0
            async with asyncio.timeout(30):
                while len(await ledger.sandbox.mailer.messages()) < 2:  # carried out all the same
                    await asyncio.sleep(0.1)
        service.killed()
        service = start(READ_DATABASE_URL=other.url)  # orders can be taken by a process that starts meanwhile
        async with portal(service, token) as client:
            await walk_of_restart.go(client)
            other.start()
            await _ready(client, trouble=None)
            await all_receipts_sent(client, walks)
        assert await effects_of(ledger, walks) == [Effects.once(walk) for walk in walks]
        assert "starting all the same" in service.ended_by()


async def test_another_ledgers_database_at_the_same_address_is_never_read(
    read_url: str, ledger: Ledger, start: Start
) -> None:
    walks, token = await walks_of(ledger, 1)
    service = start(READ_DATABASE_URL=read_url)
    async with portal(service, token) as client:
        async with asyncio.timeout(30):
            while (await client.get(f"/v1/accounts/{walks[0].account}")).status_code != 200:
                await asyncio.sleep(0.1)
        _changed(
            read_url,
            "UPDATE projecting.settings SET value = 'another'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await _ready(client, trouble="no connection")
        assert (await client.get(f"/v1/accounts/{walks[0].account}")).status_code == 503
        await walks[0].go(client)


# --- refused at the start -------------------------------------------------------------------------------------------


def _refused(ledger_url: str, read_url: str) -> str:
    with pytest.raises(schema.SchemaError) as refused:
        check_schema(ledger_url, _settings(read_url))
    (line,) = str(refused.value).splitlines()
    assert line.startswith("READ_DATABASE_URL: ")
    return line


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE projecting.settings SET value = 'another'", "another ledger's"),
        ("UPDATE public.alembic_version SET version_num = '0000'", "at 0000, this program needs"),
        ("UPDATE public.alembic_version SET version_num = '9999'", "newer than this program"),
        ("DROP TABLE projecting.parked", "projecting.parked is missing"),
        ("DROP TABLE portal.orders CASCADE", "portal.orders is missing"),
        ("UPDATE projecting.read_models SET version = 1 WHERE projection = 'portal'", "projections rebuild portal"),
        ("UPDATE projecting.read_models SET version = 99 WHERE projection = 'care'", "newer than this program's"),
        ("INSERT INTO projecting.checkpoints VALUES ('portal', 1, 7, 'store:x')", "restored to an earlier point"),
        ("DROP SCHEMA projecting CASCADE", "belongs to another program"),
    ],
)
def test_a_database_that_can_not_be_this_ledgers_is_refused_in_one_line(
    ledger_url: str, read_url: str, statement: str, said: str
) -> None:
    check_schema(ledger_url, _settings(read_url))
    _changed(read_url, statement)
    assert said in _refused(ledger_url, read_url)


def test_a_ledgers_own_database_and_an_empty_one_are_refused(ledger_url: str, read_url: str) -> None:
    assert "leave READ_DATABASE_URL out" in _refused(ledger_url, str(ledger_url))
    _changed(read_url, "DROP SCHEMA portal, care, projecting, finance, investigation CASCADE")
    _changed(read_url, "DROP TABLE public.alembic_version")
    assert "is empty, this program needs" in _refused(ledger_url, read_url)


def test_a_database_that_is_away_is_refused_by_who_can_not_wait(ledger_url: str, read_url: str) -> None:
    nowhere = read_url.replace("/read_", "/no_such_", 1)
    with pytest.raises(read_database.ReadDatabaseAway, match="READ_DATABASE_URL: the database does not answer"):
        check_schema(ledger_url, _settings(nowhere))
    check_schema(ledger_url, _settings(nowhere), waits=True)


def test_migrating_what_is_another_ledgers_or_anothers_changes_nothing(ledger_url: str, read_url: str) -> None:
    _changed(read_url, "UPDATE projecting.settings SET value = 'another'")
    with pytest.raises(schema.SchemaError, match="READ_DATABASE_URL: the read models there are another ledger's"):
        read_database.migrate(_as_owner(read_url), ledger_url)
    with pytest.raises(schema.SchemaError, match="READ_DATABASE_URL: this is a ledger's own database"):
        read_database.migrate(_as_owner(ledger_url), ledger_url)
    with pytest.raises(ValueError, match="READ_DATABASE_OWNER_URL: says who may migrate"):
        Settings(read_database_owner_url=SecretStr(_as_owner(read_url)))


# --- the same walls in both -----------------------------------------------------------------------------------------

_RIGHTS = """
SELECT n.nspname, c.relname, a.grantee, a.privilege_type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT grantee::regrole::text, privilege_type FROM aclexplode(c.relacl)) AS a
WHERE n.nspname IN ('portal', 'care', 'projecting', 'finance', 'investigation')
  AND c.relname NOT IN ('settings', 'spoilt', 'events', 'access_log')
"""
_COLUMNS = """
SELECT n.nspname, c.relname, t.attname, x.grantee::regrole::text, x.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute t ON t.attrelid = c.oid
CROSS JOIN LATERAL aclexplode(t.attacl) AS x WHERE n.nspname = 'projecting'
"""
_POLICIES = """
SELECT schemaname, tablename, policyname, roles::text, cmd, qual FROM pg_policies
WHERE schemaname IN ('portal', 'care', 'projecting')
"""
_SHAPES = """
SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns
WHERE table_schema IN ('portal', 'care', 'projecting', 'finance', 'investigation')
  AND table_name NOT IN ('settings', 'spoilt', 'events', 'access_log')
"""


@contextmanager
def _both(ledger_url: str, read_url: str) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    with psycopg.connect(_as_owner(ledger_url)) as ledger, psycopg.connect(_as_owner(read_url)) as read:
        yield ledger, read


@pytest.mark.parametrize("query", [_RIGHTS, _COLUMNS, _POLICIES, _SHAPES], ids=["rights", "columns", "rows", "shapes"])
def test_who_may_read_what_is_the_same_in_both_databases(ledger_url: str, read_url: str, query: str) -> None:
    with _both(ledger_url, read_url) as (ledger, read):
        here = set(ledger.execute(query.encode()).fetchall())
        assert here == set(read.execute(query.encode()).fetchall())
        assert here
