"""The portal as an application of its own under /portal, so that whatever goes wrong in it is said by a page."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from adapters.http.portal.account_card import account_card
from adapters.http.portal.account_care import account_care
from adapters.http.portal.accounts import accounts
from adapters.http.portal.care import care
from adapters.http.portal.cart import cart
from adapters.http.portal.furnishing import furnishing
from adapters.http.portal.offers import offers
from adapters.http.portal.order_acts import order_acts
from adapters.http.portal.order_events import order_events
from adapters.http.portal.order_page import order_page
from adapters.http.portal.orders import orders
from adapters.http.portal.paying_again import paying_again
from adapters.http.portal.payment import payment
from adapters.http.portal.quote_review import quote_review
from adapters.http.portal.quotes import quotes
from adapters.http.portal.service_order import service_order
from adapters.http.portal.settings import settings
from adapters.http.portal.subscriptions import subscriptions
from adapters.http.portal.timeline import timeline
from adapters.http.portal.trouble import no_page
from adapters.ledger import Ledger

ROUTERS: Final[Sequence[APIRouter]] = (
    furnishing,
    accounts,
    subscriptions,
    cart,
    quote_review,
    payment,
    service_order,
    order_page,
    paying_again,
    account_card,
    quotes,
    orders,
    timeline,
    settings,
    account_care,
    offers,
    order_events,
    order_acts,
    care,
)
"""All pages and forms, by subject."""


def portal(ledger: Ledger) -> FastAPI:
    """The pages over an open ledger."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.ledger = ledger
    app.add_exception_handler(HTTPException, no_page)
    for routes in ROUTERS:
        app.include_router(routes)
    return app
