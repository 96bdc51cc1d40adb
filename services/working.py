"""A worker: claims entries of a to-do list, works on several at once, gives back what can't go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid5

from domain.envelope import Actor, Role
from domain.ledger import LedgerAggregate
from services.background import ended
from services.ports import Claim, Clock, CommandContext, CounterpartyError, StoreUnavailable, VersionConflict, WorkList

_log = logging.getLogger(__name__)


class ClaimLost(Exception):
    """Another worker holds the entry now; this one must not go on."""


class Work(Protocol):
    """What is done with an entry."""

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        """Work until it is nobody's turn any more.

        Calls `keep` before each call to the outside; it raises ClaimLost. Raises CounterpartyError to be asked again.
        """


@dataclass(frozen=True, slots=True)
class Pace:
    """How many entries at once, how long a claim holds and how long one that can't go on rests; in seconds."""

    at_once: int = 8
    lease_seconds: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 60.0
    done_pause: float = 2.0
    poll_seconds: float = 1.0
    sweep_seconds: float = 60.0

    def pause(self, tries: int) -> float:
        """The rest after this many tries: doubled each time.

        >>> Pace().pause(1), Pace().pause(3), Pace().pause(100)
        (0.5, 2.0, 60.0)
        """
        return min(self.first_pause * 2.0 ** min(tries - 1, 30), self.longest_pause)


class Worker:
    """Works off one list until it is cancelled."""

    def __init__(self, work_list: WorkList, work: Work, owner: str, pace: Pace) -> None:
        """`owner` names this worker among all."""
        self._list, self._work, self._owner, self._pace = work_list, work, owner, pace
        self._swept_at = float("-inf")

    async def run(self) -> None:
        """Claim and work for ever; what is under way ends with this."""
        running: set[asyncio.Task[None]] = set()
        try:
            await self._caught_up()
            while True:
                await self._swept()
                running = {task for task in running if not task.done()}
                claims = await self._claimed(self._pace.at_once - len(running))
                running |= {asyncio.create_task(self._worked_on(claim)) for claim in claims}
                if len(running) >= self._pace.at_once:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                elif not claims:
                    await self._list.wait(self._pace.poll_seconds)
        finally:
            await ended(*running)

    async def _caught_up(self) -> None:
        while True:
            try:
                return await self._list.caught_up()
            except StoreUnavailable:
                await asyncio.sleep(self._pace.poll_seconds)

    async def _swept(self) -> None:
        """Now and then, however busy it is: claims of done work would otherwise stay for ever."""
        now = asyncio.get_running_loop().time()
        if now < self._swept_at + self._pace.sweep_seconds:
            return
        self._swept_at = now
        try:
            await self._list.sweep()
        except StoreUnavailable:
            pass
        except Exception:  # noqa: BLE001 -- whatever it is, the work goes on
            _log.exception("a worker can't sweep its list")

    async def _claimed(self, limit: int) -> list[Claim]:
        try:
            return list(await self._list.claim(self._owner, limit, self._pace.lease_seconds))
        except StoreUnavailable:
            pass
        except Exception:  # noqa: BLE001 -- whatever it is, a worker that ended would be missed by nobody
            _log.exception("a worker can't claim anything")
        await asyncio.sleep(self._pace.poll_seconds)
        return []

    async def _worked_on(self, claim: Claim) -> None:
        async def keep() -> None:
            if not await self._list.keep(claim, self._pace.lease_seconds):
                raise ClaimLost

        pause = self._pace.done_pause
        try:
            await self._work.carry_on(claim, keep)
        except asyncio.CancelledError:
            await self._given_back(claim, 0)
            raise
        except ClaimLost:
            return
        except (CounterpartyError, StoreUnavailable) as error:
            pause = self._pace.pause(claim.tries)
            _log.warning("entry %s rests for %.1f s: %s", claim.entry_id, pause, type(error).__name__)
        except Exception:  # noqa: BLE001 -- one entry's fault must not stop the others
            pause = self._pace.pause(claim.tries)
            _log.exception("entry %s rests for %.1f s", claim.entry_id, pause)
        await self._given_back(claim, pause, patience=self._pace.lease_seconds)

    async def _given_back(self, claim: Claim, pause: float, patience: float = 0.0) -> None:
        """Release it as soon as the store is there: else nobody could go on with it before its claim runs out."""
        give_up_at = asyncio.get_running_loop().time() + patience
        while True:
            try:
                return await self._list.release(claim, pause)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() >= give_up_at:
                    return _log.warning("entry %s is free again when its claim runs out", claim.entry_id)
                await asyncio.sleep(self._pace.poll_seconds)


async def worker_context(
    actor_id: str, claim: Claim, subject: LedgerAggregate, what: str, clock: Clock
) -> CommandContext:
    """The context of a command that a worker derives: known by what is recorded on which version of the subject."""
    return CommandContext(
        command_id=uuid5(subject.id, f"{what}:{subject.version}"),
        actor=Actor(actor_id, Role.SERVICE),
        now=await clock.now(),
        correlation_id=claim.correlation_id,
        causation_id=claim.causation_id,
    )


async def recorded(attempt: Callable[[], Awaitable[None]], pause_seconds: float = 0.2) -> None:
    """Record what the outside did, until it is in: nobody may refuse that it happened.

    `attempt` loads, decides and appends; it is called again after a conflict, and while the store is away.
    """
    while True:
        try:
            return await attempt()
        except VersionConflict:
            continue
        except StoreUnavailable:
            await asyncio.sleep(pause_seconds)
