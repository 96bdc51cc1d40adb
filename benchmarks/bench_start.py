"""`seatledger dev` from its command to /readyz, with nothing there and with the data of the last time."""

import os
import signal
import statistics
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from adapters.postgres import embedded
from benchmarks.figures import Figure
from tests.system.processes import Running

PASSES: Final = int(os.environ.get("BENCH_PASSES", "5"))
REACH_SECONDS: Final = 5


def measured(out: Console) -> list[Figure]:
    """The medians, in seconds."""
    first: list[float] = []
    again: list[float] = []
    for number in range(PASSES):
        with tempfile.TemporaryDirectory(prefix="seatledger-bench-") as name:
            folder = Path(name) / "data"
            try:
                for seconds in (first, again):
                    instance = Running("dev", DATA_FOLDER=str(folder))
                    seconds.append(instance.ready())
                    instance.ended_by(signal.SIGINT)
            finally:
                embedded.erase(folder)
        out.print(f"pass {number + 1} of {PASSES}: {first[-1]:.2f} s, again {again[-1]:.2f} s", style="dim")
    return [
        Figure(f"start.{what}", statistics.median(took), "s", REACH_SECONDS, at_most=True, note=_spread(took))
        for what, took in (("first", first), ("again", again))
    ]


def _spread(took: list[float]) -> str:
    return f"{min(took):.2f} to {max(took):.2f} s"
