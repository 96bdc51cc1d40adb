"""Given a history, when a decision is made, then these events, or this refusal."""

from collections.abc import Callable
from typing import Any, Generic

import pytest

from domain.history import SomeAggregate, replayed
from domain.ledger import LedgerEvent
from domain.refusals import Refusal

Step = Callable[[Any], None]


class Given(Generic[SomeAggregate]):
    """An aggregate made by a first step and changed by others, replayed from its events as a store would."""

    def __init__(self, made: Callable[[], SomeAggregate], *steps: Step) -> None:
        aggregate = made()
        for step in steps:
            step(aggregate)
        self._history: list[LedgerEvent] = list(aggregate.collect_events())
        self._kind = type(aggregate)
        self.aggregate = self._replayed()
        self.refused: Refusal | None = None

    def _replayed(self) -> SomeAggregate:
        again = replayed(self._kind, self._history)
        assert again is not None
        return again

    def when(self, decision: Step) -> "Given[SomeAggregate]":
        """Decide; a refusal is kept for `then_refused`."""
        try:
            decision(self.aggregate)
        except Refusal as refusal:
            self.refused = refusal
        return self

    def then(self, *expected: type[LedgerEvent], **facts: object) -> SomeAggregate:
        """Exactly these events, the last with these facts; and a replay of all gives the same aggregate."""
        if self.refused:
            pytest.fail(f"refused: {self.refused}")
        events = self.aggregate.collect_events()
        assert [type(event) for event in events] == list(expected)
        for name, value in facts.items():
            assert getattr(events[-1], name) == value, name
        self._history += events
        assert vars(self._replayed()) == vars(self.aggregate)
        return self.aggregate

    def then_refused(self, refusal: type[Refusal], **facts: object) -> None:
        """Refused with these facts, and nothing happened."""
        assert type(self.refused) is refusal
        assert facts.items() <= self.refused.facts.items()
        assert str(self.refused)
        assert not self.aggregate.pending_events


def given(made: Callable[[], SomeAggregate], *steps: Step) -> Given[SomeAggregate]:
    """The aggregate that `made` makes, after these steps."""
    return Given(made, *steps)
