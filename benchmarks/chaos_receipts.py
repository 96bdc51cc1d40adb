"""5,000 charged orders and four workers that are killed again and again: each order gets one number, without a gap."""

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import psycopg
from rich.console import Console
from rich.progress import Progress

from adapters.appending import Append
from benchmarks.figures import Figure
from benchmarks.histories import Company
from benchmarks.loading import load
from benchmarks.servers import bench_server
from tests.system.processes import Running

ORDERS: Final = int(os.environ.get("RECEIPT_ORDERS", "5000"))
WORKERS: Final = 4
KILL_EVERY: Final = 10.0
"""Seconds between two kills."""

PATIENCE: Final = 290.0
"""Seconds until what is not done is called lost."""

_ISSUED: Final = "SELECT count(*) FROM ledger.events WHERE topic = 'ReceiptIssued.v1'"
_NUMBERS: Final = """
SELECT convert_from(state, 'UTF8')::json ->> 'receipt_number', convert_from(state, 'UTF8')::json ->> 'order_id'
FROM ledger.events WHERE topic = 'ReceiptIssued.v1' ORDER BY notification_id
"""


def _charged(orders: int) -> Iterator[Append]:
    """Orders that have everything but their receipt, one a company, placed just now."""
    began = datetime.now(UTC) - timedelta(minutes=5)
    for number in range(orders):
        company = Company(number, began)
        yield from company.opened()
        yield from company.placed()
        yield from company.captured()


def measured(
    out: Console, orders: int = ORDERS, workers: int = WORKERS, kill_every: float = KILL_EVERY
) -> list[Figure]:
    """Gaps and doubles in the numbers, and orders without a receipt, after at least one kill of each worker."""
    choice = random.Random(4)
    with bench_server() as server, psycopg.connect(server.owner_url(), autocommit=True) as connection:
        load(connection, _charged(orders), datetime.now(UTC))
        url = {"DATABASE_URL": server.application_url(), "SANDBOX": "1"}
        running = [Running("work", **url) for _ in range(workers)]
        kills, began, next_kill = 0, time.monotonic(), time.monotonic() + kill_every
        try:
            with Progress(console=out) as progress:
                task = progress.add_task("receipts", total=orders)
                while (issued := _count(connection)) < orders and time.monotonic() < began + PATIENCE:
                    progress.update(task, completed=issued)
                    if time.monotonic() > next_kill:
                        victim = choice.randrange(workers)
                        running[victim].killed()
                        running[victim] = Running("work", **url)
                        kills, next_kill = kills + 1, time.monotonic() + kill_every
                    time.sleep(0.1)
                progress.update(task, completed=issued)
        finally:
            for each in running:
                each.killed()
        rows = connection.execute(_NUMBERS).fetchall()
    numbers = [int(number.rpartition("-")[2]) for number, _ in rows]
    gaps = len(set(range(1, orders + 1)) - set(numbers))
    note = f"{orders:,} orders, {workers} workers, {kills} kills, {time.monotonic() - began:.0f} s"
    return [
        Figure("receipts.gaps", gaps, "numbers", 0, at_most=True, note=note),
        Figure("receipts.doubles", len(numbers) - len(set(numbers)), "numbers", 0, at_most=True),
        Figure("receipts.out_of_order", sum(a >= b for a, b in pairwise(numbers)), "numbers", 0, at_most=True),
        Figure("receipts.orders_twice", len(rows) - len({order for _, order in rows}), "orders", 0, at_most=True),
        Figure("receipts.kills", kills, "kills", min(workers, 1), note=note),
    ]


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute(_ISSUED).fetchone()
    return int(row[0]) if row else 0
