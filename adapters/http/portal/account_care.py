"""An account as Corporate Account Services and sales look at it, and whether it may order online."""

from typing import Final

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.cards import kept
from adapters.http.portal.care import MATTERS
from adapters.http.portal.forms import TheForm
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.states import RESTRICTIONS
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import msgid
from domain.account import RestrictionReason
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.vault_records import Contact, LegalName

account_care = APIRouter(route_class=PortalRoute)

ALLOWED: Final = "allowed"
_LAST_ORDERS: Final = 5
_ENTRIES: Final = 20
_NO_CHOICE: Final = msgid("Choose whether the account may order online, or why not.")


@account_care.get("/accounts/{account_id}/overview", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_overview(visit: AVisit) -> Response:
    """Who it is, whether it may order, what waits for somebody, and the last orders."""
    account, queries = visit.account, visit.ledger.queries
    await visit.looked(Operation.VIEW_ACCOUNTS, "BillingAccount", account.account_id)
    records = await visit.ledger.vault.read((account.legal_name, account.billing_contact))
    name, contact = records.get(account.legal_name), records.get(account.billing_contact)
    now = await visit.ledger.clock.now()
    listed = Operation.VIEW_CARE in visit.may
    return visit.page(
        "overview",
        name=name.name if isinstance(name, LegalName) else "",
        contact=contact if isinstance(contact, Contact) else None,
        card=await kept(visit, account.payment_method),
        orders=(await queries.orders(account.account_id, _LAST_ORDERS, None)).items,
        entries=(await queries.care(_ENTRIES, None, account.account_id)).items if listed else None,
        matters=MATTERS,
        age=lambda since: visit.reader.duration(now - since),
    )


@account_care.get("/accounts/{account_id}/eligibility", openapi_extra=asks(Operation.CHANGE_ELIGIBILITY))
async def ask_before_changing_eligibility(visit: AVisit) -> Response:
    """What each choice means for the account."""
    return _page(visit, visit.account.restriction or ALLOWED, visit.account.version)


@account_care.post("/accounts/{account_id}/eligibility", openapi_extra=asks(Operation.CHANGE_ELIGIBILITY))
async def change_eligibility(visit: AVisit, form: TheForm) -> Response:
    """Let the account order online, or send it to Corporate Account Services for this reason."""
    choice, account_id = form.text("choice"), visit.account.account_id
    if choice not in {ALLOWED, *RESTRICTIONS}:
        wrong = Complaint(visit.reader.said(_NO_CHOICE), "choice")
        return _page(visit, choice, visit.account.version, wrong)

    async def execute(context: CommandContext) -> Outcome:
        accounts, version = visit.ledger.accounts, form.version
        if choice == ALLOWED:
            return await accounts.allow_self_service(account_id, context, version)
        return await accounts.restrict_self_service(account_id, RestrictionReason(choice), context, version)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        account = await visit.ledger.queries.account(account_id) or visit.account
        return _page(visit, choice, account.version, outcome)
    return see(f"/accounts/{account_id}/overview", outcome)


def _page(visit: Visit, choice: str, version: int, *complaints: Complaint) -> Response:
    return visit.page(
        "eligibility",
        422 if complaints else 200,
        choice=choice,
        version=version,
        ALLOWED=ALLOWED,
        complaints=list(complaints),
    )
