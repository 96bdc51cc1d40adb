"""What a sandbox counterparty is told to do wrong: planned from outside the process, kept in its books."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final
from uuid import uuid4

from pydantic import BaseModel

from adapters.sandbox_books import SandboxBooks
from services.ports import CounterpartyUnavailable, OutcomeUnknown, StoreUnavailable

POINTS: Final = frozenset(
    {
        "payments.card",
        "payments.create_intent",
        "payments.confirm",
        "payments.retrieve",
        "payments.capture",
        "payments.void",
        "payments.refund",
        "admin_directory.ensure_admin",
        "admin_directory.ensure_seats",
        "provisioning.set_seats",
        "provisioning.answer_to",
        "mail.send",
    }
)
"""Every `COUNTERPARTY.OPERATION` that can be planned; `POINT:SUBJECT` means only calls about that subject."""

_BOOK: Final = "script"
_POLL: Final = 0.02
_LONGEST: Final = 600.0


class Moment(StrEnum):
    """On which side of the effect."""

    BEFORE = "before"
    AFTER = "after"


class Behaviour(StrEnum):
    """What happens there: PAUSE until the plan is removed; from REJECT on, it is the counterparty's own answer.

    An answer of its own, and UNAVAILABLE, are planned before the effect only. WRONG and what follows it: done, but told
    with other numbers, in another currency, with a status that nobody knows, or for another order.
    """

    PAUSE = "pause"
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    REJECT = "reject"
    PENDING = "pending"
    WRONG = "wrong"
    OTHER_CURRENCY = "other_currency"
    UNKNOWN_STATUS = "unknown_status"
    OTHER_ORDER = "other_order"


_SHOWN_BY_COUNTERPARTY: Final = frozenset(
    {
        Behaviour.REJECT,
        Behaviour.PENDING,
        Behaviour.WRONG,
        Behaviour.OTHER_CURRENCY,
        Behaviour.UNKNOWN_STATUS,
        Behaviour.OTHER_ORDER,
    }
)
_BEFORE_ONLY: Final = _SHOWN_BY_COUNTERPARTY | {Behaviour.UNAVAILABLE}


class _Plan(BaseModel):
    id: str
    point: str
    moment: Moment
    behaviour: Behaviour
    left: int | None
    seconds: float
    paused: int = 0

    @property
    def key(self) -> str:
        return f"{self.point} {self.moment}"


class Script:
    """The plans of all counterparties that share these books."""

    def __init__(self, books: SandboxBooks, longest_pause: float = _LONGEST) -> None:
        """A call paused for more than `longest_pause` seconds ends with OutcomeUnknown, as with a hung server."""
        self._books, self._longest_pause = books, longest_pause

    async def plan(self, point: str, moment: str, behaviour: str, times: int | None = 1, seconds: float = 0.0) -> None:
        """Plan it for the next `times` calls (None: for all), in place of what was planned there before.

        `seconds` pass before the behaviour shows. Raises ValueError for what can't be planned.
        """
        plan = _Plan(
            id=str(uuid4()),
            point=point,
            moment=Moment(moment),
            behaviour=Behaviour(behaviour),
            left=times,
            seconds=seconds,
        )
        _must_be_known(point.partition(":")[0])
        if plan.moment is Moment.AFTER and plan.behaviour in _BEFORE_ONLY:
            message = f"{behaviour} is the counterparty's own answer, so it can't come after the effect"
            raise ValueError(message)
        if times is not None and times < 1:
            message = f"a plan is for 1 call or more, not for {times}"
            raise ValueError(message)
        if not (math.isfinite(seconds) and 0 <= seconds <= _LONGEST):
            message = f"a plan takes 0 to {_LONGEST:.0f} seconds, not {seconds}"
            raise ValueError(message)
        async with self._books.entry(_BOOK, plan.key) as document:
            document.clear()
            document.update(plan.model_dump(mode="json"))

    async def clear(self, point: str) -> None:
        """Remove what is planned at the point, and let go the calls that are paused there."""
        for moment in Moment:
            async with self._books.entry(_BOOK, f"{point} {moment}") as document:
                document.clear()

    async def paused(self) -> list[str]:
        """Where calls are paused now, each as `POINT MOMENT`; a killed process's call counts until its plan is gone."""
        plans = [_Plan.model_validate(document) for _, document in await self._books.list(_BOOK)]
        return [plan.key for plan in plans if plan.paused > 0]

    @asynccontextmanager
    async def around(self, operation: str, *subjects: str) -> AsyncIterator[Behaviour | None]:
        """Stand around an operation's effect and do what is planned on either side.

        Gives the planned behaviour that only the counterparty itself can show. Raises CounterpartyUnavailable or
        OutcomeUnknown, the latter also when the books don't answer.
        """
        _must_be_known(operation)
        try:
            yield await self._meet(operation, Moment.BEFORE, subjects)
            await self._meet(operation, Moment.AFTER, subjects)
        except StoreUnavailable as error:
            message = f"{operation}: the sandbox's books do not answer"
            raise OutcomeUnknown(message) from error

    async def _meet(self, operation: str, moment: Moment, subjects: tuple[str, ...]) -> Behaviour | None:
        plan = await self._taken({operation, *(f"{operation}:{subject}" for subject in subjects)}, moment)
        if plan is None:
            return None
        if plan.behaviour is Behaviour.PAUSE:
            await self._pause(plan)
        await asyncio.sleep(plan.seconds)
        message = f"{operation}: planned, {moment} the effect"
        if plan.behaviour is Behaviour.UNAVAILABLE:
            raise CounterpartyUnavailable(message)
        if plan.behaviour is Behaviour.TIMEOUT:
            raise OutcomeUnknown(message)
        return plan.behaviour if plan.behaviour in _SHOWN_BY_COUNTERPARTY else None

    async def _taken(self, points: set[str], moment: Moment) -> _Plan | None:
        for key, document in await self._books.list(_BOOK):
            if document["point"] in points and document["moment"] == moment and document["left"] != 0:
                plan = await self._take(key)
                if plan:
                    return plan
        return None

    async def _take(self, key: str) -> _Plan | None:
        async with self._books.entry(_BOOK, key) as document:
            if not document or document["left"] == 0:
                return None
            plan = _Plan.model_validate(document)
            if plan.left is not None:
                plan.left -= 1
            if plan.behaviour is Behaviour.PAUSE:
                plan.paused += 1  # the plan stays, even when used up: its removal ends the pause
            document.clear()
            if plan.left != 0 or plan.behaviour is Behaviour.PAUSE:
                document.update(plan.model_dump(mode="json"))
            return plan

    async def _pause(self, plan: _Plan) -> None:
        try:
            async with asyncio.timeout(self._longest_pause):
                # Who removes the plan is in another process: there is no asyncio.Event to wait for.
                while await self._is_planned(plan):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            message = f"{plan.key}: paused for more than {self._longest_pause:g} s"
            raise OutcomeUnknown(message) from None
        finally:
            with suppress(StoreUnavailable):  # a cancelled call must end as cancelled
                async with self._books.entry(_BOOK, plan.key) as document:
                    if document.get("id") == plan.id:
                        document["paused"] -= 1

    async def _is_planned(self, plan: _Plan) -> bool:
        document = await self._books.read(_BOOK, plan.key)
        return document is not None and document["id"] == plan.id


def _must_be_known(operation: str) -> None:
    if operation not in POINTS:
        message = f"no such point: {operation}"
        raise ValueError(message)
