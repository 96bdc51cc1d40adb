"""What happened in an account, in plain words: every event, the last one first, and who did it."""

from itertools import groupby
from typing import Final

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.happenings import happened, who
from adapters.http.portal.visiting import AVisit, PortalRoute
from services.authorisation import Operation

timeline = APIRouter(route_class=PortalRoute)

_EVENTS_A_PAGE: Final = 60


@timeline.get("/accounts/{account_id}/timeline", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_timeline(visit: AVisit, cursor: Cursor = None) -> Response:
    """A page of the account's history."""
    queries, reader = visit.ledger.queries, visit.reader
    page = await queries.newest_first(visit.account.account_id, _EVENTS_A_PAGE, cursor)
    return visit.page(
        "timeline",
        page=page,
        days=[(day, list(rows)) for day, rows in groupby(page.items, lambda row: reader.day(row.effective_at))],
        first=cursor is None,
        numbers=await queries.numbers(row.subject_id for row in page.items) if page.items else {},
        happened=happened,
        who=who,
        time=lambda at: reader.language.time(at, reader.time_zone),
        me=visit.session.caller.actor.id,
    )
