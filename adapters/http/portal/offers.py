"""A sales representative's quote: seats on the account's subscriptions at prices and for as long as he says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.amounts import minor_units
from adapters.http.portal.cart import SEATS
from adapters.http.portal.forms import Sent, TheForm, id_in
from adapters.http.portal.refusals import Complaint, complaint_about
from adapters.http.portal.subscriptions import takes_seats
from adapters.http.portal.viewing import product_title
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import msgid
from adapters.postgres.read_models import PAGE_AT_MOST
from domain.calendar import business_day, first_instant
from domain.pricing import QuoteLine, totals
from domain.quote import CartLine, QuoteOrigin
from domain.refusals import Refusal
from projections.portal import SubscriptionRow
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.quoting import IssueQuote

offers = APIRouter(route_class=PortalRoute)

PRICE: Final = "price-"
"""Before a subscription's id: the name of its field for a price of one's own."""

_DAYS: Final = 30
_NO_SEATS: Final = msgid("Enter how many seats to add to %(product)s: a whole number from 1 to %(at_most)s.")
_NO_PRICE: Final = msgid("Enter the price per seat and term of %(product)s, or leave it empty for the present one.")
_NO_DAY: Final = msgid("Enter the last day that the quote holds, today or later.")
_NOTHING: Final = msgid("Enter seats for at least one subscription.")
_LEFT_OUT: Final = msgid(
    "A subscription that you entered seats for takes none now. It is left out; please check the others."
)
_ACKNOWLEDGE: Final = msgid("Confirm that the open quote of a sales representative may expire.")


@dataclass(frozen=True, slots=True)
class _Read:
    """What the form says, and what is wrong with it."""

    lines: tuple[CartLine, ...]
    valid_until: datetime | None
    complaints: list[Complaint]


@offers.get("/accounts/{account_id}/offer", openapi_extra=asks(Operation.ISSUE_SALES_REP_QUOTE))
async def show_offer(visit: AVisit) -> Response:
    """The form, empty."""
    return await _page(visit, await _rows(visit), None)


@offers.post("/accounts/{account_id}/offer", openapi_extra=asks(Operation.ISSUE_SALES_REP_QUOTE))
async def make_offer(visit: AVisit, form: TheForm) -> Response:
    """First what the quote would be, then issue it. The open quote expires at once."""
    rows = await _rows(visit)
    read = _read(visit, rows, form)
    if read.complaints:
        return await _page(visit, rows, form, read.complaints)
    try:
        lines = await visit.ledger.quoting.preview(visit.account.account_id, read.lines, await visit.ledger.clock.now())
    except Refusal as refused:
        return await _page(visit, rows, form, [complaint_about(refused, visit.reader)])
    if form.text("action") != "issue":
        return await _page(visit, rows, form, [], lines)
    command = IssueQuote(
        account_id=visit.account.account_id,
        lines=read.lines,
        replaces=id_in(form.text("replaces")),
        acknowledge_sales_rep_quote=form.text("acknowledge") == "yes",
        origin=QuoteOrigin.SALES_REP,
        valid_until=read.valid_until,
    )

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.quoting.issue(command, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, rows, form, [outcome], lines)
    return see(f"/quotes/{outcome.id}", outcome)


async def _rows(visit: Visit) -> list[SubscriptionRow]:
    """The subscriptions that take seats now."""
    page = await visit.ledger.queries.subscriptions(visit.account.account_id, PAGE_AT_MOST, None)
    return [row for row in page.items if takes_seats(row)]


def _read(visit: Visit, rows: Sequence[SubscriptionRow], form: Sent) -> _Read:
    said, at_most = visit.reader.said, visit.ledger.settings.seats_at_most
    lines: list[CartLine] = []
    wrong: list[Complaint] = []
    for row in rows:
        seats, price = form.text(f"{SEATS}{row.subscription_id}"), form.text(f"{PRICE}{row.subscription_id}")
        if not seats and not price:
            continue
        product = product_title(row.product)
        unit_price = minor_units(price, row.currency, visit.reader.language.locale) if price else None
        if not (seats.isascii() and seats.isdecimal() and len(seats) < 10 and 1 <= int(seats) <= at_most):  # noqa: PLR2004
            wrong.append(Complaint(said(_NO_SEATS, product=product, at_most=at_most), f"{SEATS}{row.subscription_id}"))
        elif price and (unit_price is None or not 0 <= unit_price <= 10**12):
            wrong.append(Complaint(said(_NO_PRICE, product=product), f"{PRICE}{row.subscription_id}"))
        else:
            lines.append(CartLine(row.subscription_id, int(seats), unit_price))
    offered = {str(row.subscription_id) for row in rows}
    if any(text.strip() and id not in offered for id, text in form.beginning(SEATS).items()):
        wrong.append(Complaint(said(_LEFT_OUT)))  # else the quote would be another than the one that was shown
    if not lines and not wrong:
        wrong.append(Complaint(said(_NOTHING), f"{SEATS}{rows[0].subscription_id}" if rows else None))
    until = _end_of(form.text("valid_until"), visit.account.time_zone)
    if form.text("valid_until") and until is None:
        wrong.append(Complaint(said(_NO_DAY), "valid_until"))
    if form.text("theirs") and form.text("acknowledge") != "yes":
        wrong.append(Complaint(said(_ACKNOWLEDGE), "acknowledge"))
    return _Read(tuple(lines), until, wrong)


def _end_of(day: str, time_zone: str) -> datetime | None:
    """The instant after the day's last one there; None for what is no day, or one beyond the calendar."""
    try:
        return first_instant(date.fromisoformat(day) + timedelta(days=1), time_zone)
    except (ValueError, OverflowError):
        return None


async def _page(
    visit: Visit,
    rows: Sequence[SubscriptionRow],
    form: Sent | None,
    complaints: Sequence[Complaint] = (),
    lines: Sequence[QuoteLine] = (),
) -> Response:
    open_id = visit.account.open_quote_id
    suggested = business_day(await visit.ledger.clock.now(), visit.account.time_zone) + timedelta(days=_DAYS)
    return visit.page(
        "offer",
        422 if complaints else 200,
        rows=rows,
        typed=form.text if form else lambda _: "",
        valid_until=form.text("valid_until") if form else suggested.isoformat(),
        open_quote=await visit.ledger.queries.quote(open_id) if open_id else None,
        lines=lines,
        sums=totals(lines) if lines else None,
        complaints=list(complaints),
        SEATS=SEATS,
        PRICE=PRICE,
    )
