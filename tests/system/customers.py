"""A company with subscriptions, and the people who can sign in, put into an empty ledger."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.bootstrap import opened_ledger
from adapters.identity.sandbox import Person
from adapters.ledger import Ledger
from adapters.settings import Settings
from domain.account import RestrictionReason
from domain.envelope import Actor, Role
from domain.identifiers import account_id, command_id, subscription_id
from services.accounts import OpenAccount, StartSubscription
from services.ports import CommandContext
from services.vault_records import Address, Contact, LegalName

LINDNER = account_id("A-1")
MEETING = subscription_id("S-1")
ASSIST = subscription_id("S-2")
LEGACY = subscription_id("S-3")  # a product that seats can't be added to
STRANGER = account_id("A-2")
FOREIGN = subscription_id("S-9")  # the stranger's
RESTRICTED = account_id("A-3")
CARDLESS = account_id("A-4")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens: Lindner's billing admin, the stranger's, the admin of all four, and one of each other role."""

    anna: str
    stranger: str
    everywhere: str
    rep: str
    care: str
    operator: str


async def customers(url: str, card: str | None = "tok_visa") -> Tokens:
    """Four accounts at the ledger: Lindner's pays with `card`, if any, 10 seats at EUR 228.00, 302 of 365 days left."""
    async with opened_ledger(Settings(sandbox=True), url) as ledger:
        await asyncio.gather(
            _company(ledger, "A-1", card, ("S-1", "goto_meeting"), ("S-2", "gotoassist_v5"), ("S-3", "openvoice")),
            _company(ledger, "A-2", "tok_visa", ("S-9", "goto_meeting")),
            _company(ledger, "A-3", "tok_visa", ("S-31", "goto_meeting")),
            _company(ledger, "A-4", None, ("S-41", "goto_meeting")),
        )
        await ledger.accounts.restrict_self_service(
            RESTRICTED, RestrictionReason.INVOICE_BILLING, await _context(ledger, RESTRICTED, "restrict")
        )
        four = tuple(str(each) for each in (LINDNER, STRANGER, RESTRICTED, CARDLESS))
        return Tokens(
            anna=await _admitted(ledger, "anna", Role.BILLING_ADMIN, accounts=four[:1]),
            stranger=await _admitted(ledger, "stranger", Role.BILLING_ADMIN, accounts=four[1:2]),
            everywhere=await _admitted(ledger, "everywhere", Role.BILLING_ADMIN, accounts=four),
            rep=await _admitted(ledger, "rep", Role.SALES_REP, territories=("dach",)),
            care=await _admitted(ledger, "care", Role.ACCOUNT_SERVICES),
            operator=await _admitted(ledger, "operator", Role.OPERATOR),
        )


async def _admitted(
    ledger: Ledger, login: str, role: Role, accounts: tuple[str, ...] = (), territories: tuple[str, ...] = ()
) -> str:
    person = Person(
        login=login, id=f"p-{login}", name=login.title(), role=role, accounts=accounts, territories=territories
    )
    await ledger.sandbox.identity.admit(person)
    token = await ledger.sandbox.identity.token(login)
    assert token
    return token


async def _context(ledger: Ledger, account: UUID, key: str) -> CommandContext:
    id = command_id(account, "seed", key)
    return CommandContext(id, Actor("seed", Role.OPERATOR), await ledger.clock.now(), id, id, None, key, b"s" * 32)


async def _company(ledger: Ledger, number: str, card: str | None, *subscriptions: tuple[str, str]) -> None:
    account = account_id(number)
    command = OpenAccount(
        number=number,
        country="DE",
        currency="EUR",
        language="de",
        time_zone="Europe/Berlin",
        territory="dach",
        vat_id="DE136695976",
        legal_name=LegalName(name=f"Lindner & Söhne {number} GmbH"),
        billing_contact=Contact(name="Anna Weber", email=f"anna@{number.lower()}.example"),
        billing_address=Address(street="Lindenstraße 7", postal_code="50674", city="Köln", country="DE"),
    )
    await ledger.accounts.open(command, await _context(ledger, account, "open"))
    if card:
        await ledger.accounts.select_payment_method(account, card, await _context(ledger, account, "card"))
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    for subscription, product in subscriptions:
        start = StartSubscription(
            account, subscription, product, 10, 22800, today - timedelta(days=63), today + timedelta(days=302)
        )
        await ledger.accounts.start_subscription(start, await _context(ledger, account, subscription))
