"""Receipt numbers while workers are killed: `make chaos NAME=receipts` in small."""

import pytest
from rich.console import Console

from benchmarks.chaos_receipts import measured

pytestmark = pytest.mark.system


def test_workers_that_are_killed_leave_no_gap_and_no_double() -> None:
    figures = measured(Console(quiet=True), orders=150, workers=3, kill_every=3)
    assert [figure.line for figure in figures if not figure.holds] == []
