"""A database that this version can't work with is refused before anything is served: one plain line, exit code 2."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.bootstrap import check_schema
from adapters.postgres import schema
from adapters.settings import Settings
from projections.catalogue import PROJECTIONS
from tests.system.test_cli import plain_refusal, run

pytestmark = pytest.mark.system


def _as_owner(ledger_url: str) -> str:
    return ledger_url.replace("seatledger_app@", "postgres@", 1)


def _changed(ledger_url: str, *statements: str) -> None:
    with psycopg.connect(_as_owner(ledger_url), autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def _refused(command: str, url: str) -> str:
    """What the command says; all but `migrate` ask the same question."""
    settings = Settings(sandbox=True)
    with pytest.raises(schema.SchemaError) as refused:
        schema.migrate(url, settings.partitions) if command == "migrate" else check_schema(url, settings)
    (line,) = str(refused.value).splitlines()
    return line


def test_every_table_of_the_schema_is_looked_for_at_the_start(ledger_url: str) -> None:
    known = {*schema.TABLES, *(f"{each.name}.{table}" for each in PROJECTIONS for table in each.tables)}
    with psycopg.connect(_as_owner(ledger_url)) as connection:
        there = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'public')"
        ).fetchall()
    assert known == {name for (name,) in there}


def test_a_half_migrated_schema_is_told_to_be_migrated(ledger_url: str) -> None:
    _changed(ledger_url, "UPDATE public.alembic_version SET version_num = '0002'")
    assert f"is at 0002, this program needs {schema.HEAD}: run `seatledger migrate`" in _refused("serve", ledger_url)


@pytest.mark.parametrize("table", ["ledger.vault", "projecting.checkpoints", "portal.orders", "timers.entries"])
def test_a_schema_with_a_table_lost_is_refused(ledger_url: str, table: str) -> None:
    _changed(ledger_url, f"DROP TABLE {table} CASCADE")
    assert f"{table} is missing" in _refused("serve", ledger_url)


@pytest.mark.parametrize("command", ["serve", "work", "status", "migrate"])
def test_a_newer_schema_asks_for_a_newer_program(ledger_url: str, tmp_path: Path, command: str) -> None:
    _changed(ledger_url, "UPDATE public.alembic_version SET version_num = '0999'")
    url = _as_owner(ledger_url) if command == "migrate" else ledger_url
    said = plain_refusal(run(command, folder=tmp_path, DATABASE_URL=url, SANDBOX="1"))
    assert "schema (0999) is newer than this program" in said
    assert "update the program" in said


@pytest.mark.parametrize("row", ["DELETE FROM public.alembic_version", "DROP TABLE public.alembic_version"])
def test_a_schema_of_no_version_is_refused(ledger_url: str, row: str) -> None:
    _changed(ledger_url, row)
    for command, url in (("serve", ledger_url), ("migrate", _as_owner(ledger_url))):
        assert "no version of this program made" in _refused(command, url)


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database with nothing in it, as its owner."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE somebodys")
        yield server_url.replace("/postgres?", "/somebodys?", 1)
        connection.execute("DROP DATABASE somebodys WITH (FORCE)")


@pytest.mark.parametrize(
    "of_another_program",
    [
        ("CREATE TABLE public.auth_user (id int)",),
        ("CREATE SCHEMA blog", "CREATE TABLE blog.posts (id int)"),
        (
            "CREATE TABLE public.alembic_version (version_num text)",
            "INSERT INTO alembic_version VALUES ('ae1027a6acf')",
        ),
    ],
    ids=["tables", "a schema", "Alembic"],
)
def test_another_program_s_database_is_refused_and_left_alone(
    empty_url: str, of_another_program: tuple[str, ...]
) -> None:
    _changed(empty_url, *of_another_program)
    for command in ("serve", "migrate"):
        assert "belongs to another program" in _refused(command, empty_url)
    with psycopg.connect(empty_url) as connection:
        made = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('ledger', 'projecting', 'sandbox')"
        assert connection.execute(made).fetchone() == (0,)


def test_a_role_that_may_not_migrate_is_said_and_nothing_is_changed(server_url: str, empty_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_special LOGIN")
    try:
        said = _refused("migrate", empty_url.replace("postgres@", "nobody_special@", 1))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("DROP ROLE nobody_special")
    assert "permission denied" in said


def test_a_role_that_may_not_see_the_ledger_is_said(ledger_url: str) -> None:
    said = _refused("serve", ledger_url.replace("seatledger_app@", "seatledger_reader@", 1))
    assert "permission denied" in said


@pytest.mark.parametrize("url", ["postgresql:///x?nonsense=1", "postgresql://127.0.0.1:99999/x"])
def test_an_address_that_is_none_is_said(url: str) -> None:
    assert "DATABASE_URL: " in _refused("serve", url)


@contextmanager
def _listener(*said: bytes) -> Iterator[str]:
    """The address of something that answers whoever connects with these bytes, one after each message, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    for each in said:
                        connection.recv(4096)
                        connection.sendall(each)
                    connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"postgresql://someone@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable&gssencmode=disable"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def test_a_server_of_another_kind_is_said() -> None:
    with _listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert "the database does not answer" in _refused("serve", url)


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_server_older_than_postgresql_14_is_refused(command: str) -> None:
    """https://www.postgresql.org/docs/current/protocol-flow.html: welcome, its version, ready."""
    welcome = _message(b"R", struct.pack("!i", 0)) + _message(b"S", b"server_version\x0013.14\x00")
    welcome += _message(b"S", b"client_encoding\x00UTF8\x00") + _message(b"Z", b"I")
    with _listener(welcome) as url:
        assert "is PostgreSQL 13, this program needs 14 or newer" in _refused(command, url)
