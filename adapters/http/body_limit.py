"""Refuses a body larger than the setting before more of it than that is in memory."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.problems import problem

_TITLE: Final = "The body is larger than {limit} bytes."
_READ_AT_MOST: Final = 16 * 1024 * 1024


class BodyLimit:
    """ASGI middleware: reads the body whole, in chunks or not, and answers 413 if it is too large."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """`limit` in bytes."""
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        message: Message = {}
        body, read = bytearray(), 0
        while message.get("more_body", True) and message.get("type") != "http.disconnect" and read < _READ_AT_MOST:
            # Too much is read on and thrown away: a connection closed on somebody who sends takes the answer from him.
            message = await receive()
            read += len(message.get("body", b""))
            if read <= self._limit:
                body += message.get("body", b"")
        if read > self._limit:
            response = problem(413, "BODY_TOO_LARGE", _TITLE.format(limit=self._limit), headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        first: list[Message] = [{**message, "body": bytes(body)} if message["type"] == "http.request" else message]

        async def replayed() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replayed, send)
