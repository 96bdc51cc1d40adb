"""The headers that keep an answer harmless in a browser, on every answer, problems of the outermost parts included."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"cache-control": b"no-store",
    # The API's answers are no pages: nothing of them is loaded, run, framed or sent anywhere.
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
LOCKED_UP: Final = {
    "Cache-Control": "no-store",
    # A receipt has styles of its own, and nothing to run, load or send.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox",
}
"""For a document that was issued: it is shown as it is, and can do nothing."""

_OVER_TLS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class SecurityHeaders:
    """ASGI middleware: adds those that the answer has not set itself, as pages do for what they need."""

    def __init__(self, app: ASGIApp) -> None:
        """Outermost, so that no answer is without."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                there = {name.lower() for name, _ in headers}
                headers += [each for each in _ALWAYS.items() if each[0] not in there]
                if scope.get("scheme") == "https":
                    headers.append(_OVER_TLS)
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_headers)
