"""Sign-in, its answer from the provider, and sign-out."""

import secrets
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from adapters.http.callers import TheLedger
from adapters.http.signing_in.pages import page
from adapters.http.signing_in.session import (
    SESSION,
    SIGN_IN,
    NotOurForm,
    TheSession,
    must_be_our_form,
    put,
    relative,
    secret_in,
    take_away,
)
from adapters.identity.tokens import IdentityUnavailable, TokenRefused
from adapters.ledger import Ledger
from adapters.postgres.sessions import SIGN_IN_SECONDS, Session, SignIn
from services.authorisation import SEES, Caller, Sight

signing_in = APIRouter(include_in_schema=False)

_SIGNED_IN: Final = "/signed-in"
_SEE_OTHER: Final = 303

Text = Annotated[str | None, Query(max_length=4096)]


@signing_in.get("/sign-in")
async def sign_in(request: Request, ledger: TheLedger, to: Text = None) -> Response:
    """Send the browser to the provider, and remember where it wanted to go."""
    if ledger.relying_party is None:
        raise HTTPException(404)
    try:
        begun = await ledger.relying_party.begin()
    except IdentityUnavailable:
        return page(request, "away", 503)
    # One secret for all tabs of a browser, so that two of them can sign in at once.
    browser = secret_in(request, SIGN_IN) or secrets.token_urlsafe(32)
    await ledger.sessions.begin(begun.state, browser, SignIn(begun.nonce, begun.verifier, relative(to, _SIGNED_IN)))
    response = RedirectResponse(begun.url, _SEE_OTHER, {"Cache-Control": "no-store"})
    put(response, SIGN_IN, browser, SIGN_IN_SECONDS)
    return response


@signing_in.get("/sign-in/callback")
async def answered(
    request: Request, ledger: TheLedger, state: Text = None, code: Text = None, error: Text = None
) -> Response:
    """The provider's answer: a session with a new secret, whatever the browser had before."""
    browser = secret_in(request, SIGN_IN)
    begun = await ledger.sessions.take(state, browser) if state and browser else None
    if begun is None or ledger.relying_party is None:
        return page(request, "started_anew", 400)
    if error or not code:
        return page(request, "declined", 403)
    try:
        caller = await ledger.relying_party.finished(code, begun.nonce, begun.verifier)
    except IdentityUnavailable:
        return page(request, "away", 503)
    except TokenRefused:
        return page(request, "unknown", 403)
    if _sees_nothing(caller):
        return page(request, "no_account", 403)
    await _ended(request, ledger)
    response = RedirectResponse(begun.return_to, _SEE_OTHER, {"Cache-Control": "no-store"})
    put(response, SESSION, await ledger.sessions.open(caller))
    take_away(response, SIGN_IN)
    return response


def _sees_nothing(caller: Caller) -> bool:
    return SEES[caller.actor.role] is not Sight.ALL and not caller.accounts and not caller.territories


async def _ended(request: Request, ledger: Ledger) -> None:
    secret = secret_in(request, SESSION)
    if secret:
        await ledger.sessions.close(secret)


@signing_in.get(_SIGNED_IN)
async def signed_in(request: Request, session: TheSession) -> Response:
    """That somebody is signed in, and how to end it."""
    return page(request, "signed_in", csrf_token=session.csrf_token, ends_at=f"{session.ends_at:%H:%M}")


@signing_in.post("/sign-out")
async def sign_out(request: Request, ledger: TheLedger, session: TheSession) -> Response:
    """End this session."""
    return await _signed_out(request, ledger, session, everywhere=False)


@signing_in.post("/sign-out-everywhere")
async def sign_out_everywhere(request: Request, ledger: TheLedger, session: TheSession) -> Response:
    """End all sessions of whoever is signed in, on whatever machine."""
    return await _signed_out(request, ledger, session, everywhere=True)


async def _signed_out(request: Request, ledger: Ledger, session: Session, *, everywhere: bool) -> Response:
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    try:
        must_be_our_form(request, session, form.get("csrf_token", [""])[0])
    except NotOurForm:
        return page(request, "not_ours", 403)
    await _ended(request, ledger)
    if everywhere:
        await ledger.sessions.close_all(session.caller.actor.id)
    response = page(request, "signed_out")
    take_away(response, SESSION)
    return response
