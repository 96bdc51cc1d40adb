"""The cart: New Seat Qty for one or more subscriptions, what that costs until the renewal, and Save Cart and Review."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from adapters.http.callers import asks
from adapters.http.portal.cards import kept
from adapters.http.portal.forms import Sent, TheForm, id_in
from adapters.http.portal.refusals import Complaint, complaint_about
from adapters.http.portal.subscriptions import takes_seats
from adapters.http.portal.viewing import product_title
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import msgid
from adapters.postgres.read_models import PAGE_AT_MOST
from domain.money import Totals
from domain.pricing import QuoteLine, totals
from domain.quote import CartLine
from domain.refusals import NotEligibleForSelfService, Refusal
from projections.portal import QuoteRow, SubscriptionRow
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.quoting import IssueQuote

cart = APIRouter(route_class=PortalRoute)

SEATS: Final = "seats-"
"""Before a subscription's id: the name of its field New Seat Qty."""

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_NOT_WHOLE: Final = msgid("Enter how many seats to add to %(product)s: a whole number from 1 to %(at_most)s.")


@dataclass(frozen=True, slots=True)
class Line:
    """A subscription in the cart: what was typed, and what that costs if it can be quoted."""

    row: SubscriptionRow
    typed: str
    priced: QuoteLine | None = None


@dataclass(frozen=True, slots=True)
class Cart:
    """The lines, the sums of those that have a price, and the subscriptions that could be added."""

    lines: Sequence[Line]
    sums: Totals | None
    others: Sequence[SubscriptionRow]


@cart.get("/accounts/{account_id}/cart", openapi_extra=asks(Operation.ISSUE_QUOTE))
async def show_cart(request: Request, visit: AVisit) -> Response:
    """A cart as the address says, each line by its field's name: nothing of it is stored before it is saved."""
    return await _page(visit, typed_in(request.query_params))


@cart.post("/accounts/{account_id}/cart", openapi_extra=asks(Operation.ISSUE_QUOTE))
async def change_cart(visit: AVisit, form: TheForm) -> Response:
    """Save Cart and Review; or without script another line, one line less, or the prices."""
    typed, action = typed_in(form.fields), form.text("action")
    if action == "add" and form.text("another"):
        return await _page(visit, {**typed, **typed_in({SEATS + form.text("another"): ""})}, form)
    if action.startswith("remove "):
        typed.pop(id_in(action.removeprefix("remove ")) or UUID(int=0), None)
        return await _page(visit, typed, form)
    if action != "save":
        return await _page(visit, typed, form, priced=True)
    return await _saved(visit, typed, form)


@cart.post("/accounts/{account_id}/cart/prices", openapi_extra=asks(Operation.PREVIEW_QUOTE))
async def price_cart(visit: AVisit, form: TheForm) -> Response:
    """For the page's script: the prices of what stands in the fields, each as the page would show it."""
    shown, complaints = await _priced(visit, typed_in(form.fields), untyped_is_wrong=False)
    money, currency = visit.reader.language.money, visit.account.currency
    prices: dict[str, Any] = {
        "lines": {
            str(line.row.subscription_id): money(line.priced.net, currency) for line in shown.lines if line.priced
        },
        "complaints": {each.field: each.text for each in complaints if each.field},
    }
    if shown.sums:
        sums = {"net": shown.sums.net, "tax": shown.sums.tax, "gross": shown.sums.gross}
        prices["sums"] = {name: money(amount, currency) for name, amount in sums.items()}
    return JSONResponse(prices, headers={"Cache-Control": "no-store"})


async def _saved(visit: Visit, typed: Mapping[UUID, str], form: Sent) -> Response:
    lines = _whole_lines(typed)
    if len(lines) < len(typed) or not lines:
        return await _page(visit, typed, form, priced=True)
    command = IssueQuote(
        account_id=visit.account.account_id,
        lines=lines,
        replaces=id_in(form.text("replaces")),
        acknowledge_sales_rep_quote=form.text("acknowledge") == "yes",
    )

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.quoting.issue(command, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, typed, form, outcome)
    return see(f"/quotes/{outcome.id}", outcome)


async def _page(
    visit: Visit,
    typed: Mapping[UUID, str],
    form: Sent | None = None,
    refused: Complaint | None = None,
    *,
    priced: bool = False,
) -> Response:
    shown, complaints = await _priced(visit, typed, untyped_is_wrong=priced)
    if refused and refused.text not in {each.text for each in complaints}:
        complaints = [refused, *complaints]
    open_id = visit.account.open_quote_id
    return visit.page(
        "cart",
        422 if complaints and form else 200,
        cart=shown,
        open_quote=await visit.ledger.queries.quote(open_id) if open_id else None,
        complaints=complaints if form else [],
        card=await kept(visit, visit.account.payment_method),
        acknowledged=form is not None and form.text("acknowledge") == "yes",
        at_most=visit.ledger.settings.seats_at_most,
        SEATS=SEATS,
    )


async def _priced(visit: Visit, typed: Mapping[UUID, str], *, untyped_is_wrong: bool) -> tuple[Cart, list[Complaint]]:
    """The cart with the prices that a quote issued now would have, and what is wrong with each other line."""
    account = visit.account
    rows = (await visit.ledger.queries.subscriptions(account.account_id, PAGE_AT_MOST, None)).items
    in_cart = [row for row in rows if row.subscription_id in typed]
    prices, complaints = await _quoted(visit, {row.subscription_id: typed[row.subscription_id] for row in in_cart})
    for row in in_cart:
        text = typed[row.subscription_id].strip()
        if not _is_whole(text) and (text or untyped_is_wrong):
            at_most = visit.ledger.settings.seats_at_most
            said = visit.reader.said(_NOT_WHOLE, product=product_title(row.product), at_most=at_most)
            complaints.append(Complaint(said, f"{SEATS}{row.subscription_id}"))
    lines = [Line(row, typed[row.subscription_id], prices.get(row.subscription_id)) for row in in_cart]
    others = [row for row in rows if row.subscription_id not in typed and takes_seats(row)]
    return Cart(lines, totals(prices.values()) if prices else None, others), complaints


async def _quoted(visit: Visit, typed: Mapping[UUID, str]) -> tuple[dict[UUID, QuoteLine], list[Complaint]]:
    """Prices by subscription; a line that can't be quoted is left out, with what is wrong at its field."""
    lines = _whole_lines(typed)
    account_id, now = visit.account.account_id, await visit.ledger.clock.now()

    async def quoted(*asked: CartLine) -> dict[UUID, QuoteLine]:
        priced = await visit.ledger.quoting.preview(account_id, asked, now) if asked else ()
        return {line.subscription_id: line for line in priced}

    try:
        return await quoted(*lines), []
    except NotEligibleForSelfService as refused:
        return {}, [complaint_about(refused, visit.reader)]
    except Refusal:
        complaints, good = [], []
        for line in lines:
            try:
                await quoted(line)
            except Refusal as refused:
                field = f"{SEATS}{line.subscription_id}"
                complaints.append(replace(complaint_about(refused, visit.reader), field=field))
            else:
                good.append(line)
        return await quoted(*good), complaints


def typed_in(fields: Mapping[str, str]) -> dict[UUID, str]:
    """What stands in each field New Seat Qty, by the subscription's id."""
    named = ((id_in(name.removeprefix(SEATS)), text) for name, text in fields.items() if name.startswith(SEATS))
    return {id: text for id, text in named if id}


def _whole_lines(typed: Mapping[UUID, str]) -> tuple[CartLine, ...]:
    return tuple(CartLine(id, int(text)) for id, text in typed.items() if _is_whole(text.strip()))


def _is_whole(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and text.isascii()


def as_query(quote: QuoteRow) -> str:
    """A quote's lines as the query of a cart's address."""
    return urlencode(fields_of({line.subscription_id: str(line.seats_to_add) for line in quote.lines}))


def fields_of(typed: Mapping[UUID, str]) -> dict[str, str]:
    """The fields of the cart's form, by their names."""
    return {f"{SEATS}{id}": text for id, text in typed.items()}
