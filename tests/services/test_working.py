"""A worker claims, works, rests what can't go on, and ends cleanly."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from domain.refusals import Conflict
from services.deciding import decided
from services.ports import Claim, CounterpartyUnavailable, StoreUnavailable, VersionConflict
from services.working import ClaimLost, Pace, Worker, recorded

QUICK = Pace(at_once=2, lease_seconds=5, first_pause=0.25, done_pause=9.0, poll_seconds=0.001)


def _claim(number: int, tries: int = 1) -> Claim:
    id = UUID(int=number)
    return Claim(id, id, id, id, id, 1, tries, "fulfil")


@dataclass
class ScriptedList:
    """A list that gives out prepared claims; its faults are raised first."""

    claims: list[Claim]
    faults: list[Exception] = field(default_factory=list)
    behind_faults: list[Exception] = field(default_factory=list)
    release_faults: list[Exception] = field(default_factory=list)
    releases: int = 0
    held: bool = True
    released: dict[UUID, float] = field(default_factory=dict)
    all_released: asyncio.Event = field(default_factory=asyncio.Event)
    waited: int = 0
    sweep_faults: list[Exception] = field(default_factory=list)
    swept: int = 0

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]:
        assert owner == "me"
        assert 0 < limit <= QUICK.at_once
        if self.faults:
            raise self.faults.pop()
        given, self.claims = self.claims[:limit], self.claims[limit:]
        return given

    async def keep(self, claim: Claim, lease_seconds: float) -> bool:
        return self.held

    async def release(self, claim: Claim, pause_seconds: float) -> None:
        self.releases += 1
        if self.release_faults:
            raise self.release_faults.pop()
        self.released[claim.entry_id] = pause_seconds
        if not self.claims:
            self.all_released.set()

    async def sweep(self) -> None:
        self.swept += 1
        if self.sweep_faults:
            raise self.sweep_faults.pop()

    async def caught_up(self) -> None:
        if self.behind_faults:
            raise self.behind_faults.pop()
        await asyncio.sleep(0)

    async def wait(self, poll_seconds: float) -> None:
        self.waited += 1
        await asyncio.sleep(poll_seconds)


@dataclass
class Recording:
    """Work that notes what it was given, and fails as told."""

    fault: Exception | None = None
    begun: list[UUID] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
        self.begun.append(claim.entry_id)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await keep()
            await asyncio.sleep(0.002)
            if self.fault:
                raise self.fault
        finally:
            self.at_once -= 1


async def _until_released(work_list: ScriptedList, work: Recording, pace: Pace = QUICK) -> None:
    task = asyncio.create_task(Worker(work_list, work, "me", pace).run())
    async with asyncio.timeout(2):
        await work_list.all_released.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_every_entry_is_worked_on_and_never_more_than_the_pace_at_once() -> None:
    work_list, work = ScriptedList([_claim(number) for number in range(7)]), Recording()
    await _until_released(work_list, work)
    assert sorted(work.begun) == [UUID(int=number) for number in range(7)]
    assert work.most_at_once == 2
    assert set(work_list.released.values()) == {QUICK.done_pause}
    assert work_list.waited > 0


@pytest.mark.parametrize("fault", [CounterpartyUnavailable("away"), StoreUnavailable("away"), RuntimeError("a bug")])
async def test_what_fails_rests_longer_with_each_try(fault: Exception) -> None:
    work_list = ScriptedList([_claim(1, tries=1), _claim(2, tries=3)])
    await _until_released(work_list, Recording(fault))
    assert work_list.released == {UUID(int=1): 0.25, UUID(int=2): 1.0}


async def test_a_lost_claim_is_not_released() -> None:
    work_list, work = ScriptedList([_claim(1)], held=False), Recording()
    task = asyncio.create_task(Worker(work_list, work, "me", QUICK).run())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.begun, work_list.released) == ([UUID(int=1)], {})
    assert issubclass(ClaimLost, Exception)


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("a bug")])
async def test_a_list_that_gives_nothing_out_is_asked_again(fault: Exception) -> None:
    work_list = ScriptedList([_claim(1)], faults=[fault])
    await _until_released(work_list, Recording())
    assert UUID(int=1) in work_list.released


async def test_the_list_is_swept_now_and_then_and_not_with_each_look() -> None:
    seldom, often = (ScriptedList([_claim(number) for number in range(9)]) for _ in range(2))
    await _until_released(seldom, Recording(), replace(QUICK, sweep_seconds=60.0))
    await _until_released(often, Recording(), replace(QUICK, sweep_seconds=0.002))
    assert seldom.swept == 1
    assert often.swept > 2


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("a bug")])
async def test_a_sweep_that_fails_holds_up_no_work(fault: Exception) -> None:
    work_list = ScriptedList([_claim(1)], sweep_faults=[fault])
    await _until_released(work_list, Recording())
    assert UUID(int=1) in work_list.released


async def test_a_store_that_is_away_at_the_start_is_waited_for() -> None:
    work_list = ScriptedList([_claim(1)], behind_faults=[StoreUnavailable("away"), StoreUnavailable("away")])
    await _until_released(work_list, Recording())
    assert UUID(int=1) in work_list.released


async def test_an_entry_is_released_as_soon_as_the_store_is_back() -> None:
    work_list = ScriptedList([_claim(1)], release_faults=[StoreUnavailable("away"), StoreUnavailable("away")])
    await _until_released(work_list, Recording())
    assert work_list.releases == 3


async def test_a_release_that_fails_for_long_is_left_to_the_lease(caplog: pytest.LogCaptureFixture) -> None:
    work_list = ScriptedList([_claim(1), _claim(2)], release_faults=[StoreUnavailable("away")])
    pace = Pace(at_once=1, lease_seconds=0.0, done_pause=9.0, poll_seconds=0.001)
    await _until_released(work_list, Recording(), pace)
    assert work_list.released == {UUID(int=2): 9.0}
    assert "free again when its claim runs out" in caplog.text


async def test_ending_the_worker_ends_what_is_under_way() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    class Endless:
        async def carry_on(self, claim: Claim, keep: Callable[[], Awaitable[None]]) -> None:
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    work_list = ScriptedList([_claim(1)])
    task = asyncio.create_task(Worker(work_list, Endless(), "me", QUICK).run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert work_list.released == {UUID(int=1): 0}, "others may go on with it at once"


async def test_what_the_outside_did_is_recorded_until_it_is_in() -> None:
    faults: list[Exception] = [StoreUnavailable("away"), VersionConflict(), VersionConflict(), StoreUnavailable("away")]

    async def attempt() -> None:
        if faults:
            raise faults.pop()

    await recorded(attempt, pause_seconds=0.0)
    assert faults == []


async def test_a_decision_is_tried_three_times_and_then_refused_as_a_conflict() -> None:
    tries = 0

    async def attempt() -> None:
        nonlocal tries
        tries += 1
        raise VersionConflict

    with pytest.raises(Conflict):
        await decided(attempt)
    assert tries == 3
