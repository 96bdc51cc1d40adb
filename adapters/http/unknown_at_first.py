"""Whoever comes from outside sees no account until it is known who he is."""

from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.postgres.sight import EVERY_ACCOUNT, NO_ACCOUNT, Seen, seen, these_accounts, these_territories
from services.authorisation import SEES, Caller, Sight


class UnknownAtFirst:
    """ASGI middleware: nothing is seen for the time of a request but what `see` adds."""

    def __init__(self, app: ASGIApp) -> None:
        """Around everything that asks the database."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        before = seen.set(NO_ACCOUNT)
        try:
            await self._app(scope, receive, send)
        finally:
            seen.reset(before)


def seen_by(caller: Caller) -> Seen:
    """What the caller's role lets him see before it is known which account he asks about."""
    match SEES[caller.actor.role]:
        case Sight.NAMED:
            return these_accounts(*caller.accounts)
        case Sight.TERRITORY:
            return these_territories(caller.territories)
        case Sight.ALL:
            return EVERY_ACCOUNT
