"""Counterparties that fail as real ones do: away, silent before or after the effect, late, or told twice; by a seed."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

from services.ports import CounterpartyError, CounterpartyUnavailable, MailUndeliverable, OutcomeUnknown


class Unreliable:
    """A counterparty's port with faults around each call, at the given rate.

    A call that the network holds back arrives after later ones did, when nobody waits for its answer any more.
    """

    def __init__(self, port: Any, random: Random, rate: float) -> None:
        """`rate` of all calls go wrong, until `heal`."""
        self._port, self._random, self._rate = port, random, rate
        self._held_back: list[Callable[[], Awaitable[Any]]] = []

    def heal(self) -> None:
        """Let every call go well from now on; what was held back still arrives."""
        self._rate = 0.0

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        """The port's operation, with what may go wrong around it."""
        act = getattr(self._port, operation)

        async def acted(*arguments: Any, **more: Any) -> Any:
            fault = self._random.random() / self._rate if self._rate else 1.0
            if self._held_back and self._random.random() < 1 / 4:
                with suppress(CounterpartyError, MailUndeliverable):  # whoever asked has long gone
                    await self._held_back.pop(self._random.randrange(len(self._held_back)))()
            if fault < 1 / 4:
                raise CounterpartyUnavailable(operation)
            if fault < 3 / 8:
                raise OutcomeUnknown(operation)
            if fault < 1 / 2:
                self._held_back.append(lambda: act(*arguments, **more))
                raise OutcomeUnknown(operation)
            done = await act(*arguments, **more)
            if fault < 3 / 4:
                raise OutcomeUnknown(operation)
            if fault < 1:
                return await act(*arguments, **more)  # the network delivered it twice
            return done

        return acted
