"""Background tasks end when told to, even those that miss the first word."""

import asyncio
import contextlib

import pytest

from services import background
from services.background import ended


async def test_a_task_that_misses_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_AGAIN_AFTER_SECONDS", 0.01)

    async def hard_of_hearing() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(hard_of_hearing())
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await ended(task)
    assert task.cancelled()


async def test_a_failure_is_not_lost_and_no_task_is_left_behind() -> None:
    async def failing() -> None:
        raise KeyError

    first, second = asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    with pytest.raises(KeyError):
        await ended(first, second)
    assert second.cancelled()


async def test_nothing_to_end_is_no_fault() -> None:
    await ended()
