"""A small dose of `make chaos NAME=kafka|cluster|poison|outage`: the same code, and every figure must hold."""

import io

import pytest
from rich.console import Console

from benchmarks import chaos_cluster, chaos_kafka, chaos_outage, chaos_poison
from benchmarks.figures import Figure
from tests.brokers import required

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def _needs_kafka() -> None:
    required()


def _short(figures: list[Figure]) -> list[str]:
    return [f"{each.line} ({each.note})" for each in figures if not each.holds]


def test_orders_go_on_whichever_of_broker_relay_and_projector_is_killed_or_stopped() -> None:
    assert _short(chaos_kafka.measured(Console(file=io.StringIO()), orders=20, kills=1, stops=1)) == []


def test_the_leader_of_three_brokers_is_killed_and_nothing_acknowledged_is_lost() -> None:
    assert _short(chaos_cluster.measured(Console(file=io.StringIO()), kills=1)) == []


def test_messages_that_are_poison_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_poison, "ACCOUNTS", 200)
    assert _short(chaos_poison.measured(Console(file=io.StringIO()), events=2000, poison=20)) == []


def test_with_the_broker_away_from_the_start_orders_are_taken_and_nothing_is_lost() -> None:
    assert _short(chaos_outage.measured(Console(file=io.StringIO()), orders=300, few=100, placed=40)) == []
