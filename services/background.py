"""Tasks that run in the background until they are told to end."""

import asyncio
from typing import Any, Final

_AGAIN_AFTER_SECONDS: Final = 1.0


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and return when each has ended; raises what one of them failed with.

    One cancellation is not enough: `asyncio.wait_for` of Python 3.11 swallows one that comes just as its future is
    done, and database drivers wait in it.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_AFTER_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.result()
