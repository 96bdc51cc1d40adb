"""The store under load: `make chaos NAME=store` in small."""

import pytest
from rich.console import Console

from benchmarks.chaos_store import measured

pytestmark = pytest.mark.system


def test_a_reader_at_the_logs_end_misses_nothing_and_every_append_is_answered_truly() -> None:
    figures = measured(Console(quiet=True), events=6_000)
    assert [figure.line for figure in figures if not figure.holds] == []
