"""10,000 requests with made-up people, cards and secrets in every place: none of them turns up where it must not."""

import asyncio
import os
from typing import Final

from rich.console import Console
from rich.progress import Progress

from benchmarks.figures import Figure
from benchmarks.servers import bench_server
from tests.system.canaries import Canaries, logged, said_in
from tests.system.test_bad_input import opened_world

REQUESTS: Final = int(os.environ.get("CHAOS_REQUESTS", "10000"))


def measured(out: Console) -> list[Figure]:
    """How many places say one; none may."""
    with bench_server() as server, logged() as log:
        canaries, found = asyncio.run(_sent(server.application_url(), out))
    wrong = [*canaries.told, *found, *said_in(log.getvalue())]
    for each in wrong[:20]:
        out.print(each, style="red", markup=False)
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(canaries.statuses.items()))
    note = f"{REQUESTS} requests, answers {statuses}; searched: problems, events, commands, read models, the log"
    return [Figure("canaries.found", len(wrong), "places", 0, at_most=True, note=note)]


async def _sent(url: str, out: Console) -> tuple[Canaries, list[str]]:
    async with opened_world(url, requests_per_second=1_000_000, refused_per_second=1_000_000) as world:
        canaries = Canaries(world, seed=17)
        with Progress(console=out, transient=True) as progress:
            task = progress.add_task("requests", total=REQUESTS)
            await canaries.send(REQUESTS, lambda sent: progress.update(task, completed=sent))
        return canaries, await canaries.found()
