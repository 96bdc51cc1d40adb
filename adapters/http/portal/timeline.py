"""What happened in an account, in plain words: every event, the last one first, and who did it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.happenings import BESIDE, happened, who
from adapters.http.portal.visiting import AVisit, PortalRoute
from projections.portal import TimelineRow
from services.authorisation import Operation

timeline = APIRouter(route_class=PortalRoute)

_EVENTS_A_PAGE: Final = 60
_SILENT: Final = "OpenQuoteChanged.v1"
"""How the account's aggregate remembers its open quote: whatever changed it is told in the same act."""


@dataclass(frozen=True, slots=True)
class Act:
    """What was recorded at once: what people call it, and what the books note beside it."""

    rows: list[TimelineRow]
    beside: list[TimelineRow]

    @property
    def first(self) -> TimelineRow:
        """Tells when and by whom, as each of them does."""
        return (self.rows or self.beside)[0]


def _acts(rows: Iterable[TimelineRow]) -> list[Act]:
    """The rows of each command together, in the order that they were recorded in; the commands stay as they are."""
    acts = []
    for _, together in groupby(rows, lambda row: (row.causation_id, row.actor_id, row.effective_at)):
        recorded = list(together)[::-1]
        rows, beside = ([row for row in recorded if (row.topic in BESIDE) is also] for also in (False, True))
        acts.append(Act(rows, [row for row in beside if row.topic != _SILENT or not rows]))
    return acts


@timeline.get("/accounts/{account_id}/timeline", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_timeline(visit: AVisit, cursor: Cursor = None) -> Response:
    """A page of the account's history."""
    queries, reader = visit.ledger.queries, visit.reader
    page = await queries.newest_first(visit.account.account_id, _EVENTS_A_PAGE, cursor)
    return visit.page(
        "timeline",
        page=page,
        days=[(day, _acts(rows)) for day, rows in groupby(page.items, lambda row: reader.day(row.effective_at))],
        first=cursor is None,
        numbers=await queries.numbers(row.subject_id for row in page.items) if page.items else {},
        happened=happened,
        who=who,
        time=lambda at: reader.language.time(at, reader.time_zone),
        me=visit.session.caller.actor.id,
    )
