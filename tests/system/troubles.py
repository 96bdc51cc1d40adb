"""What can be wrong with a database, each really made on a server of the test's own, and undone again."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from adapters.postgres import embedded, schema
from adapters.postgres.embedded import EmbeddedServer

_FILE_AT_MOST = 16 * 1024 * 1024  # a segment of the write-ahead log; less would stop everything


class Server:
    """An embedded server with one ledger on it, and an owner's hand on both."""

    def __init__(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="sl-"))
        self.running: EmbeddedServer = embedded.start(folder)
        self.owner_url = self.running.url("postgres", "seatledger")
        self.url = self.running.url("seatledger_app", "seatledger")
        self._small = self.running.data.parent / "small"
        schema.migrate(self.owner_url, partitions=12)

    def start(self) -> None:
        self.running = embedded.start(self._folder)

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: no connection closed in good order, and the log is replayed at the start."""
        ending = self.processes()
        os.kill(self.postmaster, signal.SIGQUIT)
        give_up_at = time.monotonic() + 20
        while any(Path(f"/proc/{each}/cwd").exists() for each in ending):
            assert time.monotonic() < give_up_at
            time.sleep(0.02)

    @property
    def postmaster(self) -> int:
        return int((self.running.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def processes(self) -> list[int]:
        """The postmaster and its children."""
        postmaster, found = self.postmaster, []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(") ")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == postmaster:
                found.append(int(status.parent.name))
        return [postmaster, *found]

    def small_file_system(self) -> Path | None:
        """An empty one of 4 MB that the server may write to; None where this account may mount nothing."""
        account = self.running.data.stat()
        options = f"size=4m,uid={account.st_uid},gid={account.st_gid},mode=0700"
        self._small.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self._small], check=False)
        return None if done.returncode else self._small

    def erase(self) -> None:
        if self._small.exists():
            self.running.stop()
            if self._small.is_mount():
                subprocess.run(["umount", self._small], check=True)
            self._small.rmdir()
        embedded.erase(self._folder)
        shutil.rmtree(self._folder)

    def execute(self, query: str) -> None:
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(self.owner_url, autocommit=True, options=options) as connection:
            connection.execute(query.encode())

    def end_sessions(self) -> None:
        self.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = 'seatledger_app'")


Trouble = Callable[[Server], AbstractContextManager[None]]


@contextmanager
def away(server: Server) -> Iterator[None]:
    """Killed, and started again only at the end."""
    server.crash()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Every process of it stands still: connections stay, new ones are taken by the system, and nobody answers."""
    stopped = server.processes()
    for each in stopped:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in stopped:
            os.kill(each, signal.SIGCONT)


@contextmanager
def events_locked(server: Server) -> Iterator[None]:
    """Somebody works on the table of events and lets nobody near it, not even to read."""
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("LOCK TABLE ledger.events IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def appends_locked(server: Server) -> Iterator[None]:
    """Somebody else's append does not come to its end; reading goes on."""
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7238902345)")
        yield


@contextmanager
def without_connections(server: Server) -> Iterator[None]:
    """The role may not connect any more, and has lost the connections that it had."""
    server.execute("ALTER ROLE seatledger_app CONNECTION LIMIT 0")
    try:
        server.end_sessions()
        yield
    finally:
        server.execute("ALTER ROLE seatledger_app CONNECTION LIMIT -1")


@contextmanager
def full_of_connections(server: Server) -> Iterator[None]:
    """Other programs have taken every connection that the server has; ours were lost."""
    others: list[psycopg.Connection] = []
    server.execute("CREATE ROLE other LOGIN")
    try:
        with without_connections(server), contextlib.suppress(psycopg.OperationalError):
            while True:
                others.append(psycopg.connect(server.running.url("other", "postgres")))
        yield
    finally:
        for each in others:
            each.close()
        server.execute("DROP ROLE other")


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    """Whoever connects now may only read, as on a standby; who has such a connection keeps it afterwards."""
    server.execute("ALTER DATABASE seatledger SET default_transaction_read_only = on")
    try:
        server.end_sessions()
        yield
    finally:
        server.execute("ALTER DATABASE seatledger RESET default_transaction_read_only")


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """The events are on a small file system with no byte left; where none may be mounted, as `full_files`."""
    folder = server.small_file_system()
    if folder is None:
        with full_files(server):
            yield
        return
    server.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
    server.execute("ALTER TABLE ledger.events SET TABLESPACE small")
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def full_files(server: Server) -> Iterator[None]:
    """The file of the events may not grow any more, as under a quota."""
    with psycopg.connect(server.owner_url) as connection:
        row = connection.execute("SELECT pg_relation_filepath('ledger.events')").fetchone()
    assert row is not None
    server.crash()
    os.truncate(server.running.data / row[0], _FILE_AT_MOST)  # empty pages, which the server does not know yet
    server.start()
    try:
        _limit(server, str(_FILE_AT_MOST))
        yield
    finally:
        _limit(server, "unlimited")


_LIMIT_EACH = """
for each; do prlimit --pid "$each" --fsize="$SIZE:unlimited" || test ! -e "/proc/$each" || exit 1; done
"""


def _limit(server: Server, size: str) -> None:
    """As the server's own account: root in a container may not. In one go: meanwhile some have it and some do not."""
    account = server.running.data.stat()
    limited: list[int] = []
    while new := [each for each in server.processes() if each not in limited]:  # forked before the first had it
        limited += new
        subprocess.run(
            ["sh", "-c", _LIMIT_EACH, "sh", *map(str, new)], env={**os.environ, "SIZE": size},
            user=account.st_uid, group=account.st_gid, extra_groups=[], cwd="/", check=True,
        )  # fmt: skip
