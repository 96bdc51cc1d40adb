"""What every page uses and nobody must sign in for: style, script, and the language that somebody chooses."""

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from adapters.http.portal.forms import TheForm
from adapters.http.portal.viewing import ASSETS, digest_of
from adapters.http.portal.words import LANGUAGE, LANGUAGES
from adapters.http.signing_in.session import put, relative

furnishing = APIRouter()

_SEE_OTHER: Final = 303
_A_YEAR: Final = 365 * 86400


@furnishing.get("/assets/{name}")
async def asset(name: str, v: Annotated[str, Query(max_length=64)] = "") -> Response:
    """A part of the pages' look. An address that names the content's digest never means anything else."""
    if name not in ASSETS:
        raise HTTPException(404)
    content, media_type = ASSETS[name]
    kept = f"public, max-age={_A_YEAR}, immutable" if v == digest_of(name) else "no-cache"
    return Response(content, media_type=media_type, headers={"Cache-Control": kept})


@furnishing.post("/language")
async def choose_language(request: Request, form: TheForm) -> Response:
    """Read the portal in this language from now on, in this browser; another site can't choose."""
    back = RedirectResponse(relative(form.text("to"), "/portal"), _SEE_OTHER, {"Cache-Control": "no-store"})
    if form.text("language") in LANGUAGES and request.headers.get("Sec-Fetch-Site") in {None, "same-origin"}:
        put(back, LANGUAGE, form.text("language"), _A_YEAR)
    return back
