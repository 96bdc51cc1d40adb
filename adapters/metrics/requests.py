"""Times requests by their route's template, whoever answers them."""

import time
from typing import Final

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.problems import PROBLEM_CODE
from adapters.metrics.meters import Meters

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_FAILED: Final = 500


class Timed:
    """ASGI middleware: the time until the answer begins, since somebody may follow an order for an hour."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        """Outermost, so that no answer is left out."""
        self._app, self._meters = app, meters
        self._known: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, seconds = time.perf_counter(), 0, 0.0

        async def noting(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            status = status or _FAILED
            raise
        finally:
            if status:  # else the client went away before there was one
                self._note(scope, status, seconds or time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")  # an unknown path may hold anything
        place = route, method, status // 100
        if place not in self._known:  # half of what asking the library each time costs
            self._known[place] = self._meters.requests.labels(route, method, f"{status // 100}xx")
        self._known[place].observe(seconds)
        code = scope.get(PROBLEM_CODE) or ("INTERNAL" if status == _FAILED else None)
        if code:
            self._meters.problems.labels(code).inc()
