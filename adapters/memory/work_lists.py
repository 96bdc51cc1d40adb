"""To-do lists in memory: the same projection, folded up to the end of the log whenever somebody asks."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.memory.ledger import MemoryLedger
from projections.fold import Projection, RowKey
from projections.todo import TodoRow
from services.ports import Claim, Clock


@dataclass(slots=True)
class _Held:
    owner: str
    token: int
    tries: int
    expires_at: float


class MemoryWorkList:
    """services.ports.WorkList. `monotonic` is the time that claims run out by, in seconds."""

    def __init__(
        self,
        projection: Projection,
        ledger: MemoryLedger,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock | None = None,
    ) -> None:
        """The entries of this projection over this log; `clock` tells which timers are due."""
        self._clock = clock
        self._projection, self._ledger, self._monotonic = projection, ledger, monotonic
        self._held: dict[UUID, _Held] = {}
        self._rows: dict[RowKey, Any] = {}
        self._position = 0

    def entries(self) -> list[TodoRow]:
        """What is on the list now, oldest first."""
        for recorded in self._ledger.recorded_after(self._position):
            self._projection.apply(self._rows, recorded)
            self._position = recorded.position
        return sorted((row for row in self._rows.values() if row is not None), key=lambda row: row.position)

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]:
        """See services.ports.WorkList."""
        now, instant = self._monotonic(), await self._clock.now() if self._clock else None
        claims: list[Claim] = []
        for entry in self.entries():
            held = self._held.get(entry.entry_id)
            is_early = entry.due_at is not None and (instant is None or entry.due_at > instant)
            if len(claims) == limit or is_early or (held and held.expires_at > now):
                continue
            before = held or _Held(owner, 0, 0, now)
            taken = _Held(owner, before.token + 1, before.tries + 1, now + lease_seconds)
            self._held[entry.entry_id] = taken
            claims.append(
                Claim(
                    entry.entry_id,
                    entry.subject_id,
                    entry.account_id,
                    entry.correlation_id,
                    entry.causation_id,
                    taken.token,
                    taken.tries,
                    entry.work,
                )
            )
        return claims

    async def keep(self, claim: Claim, lease_seconds: float) -> bool:
        """See services.ports.WorkList."""
        held = self._held.get(claim.entry_id)
        if held is None or held.token != claim.token:
            return False
        held.expires_at = self._monotonic() + lease_seconds
        return True

    async def release(self, claim: Claim, pause_seconds: float) -> None:
        """See services.ports.WorkList."""
        await self.keep(claim, pause_seconds)

    async def sweep(self) -> None:
        """See services.ports.WorkList."""
        there, now = {entry.entry_id for entry in self.entries()}, self._monotonic()
        self._held = {id: held for id, held in self._held.items() if id in there or held.expires_at > now}

    async def caught_up(self) -> None:
        """See services.ports.WorkList: it always is."""

    async def wait(self, poll_seconds: float) -> None:
        """See services.ports.WorkList."""
        await asyncio.sleep(min(poll_seconds, 0.001))
