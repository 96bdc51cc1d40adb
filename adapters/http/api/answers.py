"""What every operation takes and gives alike: headers, pages, problems, and representations at the version written."""

import re
from typing import Annotated, Any, Final

from fastapi import Header, Query, Response
from pydantic import BaseModel

from adapters.http.api.bodies import IdempotencyKey
from adapters.http.api.representations import AccountView, OrderView, Problem, QuoteView, SubscriptionView
from adapters.ledger import Ledger
from adapters.postgres.read_models import PAGE_AT_MOST
from services.ports import Outcome

Key = Annotated[IdempotencyKey, Header(alias="Idempotency-Key", description="repeat it to repeat a request safely")]
OptionalKey = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]
IfMatch = Annotated[str, Header(alias="If-Match", description="the ETag that was read", examples=['"1"'])]
Limit = Annotated[int, Query(ge=1, le=PAGE_AT_MOST)]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": "a problem with a stable code"}
    for status in (400, 401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 428, 429, 503)
}

_ETAG: Final = re.compile(r'"([0-9]{1,9})"')
_NO_VERSION: Final = 0


def version_of(if_match: str) -> int:
    """The version that an ETag of ours names; any other matches nothing, which is no mistake in form."""
    ours = _ETAG.fullmatch(if_match)
    return int(ours[1]) if ours else _NO_VERSION


def answer(view: BaseModel, status: int = 200, outcome: Outcome | None = None, version: int | None = None) -> Response:
    """The representation as it is: it was built from typed rows, so checking it again would only cost time."""
    headers = {"Cache-Control": "no-store"}
    if outcome and outcome.position.position:
        headers["Seatledger-Position"] = str(outcome.position)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Response(view.model_dump_json(), status, headers, "application/json")


async def account_answer(ledger: Ledger, outcome: Outcome) -> Response:
    """The account as the command left it."""
    row = await ledger.queries.account_as_of(outcome.id, outcome.version)
    view = AccountView.of(row, await ledger.vault.read(AccountView.references(row)))
    return answer(view, 200, outcome, row.version)


async def subscription_answer(ledger: Ledger, outcome: Outcome) -> Response:
    """The subscription as the command left it."""
    row = await ledger.queries.subscription_as_of(outcome.id, outcome.version)
    return answer(SubscriptionView.of(row), 200, outcome, row.version)


async def quote_answer(ledger: Ledger, outcome: Outcome, status: int) -> Response:
    """The quote as the command left it."""
    row = await ledger.queries.quote_as_of(outcome.id, outcome.version)
    return answer(QuoteView.of(row), status, outcome, row.version)


async def order_answer(ledger: Ledger, outcome: Outcome, status: int) -> Response:
    """The order as the command left it."""
    row = await ledger.queries.order_as_of(outcome.id, outcome.version)
    view = OrderView.of(row, await ledger.vault.read(OrderView.references(row)))
    return answer(view, status, outcome, row.version)
