"""Which account somebody looks at: his only one, or one of a list."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from adapters.http.callers import asks, looked_at
from adapters.http.portal.visiting import AVisit, PortalRoute, see
from adapters.postgres.sight import seen, these_accounts
from services.authorisation import SEES, Operation, Sight
from services.vault_records import LegalName

accounts = APIRouter(route_class=PortalRoute)

_ACCOUNTS_A_PAGE: Final = 50

Cursor = Annotated[str | None, Query(max_length=500)]
"""`next` of the page before."""


@accounts.get("/accounts", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def choose_account(visit: AVisit, cursor: Cursor = None) -> Response:
    """The accounts that the visitor may see; to his only one at once."""
    caller, ledger = visit.session.caller, visit.ledger
    restricted = SEES[caller.actor.role] is not Sight.ALL
    page = await ledger.queries.accounts(
        caller.accounts if restricted else None, caller.territories, _ACCOUNTS_A_PAGE, cursor
    )
    if restricted and len(page.items) == 1 and cursor is None:
        return see(f"/accounts/{page.items[0].account_id}/subscriptions")
    shown = [row.account_id for row in page.items]
    await looked_at(ledger, visit.permission, Operation.VIEW_ACCOUNTS, "BillingAccount", zip(shown, shown, strict=True))
    seen.set(these_accounts(*shown))  # a territory names accounts, not their data
    records = await ledger.vault.read(row.legal_name for row in page.items)
    names: dict[UUID, str] = {}
    for row in page.items:
        record = records.get(row.legal_name)
        names[row.account_id] = record.name if isinstance(record, LegalName) else ""
    return visit.page("accounts", page=page, names=names)


@accounts.get("/accounts/{account_id}", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def open_account(visit: AVisit) -> Response:
    """An account begins with its subscriptions."""
    return see(f"/accounts/{visit.account.account_id}/subscriptions")
