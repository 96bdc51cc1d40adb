"""20,000 requests that schemathesis makes up from the OpenAPI document: no 5xx, no answer that it does not know."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.servers import bench_server
from tests.system.made_up_requests import Answered, answered

CASES: Final = int(os.environ.get("CHAOS_CASES", "20000"))
PROCESSES: Final = 2


def measured(out: Console) -> list[Figure]:
    """How many answers were not as they must be; none may. Each process has a ledger and a seed of its own."""
    told = Answered()
    # A server each: its roles and its load are its own.
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as processes:
        for each in processes.map(_answered, range(PROCESSES)):
            told.statuses += each.statuses
            told.wrong |= each.wrong
    for what, said in told.wrong.items():
        out.print(f"{what}\n{said}", style="red", markup=False)
    total = told.statuses.total()
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(told.statuses.items()))
    note = f"{total:,} requests over all operations and callers; answers {statuses}"
    return [
        Figure("http.cases", total, "requests", CASES),
        Figure("http.wrong", len(told.wrong), "kinds", 0, at_most=True, note=note),
    ]


def _answered(number: int) -> Answered:
    with bench_server() as server:
        return answered(server.application_url(), CASES // PROCESSES, seed=100 + number)
