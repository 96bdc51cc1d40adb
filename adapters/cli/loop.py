"""Runs a command's coroutine on the fastest event loop there is, with the collector of cycles out of its way."""

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

_ALLOCATIONS: Final = 20_000
"""Most of what a page of events makes is gone by count of references before cycles are looked for."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it to its end."""
    settle()
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop  # noqa: PLC0415 -- not made for Windows

    uvloop.run(main())


def collect_seldom() -> None:
    """Look for cycles seldom: Python's own pace is for small programs.

    Of reading a page of events, a third was the collector going through all that pydantic and FastAPI keep, and
    requests met with pauses of 100 ms.
    """
    gc.set_threshold(_ALLOCATIONS, 20, 50)


def settle() -> None:
    """Collect seldom, and never what is there by now: modules and schemas stay for as long as the process."""
    collect_seldom()
    gc.freeze()
