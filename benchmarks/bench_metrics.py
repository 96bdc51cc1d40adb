"""Processor time that counting for /metrics adds: to a request, to a call of the store, to a call outside."""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Final

from rich.console import Console
from starlette.types import Message, Receive, Scope, Send

from adapters.metrics.meters import Meters
from adapters.metrics.outside import timed
from adapters.metrics.requests import Timed
from benchmarks.figures import Figure

PASSES: Final = int(os.environ.get("BENCH_PASSES", "7"))
TURNS: Final = 20_000
MOST: Final = 20.0
"""Microseconds: a hundredth of what a command takes."""

_ROUTE: Final = SimpleNamespace(path="/v1/accounts/{account_id}/quotes")


class _Partner:
    async def asked(self) -> None:
        """Answer at once."""


async def _answers(scope: Scope, _: Receive, send: Send) -> None:
    scope["route"] = _ROUTE
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body"})


async def _nothing() -> Message:
    return {}


async def _nowhere(_: Message) -> None:
    pass


def measured(out: Console) -> list[Figure]:
    """Each with and without, by turns; the medians of the differences."""
    return asyncio.run(_measured(out))


async def _measured(out: Console) -> list[Figure]:
    meters = Meters()
    counted, partner = Timed(_answers, meters), _Partner()
    asked = timed(partner, "partner", meters)

    async def request(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        await app({"type": "http", "method": "POST"}, _nothing, _nowhere)

    async def batch() -> None:
        meters.batch_written(time.perf_counter(), [None])

    pairs: dict[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]] = {
        "request": (lambda: request(counted), lambda: request(_answers)),
        "append": (batch, _nothing),  # type: ignore[dict-item]  # what it answers is nobody's concern
        "outside_call": (asked.asked, partner.asked),
    }
    figures = []
    for name, (ours, theirs) in pairs.items():
        added = [await _microseconds(ours) - await _microseconds(theirs) for _ in range(PASSES)]
        out.print(f"{name}: {min(added):.1f} to {max(added):.1f} µs", style="dim")
        note = f"{min(added):.1f} to {max(added):.1f} over {PASSES} passes of {TURNS:,}"
        figures.append(Figure(f"metrics.{name}", statistics.median(added), "µs", MOST, at_most=True, note=note))
    return figures


async def _microseconds(work: Callable[[], Awaitable[None]]) -> float:
    """Of a processor, each time."""
    began = time.process_time()
    for _ in range(TURNS):
        await work()
    return (time.process_time() - began) / TURNS * 1e6
