"""20,000 lives of one account, new ones each time, and the plain model must agree with the ledger after each step."""

import os
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.progress import Progress

from benchmarks.figures import Figure
from tests.model.machine import AccountMachine

SEQUENCES: Final = int(os.environ.get("MODEL_SEQUENCES", "20000"))
AT_ONCE: Final = 500
STEPS: Final = 25


def measured(out: Console) -> list[Figure]:
    """How many lots of lives had one in which the two disagreed; the shortest such life is printed."""
    disagreed, reached = 0, set[str]()
    with (
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes,
        Progress(console=out) as progress,
    ):
        task = progress.add_task("sequences", total=SEQUENCES)
        lots = [min(AT_ONCE, SEQUENCES - begun) for begun in range(0, SEQUENCES, AT_ONCE)]
        running = {processes.submit(_lived, lot): lot for lot in lots}
        for done in as_completed(running):
            events, trouble = done.result()
            reached |= events
            if trouble:
                disagreed += 1
                out.print(trouble, style="red", markup=False)
            progress.advance(task, running[done])
    note = f"{SEQUENCES:,} sequences of up to {STEPS} steps, {len(reached)} kinds of events"
    return [Figure("model.disagreements", disagreed, "lots", 0, at_most=True, note=note)]


def _lived(sequences: int) -> tuple[set[str], str]:
    """The events that these lives had, and what was wrong with one of them."""
    lives = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        derandomize=False,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(AccountMachine, settings=lives)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is what this looks for
        return set(AccountMachine.reached), "".join(traceback.format_exception(error))
    return set(AccountMachine.reached), ""
