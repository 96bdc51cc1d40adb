"""Times the calls to a counterparty: its port as it is, with a clock around each call."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from adapters.metrics.meters import Meters
from services.ports import (
    CounterpartyRefused,
    CounterpartyUnavailable,
    MailUndeliverable,
    OutcomeUnknown,
)

Port = TypeVar("Port")

_OUTCOMES: Final = (
    (CounterpartyUnavailable, "unavailable"),
    (OutcomeUnknown, "unknown"),
    (CounterpartyRefused, "refused"),
    (MailUndeliverable, "refused"),
)


def timed(port: Port, name: str, meters: Meters) -> Port:
    """The port, whose calls are timed under this name."""
    return cast("Port", _Timed(port, name, meters))


class _Timed:
    def __init__(self, port: object, name: str, meters: Meters) -> None:
        self._port, self._name, self._meters = port, name, meters

    def __getattr__(self, call: str) -> Any:
        plain: Callable[..., Awaitable[Any]] = getattr(self._port, call)
        histogram, name = self._meters.outside_calls, self._name

        async def called(*arguments: Any, **named: Any) -> Any:
            began, outcome = time.perf_counter(), "failed"
            try:
                answer = await plain(*arguments, **named)
                outcome = "answered"
            except Exception as error:
                outcome = next((said for kind, said in _OUTCOMES if isinstance(error, kind)), "failed")
                raise
            else:
                return answer
            finally:
                histogram.labels(name, call, outcome).observe(time.perf_counter() - began)

        setattr(self, call, called)  # the next call finds it at once
        return called
