"""Who is signed in: the session behind a browser's cookie, and whether a form is really one of our own pages'."""

import re
import secrets
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from adapters.http.callers import TheLedger
from adapters.http.unknown_at_first import seen_by
from adapters.postgres.sessions import Session
from adapters.postgres.sight import seen

# The prefix has the browser itself refuse the cookie from another host, another path, or without TLS (RFC 6265bis);
# browsers treat http://localhost as if it had TLS.
SESSION: Final = "__Host-seatledger"
SIGN_IN: Final = "__Host-seatledger-sign-in"

_OURS: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_RELATIVE: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")
_SEE_OTHER: Final = 303


class SignInNeeded(Exception):
    """Nobody is signed in, or not any more."""


class NotOurForm(Exception):
    """The form was sent by another site, or belongs to another session."""


class FormOfAnotherSession(NotOurForm):
    """The form is one of ours, made for an earlier sign-in or for somebody else."""


def secret_in(request: Request, cookie: str) -> str | None:
    """The cookie's secret, if it is one of ours; what another version or anybody else put there is none."""
    value = request.cookies.get(cookie, "")
    return value if _OURS.fullmatch(value) else None


def put(response: Response, cookie: str, secret: str, seconds: int | None = None) -> None:
    """Have the browser keep the secret, out of scripts' reach, until it is closed or for so long."""
    response.set_cookie(cookie, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def take_away(response: Response, cookie: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(cookie, path="/", secure=True, httponly=True, samesite="lax")


async def session_of(request: Request, ledger: TheLedger) -> Session:
    """The session that the page is asked for in; raises SignInNeeded."""
    secret = secret_in(request, SESSION)
    session = await ledger.sessions.find(secret) if secret else None
    if session is None:
        raise SignInNeeded
    seen.set(seen_by(session.caller))
    return session


TheSession = Annotated[Session, Depends(session_of)]


def must_be_our_form(request: Request, session: Session, csrf_token: str) -> None:
    """Raise NotOurForm unless it was sent from our own origin, FormOfAnotherSession without this session's token."""
    origin = request.headers.get("Origin")
    from_here = (
        origin == request.app.state.ledger.settings.origin
        if origin
        else request.headers.get("Sec-Fetch-Site") == "same-origin"
    )
    if not from_here:
        raise NotOurForm
    if not secrets.compare_digest(csrf_token.encode(), session.csrf_token.encode()):
        raise FormOfAnotherSession


def relative(path: str | None, otherwise: str) -> str:
    r"""The path on this site, or `otherwise`.

    >>> relative("/orders?id=1", "/"), relative("//evil.example", "/"), relative("/\\evil.example", "/")
    ('/orders?id=1', '/', '/')
    """
    return path if path and _RELATIVE.fullmatch(path) else otherwise


async def to_sign_in(request: Request, _: Exception) -> Response:
    """Send the browser to sign in, and back to where it was if that was a page."""
    to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?to={quote(to)}" if request.method == "GET" else ""
    return RedirectResponse(f"/sign-in{back}", _SEE_OTHER)
