"""What is counted while it happens. Labels are words of ours: route templates, codes, ports; never an id or a name."""

import time
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from services.ports import StoreUnavailable, VersionConflict

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Meters:
    """This process's figures since its start, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Histogram(
            "seatledger_request_seconds",
            "Until an answer began, by route template, method and class of status",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.problems = Counter(
            "seatledger_problems", "Requests that were refused, by the problem's code", ["code"], registry=self.registry
        )
        self.outside_calls = Histogram(
            "seatledger_outside_call_seconds",
            "Calls to counterparties, by port, call and what came of it",
            ["port", "call", "outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "seatledger_append_batch_size", "Appends in one call of the store", buckets=_SIZES, registry=self.registry
        )
        self._append_seconds = Histogram(
            "seatledger_append_seconds", "One call of the store", buckets=_SECONDS, registry=self.registry
        )
        appends = Counter("seatledger_appends", "Appends by what came of them", ["outcome"], registry=self.registry)
        self._stored, self._conflicts, self._unavailable, self._failed = (
            appends.labels(outcome) for outcome in ("stored", "conflict", "unavailable", "failed")
        )

    def batch_written(self, began: float, results: Sequence[object]) -> None:
        """A call of the store ended; `began` is by time.perf_counter, each result an exception or what was stored."""
        self._append_seconds.observe(time.perf_counter() - began)
        self._batches.observe(len(results))
        for result in results:
            match result:
                case VersionConflict():
                    self._conflicts.inc()
                case StoreUnavailable():
                    self._unavailable.inc()
                case Exception():
                    self._failed.inc()
                case _:
                    self._stored.inc()
