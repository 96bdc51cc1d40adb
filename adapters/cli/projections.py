"""`seatledger projections`: what they are, rebuilt beside the live ones, or only compared."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

import typer
from psycopg import AsyncConnection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from adapters.bootstrap import check_schema, opened_logs
from adapters.cli.database import Database, database
from adapters.cli.loop import run
from adapters.cli.terminal import Refused, log_plainly, out, plain_errors
from adapters.postgres.comparing import Difference
from adapters.postgres.homes import connected
from adapters.postgres.projecting import LeaseLost
from adapters.postgres.projection_status import ProjectionState, state_of
from adapters.postgres.rebuild_lock import RebuildRunning
from adapters.postgres.rebuilding import Progress as Rebuilding
from adapters.postgres.rebuilding import Rebuild, RebuildRefused, Rebuilt
from adapters.settings import Settings, SettingsError, from_environment
from projections.catalogue import PROJECTIONS
from projections.fold import Projection


def named(name: str | None) -> Sequence[Projection]:
    """The projection with this name, or all. Raises SettingsError."""
    found = [each for each in PROJECTIONS if name in {None, each.name}]
    if not found:
        message = f"there is no projection {name}: take one of {', '.join(each.name for each in PROJECTIONS)}"
        raise SettingsError(message)
    return found


def print_projections(name: str | None, *, as_json: bool) -> None:
    """`projections list`."""
    with plain_errors():
        wanted, settings = named(name), from_environment()
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, read_models=False)
            states: list[ProjectionState] = []

            async def main() -> None:
                async with connected(found.homes) as connections:
                    states.extend([await state_of(connections, each) for each in wanted])

            run(main)
    if as_json:
        out.print_json(json.dumps([{**asdict(each), "events_behind": each.events_behind} for each in states]))
        return
    table = Table(box=None)
    for heading in ("name", "version", "behind", "parked", "rows", "checkpoint of each partition"):
        table.add_column(heading, justify="right" if heading == "behind" else "left", overflow="fold")
    for each in states:
        parked = f"{each.events_parked} of {each.accounts_parked} accounts" if each.events_parked else "none"
        rows = ", ".join(f"{count} {table_name}" for table_name, count in each.rows.items()) or "none"
        table.add_row(each.name, _version(each), str(each.events_behind), parked, rows, _checkpoints(each))
    out.print(table)


def _version(state: ProjectionState) -> str:
    live = "none" if state.version is None else str(state.version)
    needed = "" if state.version == state.needs_version else f", needs {state.needs_version}"
    return live + needed + (", one is being built" if state.building else "")


def _checkpoints(state: ProjectionState) -> str:
    positions = {each.position for each in state.checkpoints}
    if len(positions) == 1:
        return f"{positions.pop()} in all {len(state.checkpoints)}"
    return ", ".join(f"{each.partition}: {each.position}" for each in state.checkpoints) or "none"


def rebuild_projections(name: str | None, *, as_json: bool, even_if_parked: bool) -> None:
    """`projections rebuild`."""
    log_plainly()
    with plain_errors():
        wanted, settings = named(name), from_environment()
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, read_models=False)
            done = rebuilt(found, settings, wanted, out, swap=True, quiet=as_json, even_if_parked=even_if_parked)
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in done], default=str))


def compare_projections(name: str | None, *, as_json: bool) -> None:
    """`projections compare`."""
    log_plainly()
    with plain_errors():
        wanted, settings = named(name), from_environment()
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, read_models=False)
            done = rebuilt(found, settings, wanted, out, swap=False, quiet=as_json)
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in done], default=str))
    if any(each.comparison is None or each.comparison.differing_rows for each in done):
        raise typer.Exit(1)


def rebuilt(
    found: Database,
    settings: Settings,
    wanted: Sequence[Projection],
    to: Console,
    *,
    swap: bool,
    quiet: bool,
    even_if_parked: bool = False,
) -> list[Rebuilt]:
    """Rebuild or compare these in turn, and say what came of each. Raises Refused."""
    done: list[Rebuilt] = []

    async def main() -> None:
        async with opened_logs(found.application_url, settings) as (pools, log_for):
            for projection in wanted:
                pool = pools.of(projection.name)
                connect = partial(AsyncConnection.connect, found.owners.of(projection.name), autocommit=True)
                with _bar(projection.name, to, quiet=quiet) as told:
                    one = Rebuild(projection, partial(log_for, projection), pool, connect, told)
                    done.append(await (one.rebuild(even_if_parked=even_if_parked) if swap else one.compare()))
                if not quiet:
                    _print(done[-1], to, swapped=swap)

    try:
        run(main)
    except (RebuildRunning, RebuildRefused) as error:
        raise Refused(str(error)) from None
    except LeaseLost as error:
        message = f"{error}: it was held up for too long, and nothing was changed; try again"
        raise Refused(message) from None
    return done


class Speed(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        """The speed of the last seconds."""
        return Text(f"{task.speed or 0:,.0f} events/s")


@contextmanager
def _bar(name: str, to: Console, *, quiet: bool) -> Iterator[Callable[[Rebuilding], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn()
    hidden = quiet or not to.is_terminal
    with Progress(*columns, console=to, transient=True, disable=hidden) as progress:
        task = progress.add_task(name, total=None)
        yield lambda at: progress.update(task, description=f"{name}: {at.stage}", completed=at.done, total=at.total)


def _print(done: Rebuilt, to: Console, *, swapped: bool) -> None:
    found = done.comparison
    lines = [f"{done.projection}: {done.events} events read"]
    if found is None:
        before = "missing" if done.version_before is None else f"of version {done.version_before} or of another log"
        lines.append(f"not compared, since the live one was {before}")
    elif found.differing_rows:
        lines.append(f"{found.differing_rows} of {found.rows} rows differ")
    else:
        lines.append(f"all {found.rows} rows are the same")
    if done.accounts_parked:
        lines.append(f"{done.accounts_parked} accounts are parked")
    if swapped:
        lines.append(f"version {done.version} is live")
    to.print("; ".join(lines) + ".", highlight=False)
    if found and found.differences:
        to.print(_differences(found.differences))
        if len({(each.table, each.key) for each in found.differences}) < found.differing_rows:
            to.print("There are more; these are the first.")


def _differences(differences: Sequence[Difference]) -> Table:
    table = Table(box=None)
    for heading in ("table", "key", "column", "live", "rebuilt"):
        table.add_column(heading, overflow="fold")
    for each in differences:
        table.add_row(each.table, str(each.key), each.column, *(Text(str(it)) for it in (each.live, each.rebuilt)))
    return table
