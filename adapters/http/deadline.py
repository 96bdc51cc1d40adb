"""Answers 503 in place of a request that takes too long, so that nobody waits for ever for whatever is slow."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.problems import unavailable


class Deadline:
    """ASGI middleware: gives up a request whose answer has not begun after some seconds.

    An answer that has begun may take its time: somebody may follow an order for an hour.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        """The time begins once the whole request is here, as BodyLimit sees to."""
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer it if nobody else has in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline, begun = asyncio.timeout(self._seconds), False

        async def in_time(message: Message) -> None:
            nonlocal begun
            if not begun and not deadline.expired():
                deadline.reschedule(None)
            begun = True
            await send(message)

        try:
            async with deadline:
                await self._app(scope, receive, in_time)
        except TimeoutError:
            if begun or not deadline.expired():
                raise
            await unavailable()(scope, receive, send)
