"""Which account somebody looks at: his only one, or one of a list."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from adapters.http.callers import asks, looked_at
from adapters.http.portal.visiting import AVisit, PortalRoute, is_staff, see
from adapters.postgres.sight import seen, these_accounts
from services.authorisation import SEES, Operation, Sight
from services.vault_records import LegalName

accounts = APIRouter(route_class=PortalRoute)

_ACCOUNTS_A_PAGE: Final = 50

Cursor = Annotated[str | None, Query(max_length=500)]
"""`next` of the page before."""
Sought = Annotated[str, Query(max_length=60, pattern=r"^[^\x00]*$")]


@accounts.get("/accounts", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def choose_account(visit: AVisit, cursor: Cursor = None, named: Sought = "", territory: Sought = "") -> Response:
    """The accounts that the visitor may see, by number, VAT id or territory; to his only one at once."""
    caller, ledger = visit.session.caller, visit.ledger
    restricted = SEES[caller.actor.role] is not Sight.ALL
    named, territory = named.strip().upper(), territory.strip().lower()
    page = await ledger.queries.accounts(
        caller.accounts if restricted else None,
        caller.territories,
        _ACCOUNTS_A_PAGE,
        cursor,
        named=named or None,
        territory=territory or None,
    )
    if restricted and len(page.items) == 1 and not (cursor or named or territory):
        return see(f"/accounts/{page.items[0].account_id}")
    shown = [row.account_id for row in page.items]
    await looked_at(ledger, visit.permission, Operation.VIEW_ACCOUNTS, "BillingAccount", zip(shown, shown, strict=True))
    seen.set(these_accounts(*shown))  # a territory names accounts, not their data
    records = await ledger.vault.read(row.legal_name for row in page.items)
    names: dict[UUID, str] = {}
    for row in page.items:
        record = records.get(row.legal_name)
        names[row.account_id] = record.name if isinstance(record, LegalName) else ""
    return visit.page(
        "accounts",
        page=page,
        names=names,
        first=cursor is None,
        named=named,
        territory=territory,
        here=_found_at(named, territory),
    )


def _found_at(named: str, territory: str) -> str:
    asked = {name: text for name, text in (("named", named), ("territory", territory)) if text}
    return f"/portal/accounts?{urlencode(asked)}" if asked else "/portal/accounts"


@accounts.get("/accounts/{account_id}", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def open_account(visit: AVisit) -> Response:
    """Its own people begin with an account's subscriptions, staff with what there is to know of it."""
    return see(f"/accounts/{visit.account.account_id}/{'overview' if is_staff(visit.session) else 'subscriptions'}")
