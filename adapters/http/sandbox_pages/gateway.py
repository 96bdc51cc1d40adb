"""The sandbox gateway's own card form, as a hosted one of a real gateway: out with a choice, back with a token."""

from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import RedirectResponse

from adapters.http.callers import TheLedger
from adapters.http.sandbox_pages.access import from_own_pages, from_this_machine
from adapters.http.sandbox_pages.viewing import page
from adapters.payments.card_form import SANDBOX_PATH, SANDBOX_TOKEN
from adapters.payments.sandbox import TOKENS

gateway = APIRouter(include_in_schema=False, dependencies=[Depends(from_this_machine), Depends(from_own_pages)])

_SEE_OTHER: Final = 303
_CARDS: Final = {
    "tok_visa": "is accepted",
    "tok_visa_debit": "a debit card, is accepted",
    "tok_mastercard": "is accepted",
    "tok_amex": "is accepted",
    "tok_action_required": "the bank asks its holder first (3-D Secure)",
    "tok_declined": "is declined without a reason",
    "tok_insufficient_funds": "is declined: not enough funds",
    "tok_expired_card": "is declined: expired, says the bank",
    "tok_past_expiry": "its last month is over",
    "tok_slow": "is accepted after a few seconds",
    "tok_timeout_before_effect": "the gateway falls silent before it did anything",
    "tok_timeout_after_effect": "the gateway falls silent after it did it",
}
"""What each test card does. They are chosen, not typed: no card number passes through this process."""


def _to_our_pages(ledger: TheLedger, return_to: Annotated[str, Query(max_length=4_000)]) -> str:
    """Where the browser goes back to: pages of this service's portal and nowhere else."""
    ours, asked = urlsplit(ledger.settings.origin), urlsplit(return_to)
    if (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc) or not asked.path.startswith("/portal/"):
        raise HTTPException(400, "The gateway goes back to the portal's pages only")
    return return_to


ReturnTo = Annotated[str, Depends(_to_our_pages)]


@gateway.get(SANDBOX_PATH)
async def card_form(return_to: ReturnTo, language: Annotated[str, Query(max_length=8)] = "en") -> Response:
    """Ask which of the test cards it is."""
    cards = [(token, TOKENS[token].card, what) for token, what in _CARDS.items()]
    values = {"cards": cards, "return_to": return_to, "language": language, "path": SANDBOX_PATH}
    return page("card_form", values, forms=True)


@gateway.get(f"{SANDBOX_PATH}/entered")
async def entered(return_to: ReturnTo, card: Annotated[str, Query(max_length=60)]) -> Response:
    """Back to the portal with the card's token."""
    if card not in TOKENS:
        raise HTTPException(400, "There is no such test card")
    joint = "&" if urlsplit(return_to).query else "?"
    return RedirectResponse(f"{return_to}{joint}{urlencode({SANDBOX_TOKEN: card})}", _SEE_OTHER)
