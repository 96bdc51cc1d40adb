"""Refuses a body larger than the setting before more of it is in memory, or one without an end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.problems import problem

_TOO_LARGE: Final = "The body is larger than {limit} bytes."
_TOO_SLOW: Final = "The body did not come to an end in time."
_READ_AT_MOST: Final = 16 * 1024 * 1024


class BodyLimit:
    """ASGI middleware: reads the body whole, in chunks or not, and answers 413 if it is too large."""

    def __init__(
        self,
        app: ASGIApp,
        limit: int,
        seconds: float,
        page: Callable[[Request, HTTPException], Awaitable[Response]],
    ) -> None:
        """`limit` in bytes, all of which must be here within `seconds`; `page` says it to who reads pages."""
        self._app, self._limit, self._seconds, self._page = app, limit, seconds, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        message: Message = {}
        body, read = bytearray(), 0
        try:
            async with asyncio.timeout(self._seconds):
                while message.get("more_body", True) and message.get("type") != "http.disconnect":
                    # Too much is read on and thrown away: a connection closed on somebody who sends takes the answer
                    # from him.
                    message = await receive()
                    read += len(message.get("body", b""))
                    if read <= self._limit:
                        body += message.get("body", b"")
                    if read >= _READ_AT_MOST:
                        break
        except TimeoutError:
            await self._refuse(408, "BODY_TOO_SLOW", _TOO_SLOW, scope, receive, send)
            return
        if read > self._limit:
            await self._refuse(413, "BODY_TOO_LARGE", _TOO_LARGE.format(limit=self._limit), scope, receive, send)
            return
        first: list[Message] = [{**message, "body": bytes(body)} if message["type"] == "http.request" else message]

        async def replayed() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replayed, send)

    async def _refuse(self, status: int, code: str, title: str, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        if scope["path"].startswith("/portal/"):
            response = await self._page(Request(scope), HTTPException(status, title))
        else:
            response = problem(status, code, title)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)
