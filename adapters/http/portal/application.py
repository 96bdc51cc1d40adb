"""The portal as an application of its own under /portal, so that whatever goes wrong in it is said by a page."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from adapters.http.portal.accounts import accounts
from adapters.http.portal.furnishing import furnishing
from adapters.http.portal.subscriptions import subscriptions
from adapters.http.portal.trouble import no_page
from adapters.ledger import Ledger

ROUTERS: Final[Sequence[APIRouter]] = (furnishing, accounts, subscriptions)
"""All pages and forms, by subject."""


def portal(ledger: Ledger) -> FastAPI:
    """The pages over an open ledger."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.ledger = ledger
    app.add_exception_handler(HTTPException, no_page)
    for routes in ROUTERS:
        app.include_router(routes)
    return app
