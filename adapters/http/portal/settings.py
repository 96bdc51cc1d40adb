"""What an account is set to: language and time zone, who gets its mail, where is billed to, which card pays."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from unicodedata import combining, normalize

from fastapi import APIRouter, Response

from adapters.http.api.bodies import BillingAddressBody, BillingContactBody, LocaleBody
from adapters.http.callers import Command, asks
from adapters.http.portal.cards import kept
from adapters.http.portal.forms import Sent, TheForm
from adapters.http.portal.refusals import Complaint, taken
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import LANGUAGE, TIME_ZONE, language
from adapters.http.signing_in.session import take_away
from adapters.written_forms import known_countries, known_time_zones
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.vault_records import Address, Contact

settings = APIRouter(route_class=PortalRoute)

_CONTACT: Final = ("name", "email", "phone")
_ADDRESS: Final = ("street", "postal_code", "city", "region", "country")
_SEE_OTHER: Final = 303

_CONTINENTS_AND_OCEANS: Final = tuple(
    f"{each}/"
    for each in ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)


@cache
def countries(code: str) -> list[tuple[str, str]]:
    """Codes and names of all countries, by name, in one of LANGUAGES."""
    names = language(code).locale.territories
    return sorted(((each, names[each]) for each in known_countries()), key=lambda each: _letters(each[1]))


def _letters(name: str) -> str:
    """What a name is sorted by: Ö stands with O, as in a German or English list."""
    return "".join(each for each in normalize("NFKD", name).casefold() if not combining(each))


@cache
def time_zones() -> list[tuple[str, str]]:
    """The zones that people live in: the names with a place, not those that stand for an offset or an old name."""
    names = [*sorted(each for each in known_time_zones() if each.startswith(_CONTINENTS_AND_OCEANS)), "UTC"]
    return [(each, each.replace("_", " ")) for each in names]


@settings.get("/accounts/{account_id}/settings", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_settings(visit: AVisit) -> Response:
    """The settings, each part with a form of its own."""
    return await _page(visit)


@settings.post("/accounts/{account_id}/settings/locale", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def change_locale(visit: AVisit, form: TheForm) -> Response:
    """Read and be written to in another language; have days counted in another zone from the next quote on."""
    typed = {name: form.text(name) for name in ("language", "time_zone")}
    locale = taken(lambda: LocaleBody.model_validate(typed), visit.reader)
    if isinstance(locale, list):
        return await _page(visit, form, *locale)

    async def execute(context: CommandContext) -> Outcome:
        account_id = visit.account.account_id
        return await visit.ledger.accounts.change_locale(
            account_id, locale.language, locale.time_zone, context, form.version
        )

    answer = await _changed(visit, form, execute)
    if answer.status_code == _SEE_OTHER:
        for chosen_for_himself in (LANGUAGE, TIME_ZONE):  # it would hide what he has just saved
            take_away(answer, chosen_for_himself)
    return answer


@settings.post("/accounts/{account_id}/settings/contact", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def change_contact(visit: AVisit, form: TheForm) -> Response:
    """Send receipts and notices to another person from now on."""
    typed = {name: form.text(name) for name in _CONTACT} | {"phone": form.text("phone") or None}
    contact = taken(lambda: BillingContactBody.model_validate(typed).contact, visit.reader)
    if isinstance(contact, list):
        return await _page(visit, form, *contact)

    async def execute(context: CommandContext) -> Outcome:
        account_id = visit.account.account_id
        return await visit.ledger.accounts.change_billing_contact(account_id, contact, context, form.version)

    return await _changed(visit, form, execute)


@settings.post("/accounts/{account_id}/settings/address", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def change_address(visit: AVisit, form: TheForm) -> Response:
    """Bill to another address from now on."""
    typed = {name: form.text(name) for name in _ADDRESS} | {"region": form.text("region") or None}
    address = taken(lambda: BillingAddressBody.model_validate(typed).address, visit.reader)
    if isinstance(address, list):
        return await _page(visit, form, *address)

    async def execute(context: CommandContext) -> Outcome:
        account_id = visit.account.account_id
        return await visit.ledger.accounts.change_billing_address(account_id, address, context, form.version)

    return await _changed(visit, form, execute)


async def _changed(visit: Visit, form: Sent, execute: Command) -> Response:
    """Back to the settings, which show it; or why not, and what was typed."""
    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, form, outcome)
    return see(f"/accounts/{visit.account.account_id}/settings", outcome)


async def _page(visit: Visit, form: Sent | None = None, *complaints: Complaint) -> Response:
    account, queries = visit.account, visit.ledger.queries
    if complaints and form is not None:  # the version that the form may be sent with again
        account = await queries.account(account.account_id) or account
    await visit.looked(Operation.VIEW_ACCOUNTS, "BillingAccount", account.account_id)
    records = await visit.ledger.vault.read((account.billing_contact, account.billing_address))
    contact, address = records.get(account.billing_contact), records.get(account.billing_address)
    saved: dict[str, Any] = {"language": account.language, "time_zone": account.time_zone}
    saved |= contact.model_dump() if isinstance(contact, Contact) else dict.fromkeys(_CONTACT, "")
    saved |= address.model_dump() if isinstance(address, Address) else dict.fromkeys(_ADDRESS, "")
    typed: Mapping[str, str] = form.fields if form else {}
    return visit.page(
        "settings",
        422 if complaints else 200,
        version=account.version,
        typed={name: typed.get(name, value or "") for name, value in saved.items()},
        card=await kept(visit, account.payment_method),
        complaints=list(complaints),
        countries=countries(visit.reader.language.code),
        zones=time_zones(),
    )
