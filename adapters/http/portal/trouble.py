"""The pages for whatever ends a request otherwise than it was meant: plain words, help, and a reference for the log."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from adapters.http.portal.forms import FormOutdated, fields_of
from adapters.http.portal.refusals import complaint_about
from adapters.http.portal.viewing import page
from adapters.http.portal.words import Reader, msgid, reader_of
from adapters.http.problems import STATUS
from adapters.http.rates import TooManyRequests
from adapters.http.signing_in.session import NotOurForm, SignInNeeded, to_sign_in
from adapters.postgres.read_models import CursorInvalid, NotThatFar
from domain.refusals import NotBillingAdmin, NotFound, NotPermitted, Refusal
from services.ports import CounterpartyError, StoreUnavailable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the page says: title, what happened and what to do, and whether to send the same again can help."""

    status: int
    title: str
    text: str
    again: bool = False


_NOT_FOUND: Final = Trouble(
    404,
    msgid("Page not found"),
    msgid("This page does not exist, or it belongs to an account that you can't see."),
)
_FORBIDDEN: Final = Trouble(
    403,
    msgid("You may not do this"),
    msgid("You are signed in, but your role does not allow this. A billing admin of the account can."),
)
_NOT_OURS: Final = Trouble(
    403,
    msgid("Nothing was done"),
    msgid("The request did not come from a page of this portal. Open the page again and repeat what you wanted to do."),
)
_SIGNED_OUT: Final = Trouble(
    401,
    msgid("Your session has ended"),
    msgid(
        "What you entered is kept on this page. Sign in again in a new tab, come back to this one, and continue: you "
        "will see it once more before anything is sent."
    ),
)
_AWAY: Final = Trouble(
    503,
    msgid("This is not possible at the moment"),
    msgid("A part of the service is not responding. Please try again in a moment; nothing will be ordered twice."),
    again=True,
)
_BEHIND: Final = Trouble(
    503,
    msgid("Your change is saved and will be visible soon"),
    msgid("Showing it takes longer than usual. Please load this page again in a moment."),
    again=True,
)
_TOO_MANY: Final = Trouble(
    429, msgid("That was a little too fast"), msgid("Please wait a few seconds and try again."), again=True
)
_UNREADABLE: Final = Trouble(
    400, msgid("This could not be read"), msgid("Please go back, load the page again and repeat what you did.")
)
_TOO_LONG: Final = Trouble(
    413,
    msgid("That was too much at once"),
    msgid("Please go back: what you entered is still there. Send less of it."),
)
_TOO_SLOW: Final = Trouble(
    408,
    msgid("Your connection was too slow"),
    msgid("What you sent did not arrive in time, so nothing was done. Please go back and send it again."),
)
_FAILED: Final = Trouble(
    500,
    msgid("This is our fault"),
    msgid("Something went wrong on our side, and it has been noted. Please try again; nothing will be ordered twice."),
    again=True,
)
_REFUSED: Final = msgid("This can't be done now")


async def trouble(request: Request, error: Exception) -> Response:
    """A page that says what went wrong; a form that was sent is given back on it where it may be sent again."""
    if isinstance(error, SignInNeeded) and request.method == "GET":
        return await to_sign_in(request, error)
    reader: Reader = getattr(request.state, "reader", None) or reader_of(request)
    said = _said(error)
    reference = secrets.token_hex(5)
    _note(request, error, said, reference)
    complaint = complaint_about(error, reader) if said.title == _REFUSED else None
    return page(
        request,
        "trouble",
        reader,
        said.status,
        trouble=said,
        complaint=complaint,
        reference=reference,
        signed_out=said is _SIGNED_OUT,
        given_back=await _given_back(request, said),
    )


_KINDS: Final[Mapping[type[Exception], Trouble]] = {
    SignInNeeded: _SIGNED_OUT,
    FormOutdated: _SIGNED_OUT,
    NotOurForm: _NOT_OURS,
    NotFound: _NOT_FOUND,
    CursorInvalid: _NOT_FOUND,
    RequestValidationError: _NOT_FOUND,
    NotPermitted: _FORBIDDEN,
    NotBillingAdmin: _FORBIDDEN,
    NotThatFar: _BEHIND,
    StoreUnavailable: _AWAY,
    CounterpartyError: _AWAY,
    TimeoutError: _AWAY,
    TooManyRequests: _TOO_MANY,
}
_STATUSES: Final = {403: _FORBIDDEN, 404: _NOT_FOUND, 405: _NOT_FOUND, 408: _TOO_SLOW, 413: _TOO_LONG, 503: _AWAY}


def _said(error: Exception) -> Trouble:
    found = next((said for kind, said in _KINDS.items() if isinstance(error, kind)), None)
    if found:
        return found
    if isinstance(error, Refusal):
        return Trouble(STATUS[type(error)], _REFUSED, "")
    if isinstance(error, HTTPException):
        return _STATUSES.get(error.status_code, _UNREADABLE)
    return _FAILED


def _note(request: Request, error: Exception, said: Trouble, reference: str) -> None:
    """By the route's own path: what somebody wrote into an address may be anything."""
    route = request.scope.get("route")
    where = f"{request.method} {route.path}" if route else "no page"
    if said is _FAILED:
        _log.error("reference %s: a page failed, %s", reference, where, exc_info=error)
    else:
        _log.warning("reference %s: %s, %s at %s", reference, said.status, type(error).__name__, where)


async def _given_back(request: Request, said: Trouble) -> dict[str, str] | None:
    """What was sent, to be sent once more as it is; None where that is of no use."""
    if request.method != "POST" or not (said.again or said is _SIGNED_OUT):
        return None
    try:
        return await fields_of(request)
    except HTTPException:
        return None


async def no_page(request: Request, error: Exception) -> Response:
    """For what no route of the portal answers to."""
    return await trouble(request, error)
