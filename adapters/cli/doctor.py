"""`seatledger doctor`: everything that a start needs, checked one by one without changing anything."""

import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import psycopg
from rich.console import Console

from adapters.bootstrap import check_schema
from adapters.cli.serving import listening_socket
from adapters.postgres.embedded import EmbeddedPostgresError, find_binaries
from adapters.postgres.homes import homes_of
from adapters.postgres.schema import SchemaError
from adapters.settings import Settings, SettingsError, from_environment

_DISK_BYTES = 500 * 1024 * 1024
_MAJOR, _OLDEST, _NEWEST = 3, 11, 13


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it is well, and what was found or is to be done."""

    check: str
    well: bool
    says: str


def findings() -> Iterator[Finding]:
    """Each check in turn."""
    yield _python()
    try:
        settings = from_environment()
    except SettingsError as error:
        yield Finding("settings", well=False, says=str(error))
        return
    yield Finding("settings", well=True, says="all there")
    yield _tried("port", lambda: _port(settings))
    yield _disk(settings)
    if settings.database_url is None:
        yield _tried("PostgreSQL", lambda: f"embedded, {find_binaries()}")
    else:
        yield _tried("PostgreSQL", lambda: _external(settings, settings.database_url.get_secret_value()))  # type: ignore[union-attr]


def diagnose(out: Console, *, as_json: bool) -> bool:
    """Print the findings; False if one is not well."""
    found = list(findings())
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in found]))
    else:
        for each in found:
            mark = "[green]ok   [/]" if each.well else "[red]wrong[/]"
            out.print(f"{mark} {each.check}:", end=" ")
            out.print(each.says, markup=False, highlight=False, soft_wrap=True)
    return all(each.well for each in found)


def _python() -> Finding:
    well = sys.version_info[0] == _MAJOR and _OLDEST <= sys.version_info[1] <= _NEWEST
    return Finding("Python", well, f"{platform.python_version()} (3.{_OLDEST} to 3.{_NEWEST} are right)")


def _disk(settings: Settings) -> Finding:
    folder = next(
        each for each in (settings.data_folder.resolve(), *settings.data_folder.resolve().parents) if each.exists()
    )
    free = shutil.disk_usage(folder).free
    return Finding("disk", free > _DISK_BYTES, f"{free // 2**20} MiB free where the data is (500 MiB are wanted)")


def _port(settings: Settings) -> str:
    listening_socket(settings).close()
    return f"{settings.host}:{settings.port} is free"


def _external(settings: Settings, url: str) -> str:
    check_schema(url, settings)
    homes = homes_of(url, settings.read_database_url)
    said = f"version {_version(url)}, schema as needed"
    return f"{said}; read models in version {_version(homes.read_models)} of their own" if homes.are_two else said


def _version(url: str) -> int:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.info.server_version // 10000


def _tried(check: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(check, well=True, says=attempt())
    except (SettingsError, SchemaError, EmbeddedPostgresError, psycopg.Error) as error:
        return Finding(check, well=False, says=str(error).splitlines()[0])
