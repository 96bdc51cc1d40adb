"""The contract of business time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.clock import MovableClock, SystemClock
from adapters.sandbox_books import SandboxBooks
from services.ports import Clock

A_DAY = timedelta(days=1).total_seconds()


@pytest.fixture(params=["system", "movable"])
def any_clock(request: pytest.FixtureRequest, clock: MovableClock) -> Clock:
    """Each clock."""
    return SystemClock() if request.param == "system" else clock


async def test_now_is_the_present_in_utc(any_clock: Clock) -> None:
    before = datetime.now(UTC)
    now = await any_clock.now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


async def test_now_does_not_go_back(any_clock: Clock) -> None:
    times = [await any_clock.now() for _ in range(20)]
    assert times == sorted(times)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), float("-inf"), 1e300])
async def test_the_clock_is_not_moved_back_or_out_of_this_world(clock: MovableClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="clock"):
        await clock.move(seconds)
    assert abs(await clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_moves_add_up_even_at_once(clock: MovableClock) -> None:
    await asyncio.gather(*(clock.move(A_DAY) for _ in range(10)))
    assert abs(await clock.now() - datetime.now(UTC) - timedelta(days=10)) < timedelta(seconds=5)


async def test_a_move_is_seen_by_every_clock_with_the_same_books(clock: MovableClock, books: SandboxBooks) -> None:
    moved = await clock.move(1.5 * A_DAY)
    assert moved - datetime.now(UTC) > timedelta(days=1.4)
    assert await MovableClock(books).now() >= moved


async def test_a_clock_moved_by_nothing_stays(clock: MovableClock) -> None:
    assert abs(await clock.move(0) - datetime.now(UTC)) < timedelta(seconds=5)
