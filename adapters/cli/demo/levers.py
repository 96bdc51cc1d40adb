"""What only the sandbox has: a clock that moves, counterparties told what to do wrong, and a bank page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from adapters.cli.demo.people import OPERATOR, signed_in
from adapters.cli.demo.stage import Stage, WalkFailed

_PATIENCE: Final = 10.0


async def moved_on(stage: Stage, by: timedelta) -> datetime:
    """Business time, this much later."""
    operator = await signed_in(stage, OPERATOR)
    answer = await operator.posted("/v1/clock", {"seconds": round(by.total_seconds())})
    return datetime.fromisoformat(answer.json()["now"])


async def moved_to(stage: Stage, instant: datetime) -> datetime:
    """Business time at this instant, or a second after it."""
    now = await moved_on(stage, timedelta(seconds=1))
    return await moved_on(stage, timedelta(seconds=max(1, int((instant - now).total_seconds()) + 1)))


async def planned(stage: Stage, point: str, behaviour: str) -> None:
    """The next call at this point goes wrong, before it has an effect."""
    plan = {"point": point, "moment": "before", "behaviour": behaviour}
    stage.accepted(await stage.client.post("/sandbox/script", json=plan))


@asynccontextmanager
async def hanging(stage: Stage, point: str) -> AsyncIterator[None]:
    """The next call at this point hangs until the block ends, which begins before the call."""
    await planned(stage, point, "pause")
    try:
        yield
    finally:
        stage.accepted(await stage.client.delete(f"/sandbox/script/{point}"))


async def hangs(stage: Stage, point: str) -> None:
    """Wait until a call hangs there. Raises WalkFailed if none comes."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                paused = stage.accepted(await stage.client.get("/sandbox/script")).json()["paused"]
                if f"{point} before" in paused:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise WalkFailed(stage.step, f"no call of {point} within {_PATIENCE:.0f} s") from None


async def bank_page(stage: Stage, link: str) -> str:
    """What the card's holder sees at the bank, as HTML."""
    return stage.accepted(await stage.client.get(urlsplit(link).path)).text


async def confirmed(stage: Stage, link: str) -> None:
    """The card's holder presses the button there."""
    stage.accepted(await stage.client.post(f"{urlsplit(link).path}/confirm"))
