"""What the database's roles can't do, so that a fault or an intruder in the application can't change history."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

pytestmark = pytest.mark.system

TRUTH = ("events", "commands", "vault")
READING, CHANGING = {"SELECT"}, {"SELECT", "INSERT", "UPDATE", "DELETE"}
KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
READ_MODELS = ("portal", "fulfilment_todo", "receipts_todo", "notices_todo", "timers", "care")

# Every table of the database, so that one added later is looked at here first; the read models by their schema.
APPLICATION = {
    "public.alembic_version": READING,
    "ledger.events": READING,
    "ledger.commands": READING,
    "ledger.vault": READING,
    "ledger.settings": {"SELECT", "INSERT"},  # INSERT: `migrate` fixes what isn't fixed yet; nothing can be replaced
    "ledger.work_claims": CHANGING,
    "ledger.relay": {"SELECT", "UPDATE"},
    "ledger.access_log": {"INSERT"},
    "ledger.sign_ins": CHANGING,
    "ledger.sessions": CHANGING,
    "projecting.checkpoints": {"SELECT", "INSERT", "UPDATE"},
    "projecting.parked": CHANGING,
    "projecting.spoilt": {"SELECT", "INSERT"},
    "projecting.read_models": READING,
    "sandbox.books": CHANGING,
    **dict.fromkeys(READ_MODELS, CHANGING),
}
READER = {
    "ledger.events": READING,
    "ledger.settings": READING,
    "projecting.checkpoints": READING,
    "projecting.parked": READING,
    "projecting.spoilt": READING,
    "ledger.relay": READING,
    "projecting.read_models": READING,
    **dict.fromkeys(READ_MODELS, READING),
}

# What requests are served as: of the row policies that narrow this further see test_row_policies.py.
API = {
    "public.alembic_version": READING,
    "ledger.events": READING,
    "ledger.commands": READING,
    "ledger.vault": READING,
    "ledger.settings": READING,
    "ledger.access_log": {"INSERT"},
    "ledger.sign_ins": CHANGING,
    "ledger.sessions": CHANGING,
    "projecting.checkpoints": READING,
    "projecting.parked": READING,  # some columns
    "projecting.read_models": READING,
    **dict.fromkeys(("portal", "care"), READING),
}
FINANCE = {f"finance.{view}": READING for view in ("accounts", "orders", "receipts")}
INVESTIGATOR = {
    f"investigation.{view}": READING for view in ("accounts", "quotes", "orders", "timeline", "events", "access_log")
}

LOGINS = ("seatledger_api", "seatledger_app", "seatledger_finance", "seatledger_investigator", "seatledger_reader")

AN_EVENT = """
INSERT INTO ledger.events VALUES (1, gen_random_uuid(), 1, 'QuoteIssued.v1', '', gen_random_uuid(), now(), now(), 'me',
'operator', NULL, gen_random_uuid(), gen_random_uuid(), NULL, gen_random_uuid(), 0)
"""
A_RECORD = "INSERT INTO ledger.vault VALUES (gen_random_uuid(), 1, gen_random_uuid(), 'Contact', '', '', now())"
A_COMMAND = """
INSERT INTO ledger.commands VALUES (gen_random_uuid(), gen_random_uuid(), 'me', 'key', '', 'Quote', gen_random_uuid(),
1, 1, 0, now())
"""

NOT_THE_APPLICATIONS = (
    "ALTER TABLE ledger.events ADD COLUMN remark text",
    "ALTER TABLE ledger.events DISABLE TRIGGER ALL",
    "ALTER TABLE ledger.events OWNER TO CURRENT_USER",
    "ALTER TABLE ledger.vault ALTER COLUMN salt DROP NOT NULL",
    "ALTER FUNCTION ledger.append SECURITY INVOKER",
    "ALTER SCHEMA ledger RENAME TO elsewhere",
    "ALTER SCHEMA portal RENAME TO elsewhere",
    "UPDATE projecting.read_models SET version = 99",
    "DROP TABLE ledger.events",
    "DROP FUNCTION ledger.append",
    "DROP SCHEMA ledger CASCADE",
    "CREATE TABLE ledger.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE TABLE portal.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE RULE nothing AS ON INSERT TO ledger.events DO INSTEAD NOTHING",
    "CREATE TRIGGER nothing BEFORE INSERT ON ledger.events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE INDEX mine ON ledger.events (topic)",
    "CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine SUPERUSER",
    "CREATE DATABASE mine",
    "CREATE EXTENSION file_fdw",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "SET ROLE seatledger_owner",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION seatledger_owner",
    "SET session_replication_role = replica",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY ledger.work_claims FROM PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY ledger.events FROM STDIN",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT * FROM ledger.events FOR UPDATE",
    "DO 'BEGIN LOCK TABLE ledger.events IN SHARE MODE; END'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "ALTER SYSTEM SET fsync = off",
    "SELECT * FROM pg_authid",
)


@pytest.fixture
def application(ledger_url: str) -> Iterator[Connection]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def reader(ledger_url: str) -> Iterator[Connection]:
    with psycopg.connect(_as("seatledger_reader", ledger_url), autocommit=True) as connection:
        yield connection


def _as(role: str, url: str) -> str:
    return url.replace("seatledger_app@", f"{role}@", 1)


def _refused(connection: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


def _rights(connection: Connection, role: str) -> dict[str, set[str]]:
    rows = connection.execute(
        """SELECT n.nspname, c.relname, kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN unnest(%(kinds)s::text[]) AS k (kind)
        WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (has_table_privilege(%(role)s, c.oid, kind)
             OR kind IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(%(role)s, c.oid, kind)
             OR has_table_privilege(%(role)s, c.oid, kind || ' WITH GRANT OPTION'))""",
        {"kinds": list(KINDS), "role": role},
    ).fetchall()
    rights: dict[str, set[str]] = {}
    for schema, table, kind in rows:
        rights.setdefault(schema if schema in READ_MODELS else f"{schema}.{table}", set()).add(kind)
    return rights


def test_the_application_has_these_rights_on_each_table_and_no_others(application: Connection) -> None:
    assert _rights(application, "seatledger_app") == APPLICATION


@pytest.mark.parametrize(
    ("role", "rights"),
    [("seatledger_api", API), ("seatledger_finance", FINANCE), ("seatledger_investigator", INVESTIGATOR)],
    ids=["api", "finance", "investigator"],
)
def test_every_other_role_has_its_rights_and_no_others(
    application: Connection, role: str, rights: dict[str, set[str]]
) -> None:
    assert _rights(application, role) == rights


@pytest.mark.parametrize("role", ["seatledger_api", "seatledger_finance", "seatledger_investigator"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.events SET topic = topic",
        "DELETE FROM ledger.events",
        "TRUNCATE ledger.events",
        AN_EVENT,
        A_RECORD,
        "UPDATE portal.orders SET state = state",
        "DELETE FROM ledger.access_log",
        "SELECT actor_id FROM ledger.access_log",
        "SELECT state FROM projecting.parked",
        "SELECT * FROM fulfilment_todo.entries",
        "SELECT * FROM sandbox.books",
        "ALTER TABLE portal.orders DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenants ON portal.orders",
        "CREATE TABLE public.mine (id int)",
        "SET ROLE seatledger_app",
        "SET ROLE seatledger_owner",
    ],
)
def test_they_change_nothing_and_become_nobody_else(ledger_url: str, role: str, statement: str) -> None:
    with psycopg.connect(_as(role, ledger_url), autocommit=True) as connection:
        _refused(connection, statement)


def test_the_reader_only_reads_and_neither_vault_nor_commands(application: Connection) -> None:
    assert _rights(application, "seatledger_reader") == READER


def test_whoever_just_has_a_login_has_no_rights_at_all(application: Connection) -> None:
    assert _rights(application, "public") == {}
    schemas = application.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
        " AND has_schema_privilege('public', oid, 'USAGE, CREATE')"
    ).fetchall()
    assert schemas == []


def test_the_ledgers_database_is_open_to_its_roles_only_and_to_no_temporary_tables(
    application: Connection, template: str
) -> None:
    # A copy has none of its template's own rights, so they are looked up where `migrate` ran.
    for role, connect in {"public": False, **dict.fromkeys(LOGINS, True)}.items():
        found = application.execute(
            "SELECT has_database_privilege(%(role)s, %(name)s, 'CONNECT'),"
            " has_database_privilege(%(role)s, %(name)s, 'TEMPORARY, CREATE')",
            {"role": role, "name": template},
        ).fetchone()
        assert found == (connect, False), role


@pytest.mark.parametrize("statement", [AN_EVENT, A_COMMAND, A_RECORD], ids=TRUTH)
def test_nothing_is_recorded_past_the_function_that_appends(application: Connection, statement: str) -> None:
    _refused(application, statement)


@pytest.mark.parametrize("table", TRUTH)
@pytest.mark.parametrize("statement", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_is_recorded_is_neither_changed_nor_deleted_by_the_application(
    application: Connection, table: str, statement: str
) -> None:
    _refused(application, statement.format(f"ledger.{table}"))


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger.settings SET value = '24'", "DELETE FROM ledger.settings", "TRUNCATE ledger.settings"]
)
def test_what_is_fixed_at_the_first_start_stays_so(application: Connection, statement: str) -> None:
    _refused(application, statement)


@pytest.mark.parametrize("statement", NOT_THE_APPLICATIONS)
def test_the_application_can_change_neither_the_schema_nor_who_it_is(application: Connection, statement: str) -> None:
    _refused(application, statement)


def test_the_application_can_give_itself_nothing(application: Connection) -> None:
    # PostgreSQL only warns here, since the role has some right on the table; what counts is what it has afterwards.
    application.execute("GRANT ALL ON ledger.events, ledger.vault TO seatledger_app")
    _refused(application, "GRANT seatledger_owner TO seatledger_app")
    assert _rights(application, "seatledger_app") == APPLICATION


def test_no_role_of_the_ledger_has_powers_beyond_it(application: Connection, ledger_url: str) -> None:
    powers = application.execute(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin"
        " FROM pg_roles WHERE rolname LIKE 'seatledger%' ORDER BY rolname"
    ).fetchall()
    none = (False,) * 5
    assert powers == [
        *((role, *none, True) for role in LOGINS[:-1]),
        ("seatledger_owner", *none, False),
        ("seatledger_reader", *none, True),
    ]
    memberships = application.execute(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
        " WHERE member::regrole::text LIKE 'seatledger%'"
    ).fetchall()
    assert memberships == [("seatledger_app", "seatledger_api")], "it gives rights up for what it does for a caller"
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(_as("seatledger_owner", ledger_url))


def test_nobody_but_the_application_may_append(application: Connection, reader: Connection) -> None:
    may = application.execute(
        "SELECT who, has_function_privilege(who, p.oid, 'EXECUTE') FROM pg_proc p,"
        " unnest(%s::text[]) AS w (who)"
        " WHERE p.pronamespace = 'ledger'::regnamespace AND p.proname = 'append' ORDER BY who",
        (["public", *LOGINS],),
    ).fetchall()
    assert [who for who, allowed in may if allowed] == ["seatledger_api", "seatledger_app"]
    assert len(may) == 1 + len(LOGINS)
    arguments = sql.SQL(", ").join([sql.NULL] * 33)
    with pytest.raises(InsufficientPrivilege):
        reader.execute(sql.SQL("SELECT ledger.append({})").format(arguments))


def test_every_function_of_ours_is_closed_to_the_public(application: Connection) -> None:
    # PostgreSQL lets everybody execute a new function, and one that runs as its owner is a way round every right.
    found = application.execute(
        "SELECT p.oid::regprocedure::text, has_function_privilege('public', p.oid, 'EXECUTE'), prosecdef, proconfig"
        " FROM pg_proc p WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)'"
    ).fetchall()
    assert found
    for name, is_open, as_owner, settings in found:
        assert not is_open, name
        assert not as_owner or any(each.startswith("search_path=pg_catalog") for each in settings), name


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM ledger.vault",
        "SELECT * FROM ledger.commands",
        "SELECT * FROM ledger.work_claims",
        "SELECT * FROM sandbox.books",
        "INSERT INTO ledger.settings VALUES ('mine', '1')",
        "UPDATE portal.orders SET state = state",
        "DELETE FROM ledger.events",
        "UPDATE projecting.checkpoints SET position = 0",
        "DELETE FROM projecting.parked",
        "SET ROLE seatledger_app",
        "SET ROLE seatledger_owner",
        "CREATE TABLE public.mine (id int)",
    ],
)
def test_the_reader_is_refused_everything_else(reader: Connection, statement: str) -> None:
    _refused(reader, statement)


@pytest.mark.parametrize("table", ["ledger.events", "ledger.settings", "portal.orders", "projecting.checkpoints"])
def test_the_reader_reads_what_is_meant_for_it(reader: Connection, table: str) -> None:
    reader.execute(f"SELECT * FROM {table} LIMIT 1".encode())
