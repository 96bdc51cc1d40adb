"""`seatledger parked`: events that a projection could not take, shown and tried again."""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final, TypeVar
from uuid import UUID

import typer
from psycopg import AsyncConnection
from rich.table import Table
from rich.text import Text

from adapters.bootstrap import check_schema
from adapters.cli.database import database
from adapters.cli.loop import run
from adapters.cli.projections import named
from adapters.cli.terminal import Refused, out, plain_errors
from adapters.postgres.homes import Homes, connected
from adapters.postgres.parking import NothingParked, ParkedAccount, ParkedEvent, Retried, listed, retried, shown
from adapters.postgres.rebuild_lock import RebuildRunning
from adapters.settings import from_environment
from domain.identifiers import account_id

_SHOWN_AT_MOST: Final = 100

Result = TypeVar("Result")


def print_parked(projection: str | None, account: str | None, *, as_json: bool) -> None:
    """`parked list`."""
    accounts = _with_connections(lambda homes: _found(homes, projection, account))
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in accounts], default=str))
        return
    if not accounts:
        out.print("Nothing is parked.")
        return
    table = Table(box=None)
    for heading in ("projection", "account", "position", "event", "tries", "parked", "error"):
        table.add_column(heading, overflow="fold")
    for each in accounts:
        behind = f"{each.topic} and {each.events - 1} behind" if each.events > 1 else each.topic
        row = each.projection, _number(each), str(each.position), behind, str(each.tries)
        table.add_row(*row, f"{each.parked_at:%Y-%m-%d %H:%M} UTC", Text(each.error or "waits"))
    out.print(table)


def print_events(projection: str | None, account: str | None, *, as_json: bool) -> None:
    """`parked show`."""

    async def read(homes: Homes[AsyncConnection]) -> list[tuple[ParkedAccount, list[ParkedEvent]]]:
        accounts = await _found(homes, projection, account)
        return [
            (each, await shown(homes.of(each.projection), each.projection, each.account_id, _SHOWN_AT_MOST))
            for each in accounts
        ]

    found = _with_connections(read)
    if as_json:
        documents = [{**asdict(each), "parked": [_event_as_json(event) for event in events]} for each, events in found]
        out.print_json(json.dumps(documents, default=str))
    for each, events in () if as_json else found:
        out.rule(f"{each.projection}, account {_number(each)}", align="left")
        for event in events:
            head = f"{event.position} {event.topic}, stream {event.stream_id} version {event.version}"
            out.print(head, style="bold", highlight=False, markup=False)
            why = f"tried {event.tries} times: {event.error}" if event.error else "waits behind the one before it"
            out.print(f"  {why}", highlight=False, markup=False, soft_wrap=True)
            out.print(f"  {_text(event.state)[1]}", highlight=False, markup=False, soft_wrap=True)
        if each.events > len(events):
            out.print(f"  and {each.events - len(events)} more behind", highlight=False)
    if not found and not as_json:
        out.print("Nothing is parked.")
    if not found:
        raise typer.Exit(1)


def retry_parked(projection: str | None, account: str | None, *, as_json: bool) -> None:
    """`parked retry`."""

    async def attempt(homes: Homes[AsyncConnection]) -> list[tuple[ParkedAccount, Retried]]:
        done: list[tuple[ParkedAccount, Retried]] = []
        for each in await _found(homes, projection, account):
            (wanted,) = named(each.projection)
            try:
                done.append((each, await retried(homes.of(wanted.name), wanted, each.account_id)))
            except NothingParked:  # another retry was first: it is what was wanted
                continue
        return done

    done = _with_connections(attempt)
    if as_json:
        documents = [{"projection": e.projection, "account_id": e.account_id, **asdict(one)} for e, one in done]
        out.print_json(json.dumps(documents, default=str))
    for each, one in () if as_json else done:
        line = f"{each.projection}, account {_number(each)}: {one.folded} events folded"
        line += f", {one.left} still parked: {one.error}" if one.left else "; it goes on."
        out.print(line, highlight=False, markup=False, soft_wrap=True, style="red" if one.left else None)
    if not done and not as_json:
        out.print("Nothing is parked.")
    if any(one.left for _, one in done):
        raise typer.Exit(1)


async def _found(homes: Homes[AsyncConnection], projection: str | None, account: str | None) -> list[ParkedAccount]:
    named(projection)
    return await listed(homes, projection, None if account is None else _account(account))


def _account(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        return account_id(said)


def _with_connections(work: Callable[[Homes[AsyncConnection]], Awaitable[Result]]) -> Result:
    results: list[Result] = []
    with plain_errors():
        settings = from_environment()
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings)

            async def main() -> None:
                async with connected(found.homes) as connections:
                    results.append(await work(connections))

            try:
                run(main)
            except RebuildRunning as error:
                raise Refused(str(error)) from None
    return results[0]


def _number(parked: ParkedAccount) -> str:
    return parked.account_number or str(parked.account_id)


def _text(state: bytes) -> tuple[str, str]:
    """The bytes as what they are: text, or base64 of anything else."""
    try:
        return "state", state.decode()
    except UnicodeDecodeError:
        return "state_base64", base64.b64encode(state).decode()


def _event_as_json(event: ParkedEvent) -> dict[str, Any]:
    kind, text = _text(event.state)
    return {**{name: value for name, value in asdict(event).items() if name != "state"}, kind: text}
