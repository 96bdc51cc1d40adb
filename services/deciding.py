"""How a command is tried: load, decide, append; decided anew when somebody was faster."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from domain.refusals import Conflict
from services.ports import VersionConflict

_TRIES: Final = 3

Result = TypeVar("Result")


async def decided(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `attempt`, which loads, decides and appends; on a conflict it is called again, three times in all.

    Raises the refusal Conflict after the last.
    """
    for _ in range(_TRIES):
        try:
            return await attempt()
        except VersionConflict:
            continue
    raise Conflict
