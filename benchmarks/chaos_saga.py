"""10,000 lives by a seed, as `make test` has 1,000: partners fail, workers die, and every promise must hold."""

import os

from rich.console import Console
from rich.progress import Progress

from benchmarks.figures import Figure
from tests.simulation.running import all_lived

SEEDS = int(os.environ.get("SAGA_SEEDS", "10000"))


def measured(out: Console) -> list[Figure]:
    """How many lives broke a promise; each is named, and `lived(seed)` plays it again."""
    broken = events = 0
    with Progress(console=out) as progress:
        task = progress.add_task("seeds", total=SEEDS)
        for life in all_lived(range(SEEDS)):
            events += life.events.total()
            for promise in life.broken:
                broken += 1
                out.print(f"seed {life.seed}: {promise}", style="red")
            progress.advance(task)
    return [Figure("saga.broken", broken, "promises", 0, at_most=True, note=f"{SEEDS:,} seeds, {events:,} events")]
