"""Runs a command's coroutine on the fastest event loop there is."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it to its end."""
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop  # noqa: PLC0415 -- not made for Windows

    uvloop.run(main())
