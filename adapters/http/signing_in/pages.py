"""The pages around signing in, in the portal's frame; each says what to do next."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fastapi import Request, Response

from adapters.http.portal import viewing
from adapters.http.portal.words import msgid, reader_of


class _Said(NamedTuple):
    """What the page says; `way_on` is what its button says, which leads `to` there."""

    title: str
    text: str
    way_on: str = msgid("Sign in")
    to: str = "/sign-in"


_SAID: Final[Mapping[str, _Said]] = {
    "away": _Said(
        msgid("You can't sign in at the moment"),
        msgid("The sign-in service is not responding. Please try again in a few minutes."),
        msgid("Try again"),
    ),
    "started_anew": _Said(
        msgid("Please sign in again"),
        msgid("This sign-in took too long, was used before, or was begun in another browser."),
    ),
    "declined": _Said(msgid("You are not signed in"), msgid("The sign-in was broken off.")),
    "unknown": _Said(
        msgid("You have no access"),
        msgid("You are signed in, but nobody has given you access to this portal."),
        msgid("Sign in as somebody else"),
    ),
    "no_account": _Said(
        msgid("No account is assigned to you"),
        msgid("You are signed in, but there is no account that you may see."),
        msgid("Sign in as somebody else"),
    ),
    "not_ours": _Said(
        msgid("Nothing was done"),
        msgid("The request did not come from this page, or belongs to an earlier sign-in. Open the page again."),
        msgid("To the portal"),
        "/portal",
    ),
    "signed_out": _Said(msgid("You are signed out"), msgid("You can close this window.")),
    "signed_in": _Said(msgid("You are signed in"), msgid("Your session ends at %(ends_at)s UTC at the latest.")),
}


def page(request: Request, what: str, status: int = 200, csrf_token: str | None = None, **facts: Any) -> Response:
    """A page that tells this; with a `csrf_token` somebody is signed in, and may sign out."""
    reader = reader_of(request)
    said = _SAID[what]
    return viewing.page(
        request,
        "signing_in",
        reader,
        status,
        csrf_token=csrf_token,
        title=reader.said(said.title),
        text=reader.said(said.text, **facts),
        way_on=reader.said(said.way_on),
        to=said.to,
        needs_help=what not in {"signed_out", "signed_in"},
    )
