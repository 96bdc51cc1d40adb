"""Cards on pages: out to the gateway's own form, back with a token, and what may be shown of the card behind it."""

from dataclasses import dataclass
from typing import Final

from fastapi import Response
from fastapi.responses import RedirectResponse

from adapters.documents.templating import card_brand
from adapters.http.portal.visiting import Visit, after
from domain.calendar import business_day
from domain.personal_data import PaymentMethod
from services.ports import CounterpartyRefused, Outcome

CARD_FIELD: Final = "card"
"""The name of the hidden field with a token that was just given."""

_SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True)
class Card:
    """What a page may say of a card; `token` is there for one that was just entered and is not saved yet."""

    brand: str
    last_four: str
    expiry: str
    expired: bool
    token: str = ""


async def to_the_gateway(visit: Visit, path: str, outcome: Outcome | None = None) -> Response:
    """Send the browser to the gateway's form, which sends it back to this path, where the outcome is to be seen."""
    origin, code = visit.ledger.settings.origin, visit.reader.language.code
    address = await visit.ledger.card_form.begin(f"{origin}{after(path, outcome)}", code)
    return RedirectResponse(address, _SEE_OTHER, {"Cache-Control": "no-store"})


async def entered(visit: Visit, token: str | None = None) -> Card | None:
    """The card of the token that a form carries, else of the one that the browser came back with; None if none is.

    Nothing is changed by it: a page shows the card, and a form of its own saves it.
    """
    token = token or await visit.ledger.card_form.token(visit.request.query_params)
    if not token:
        return None
    try:
        card = await visit.ledger.ordering.card(token)
    except CounterpartyRefused:
        return None
    return await _shown(visit, card.brand, card.last_four, card.expiry_year, card.expiry_month, token)


async def kept(visit: Visit, method: PaymentMethod | None) -> Card | None:
    """The card that an account or order has."""
    if method is None:
        return None
    return await _shown(visit, method.brand, method.last_four, method.expiry_year, method.expiry_month)


async def _shown(visit: Visit, brand: str, last_four: str, year: int, month: int, token: str = "") -> Card:
    today = business_day(await visit.ledger.clock.now(), visit.account.time_zone)
    return Card(card_brand(brand), last_four, f"{month:02d}/{year}", (year, month) < (today.year, today.month), token)
