"""`seatledger status`: how far log, projections, to-do lists and orders are."""

import asyncio
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from adapters.bootstrap import check_schema
from adapters.postgres.homes import Homes, connected
from adapters.postgres.ledger_status import LedgerStatus, look
from adapters.postgres.publishing import PublicationState, state_of
from adapters.settings import Settings


def print_status(settings: Settings, urls: Homes[str], out: Console, *, as_json: bool) -> bool:
    """Print it; False if something stands still."""
    check_schema(urls.ledger, settings)
    status, publication = asyncio.run(_look(urls))
    if as_json:
        log = {"log": asdict(publication)} if settings.kafka else {}
        out.print_json(json.dumps({**asdict(status), "healthy": status.healthy, **log}, default=str))
        return status.healthy
    out.print(f"The store ends at position {status.position}.", highlight=False)
    if settings.kafka:
        out.print(log_line(publication), highlight=False, soft_wrap=True, style=None if publication.led else "red")
    table = Table(box=None, title="Projections", title_justify="left")
    table.add_column("name")
    table.add_column("partitions held", justify="right")
    table.add_column("events behind", justify="right")
    table.add_column("accounts parked", justify="right")
    for each in status.projections:
        table.add_row(each.name, str(each.partitions_held), str(each.events_behind), str(each.accounts_parked))
    out.print(table)
    out.print(
        f"To do: {status.orders_to_fulfil} orders, {status.receipts_to_send} receipts,"
        f" {status.notices_to_send} notices, {status.care} for Corporate Account Services; {status.timers} timers set.",
        highlight=False,
    )
    orders = ", ".join(f"{count} {state}" for state, count in status.orders.items()) or "none"
    out.print(f"Orders: {orders}.", highlight=False)
    if status.stands_still:
        out.print("Some projection is behind and nobody works on it: run `seatledger work`.", style="red")
    if status.parked:
        out.print("Some account is parked at an event: run `seatledger parked list`.", style="red")
    return status.healthy


def log_line(state: PublicationState) -> str:
    """How far the log in Kafka is, in one line."""
    behind = (
        f"{state.events_behind} events and {state.seconds_behind:.0f} s behind" if state.events_behind else "up to date"
    )
    by = f"published by {state.owner}" if state.led else "nobody publishes: run `seatledger serve` or `seatledger work`"
    return f"The log in Kafka is {behind}, at position {state.position}; {by}."


async def _look(urls: Homes[str]) -> tuple[LedgerStatus, PublicationState]:
    async with connected(urls) as connections:
        return await look(connections), await state_of(connections.ledger)
