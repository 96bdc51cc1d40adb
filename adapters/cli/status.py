"""`seatledger status`: how far log, projections, to-do lists and orders are."""

import json
from dataclasses import asdict, dataclass

import psycopg
from rich.console import Console
from rich.table import Table

from adapters.bootstrap import check_schema
from adapters.settings import Settings

_HEAD = "SELECT COALESCE(max(notification_id), 0) FROM ledger.events"
_PROJECTIONS = """
SELECT c.projection,
       count(*) FILTER (WHERE c.expires_at > clock_timestamp()),
       COALESCE(sum((
           SELECT count(*) FROM ledger.events e
           WHERE e.partition = c.partition AND e.notification_id > c.position)), 0)::int8
FROM projecting.checkpoints c GROUP BY c.projection ORDER BY c.projection
"""
_TODO = """
SELECT (SELECT count(*) FROM fulfilment_todo.entries), (SELECT count(*) FROM receipts_todo.entries),
       (SELECT count(*) FROM timers.due)
"""
_ORDERS = "SELECT state, count(*) FROM portal.orders GROUP BY state ORDER BY state"


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """How far a projection is behind, in events, and in how many partitions a worker keeps it up."""

    name: str
    partitions_held: int
    events_behind: int


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """One look at the ledger."""

    position: int
    projections: list[ProjectionStatus]
    orders_to_fulfil: int
    receipts_to_send: int
    timers: int
    orders: dict[str, int]

    @property
    def healthy(self) -> bool:
        """Whether every projection is either up to date or being worked on."""
        return all(each.partitions_held or not each.events_behind for each in self.projections)


def look(url: str) -> LedgerStatus:
    """Read the status in one transaction."""
    with psycopg.connect(url) as connection:
        (position,) = connection.execute(_HEAD).fetchone() or (0,)
        projections = [ProjectionStatus(*row) for row in connection.execute(_PROJECTIONS)]
        fulfil, send, timers = connection.execute(_TODO).fetchone() or (0, 0, 0)
        orders = {str(state): int(count) for state, count in connection.execute(_ORDERS)}
    return LedgerStatus(position, projections, fulfil, send, timers, orders)


def print_status(settings: Settings, url: str, out: Console, *, as_json: bool) -> bool:
    """Print it; False if something stands still."""
    check_schema(url, settings)
    status = look(url)
    if as_json:
        out.print_json(json.dumps({**asdict(status), "healthy": status.healthy}))
        return status.healthy
    out.print(f"The log ends at position {status.position}.", highlight=False)
    table = Table(box=None, title="Projections", title_justify="left")
    table.add_column("name")
    table.add_column("partitions held", justify="right")
    table.add_column("events behind", justify="right")
    for each in status.projections:
        table.add_row(each.name, str(each.partitions_held), str(each.events_behind))
    out.print(table)
    out.print(
        f"To do: {status.orders_to_fulfil} orders, {status.receipts_to_send} receipts; {status.timers} timers set.",
        highlight=False,
    )
    orders = ", ".join(f"{count} {state}" for state, count in status.orders.items()) or "none"
    out.print(f"Orders: {orders}.", highlight=False)
    if not status.healthy:
        out.print("Some projection is behind and nobody works on it: run `seatledger work`.", style="red")
    return status.healthy
