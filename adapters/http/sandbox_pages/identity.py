"""The sandbox's identity provider as a browser and this service see it: who do you want to be, and the code's token."""

from typing import Annotated, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adapters.http.callers import TheLedger
from adapters.http.sandbox_pages.access import from_own_pages, from_this_machine
from adapters.http.sandbox_pages.viewing import page
from adapters.identity.sandbox import CALLBACK, PAGES_CLIENT, Asked
from adapters.ledger import Ledger

identity = APIRouter(include_in_schema=False, dependencies=[Depends(from_this_machine)])

_SEE_OTHER: Final = 303

Text = Annotated[str, Query(max_length=500)]


def _asked(
    ledger: TheLedger,
    client_id: Text,
    redirect_uri: Text,
    nonce: Text,
    code_challenge: Text,
    response_type: Text = "",
    code_challenge_method: Text = "",
) -> Asked:
    """The authorisation request, which must be our own client's and protected by PKCE."""
    if (client_id, redirect_uri) != (PAGES_CLIENT, ledger.settings.origin + CALLBACK):
        raise HTTPException(400, "The sandbox's identity provider knows no such client")
    if (response_type, code_challenge_method) != ("code", "S256"):
        raise HTTPException(400, "Only the code flow with S256")
    return Asked(client_id, redirect_uri, nonce, code_challenge)


@identity.get("/sandbox/identity/authorise")
async def choose(request: Request, ledger: TheLedger, _: Annotated[Asked, Depends(_asked)]) -> Response:
    """Ask the browser who it wants to be."""
    people = sorted(
        await ledger.sandbox.identity.people(), key=lambda each: (each.role.value == "billing_admin", each.login)
    )
    return page("who", {"people": people, "query": request.url.query})


@identity.get("/sandbox/identity/as/{login}", dependencies=[Depends(from_own_pages)])
async def chosen(login: str, ledger: TheLedger, asked: Annotated[Asked, Depends(_asked)], state: Text) -> Response:
    """Back to the service, with a code for this person."""
    code = await ledger.sandbox.identity.grant(login, asked)
    if code is None:
        raise HTTPException(404)
    return RedirectResponse(f"{asked.redirect_uri}?{urlencode({'code': code, 'state': state})}", _SEE_OTHER)


@identity.post("/sandbox/identity/token")
async def redeemed(request: Request, ledger: TheLedger) -> Response:
    """The token for a code, once."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    id_token = await _redeemed(ledger, form)
    if id_token is None:
        return JSONResponse({"error": "invalid_grant"}, 400)
    return JSONResponse({"access_token": "none", "token_type": "Bearer", "expires_in": 60, "id_token": id_token})


async def _redeemed(ledger: Ledger, form: dict[str, str]) -> str | None:
    client, redirect_uri = form.get("client_id", ""), form.get("redirect_uri", "")
    return await ledger.sandbox.identity.redeem(
        form.get("code", ""), client, redirect_uri, form.get("code_verifier", "")
    )
