"""What is done to the running product's ledger from behind, past its pages: accounts of any size, and its clock."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.bootstrap import opened_ledger
from adapters.clock import MovableClock
from adapters.identity.sandbox import Person
from adapters.ledger import Ledger
from adapters.postgres import embedded, schema
from adapters.seeding.companies import TERM_DAYS, Company
from adapters.seeding.sample_accounts import _add, _context, _people, _visible
from adapters.settings import Settings
from domain.identifiers import account_id
from services.accounts import OpenAccount, StartSubscription
from services.vault_records import Address, Contact, LegalName

PRODUCTS = ("goto_meeting", "goto_webinar", "goto_training", "gotoassist_v4", "gotoassist_v5", "openvoice")


def sized(number: str, language: str, subscriptions: int, today: datetime) -> Company:
    """A company with so many subscriptions, and a name that is long in any language."""
    names = {
        "de": (
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk GmbH & Co. KGaA",
            "Annegret Überfeldt-Schmidtbauer",
        ),
        "en": ("Llanfairpwllgwyngyll Telecommunications and Conferencing Ltd", "Bartholomew Featherstonehaugh"),
    }
    legal_name, contact = names[language]
    start = today.date() - timedelta(days=100)
    return Company(
        opening=OpenAccount(
            number=number,
            country="DE",
            currency="EUR",
            language=language,
            time_zone="Europe/Berlin",
            territory="dach",
            vat_id="DE136695976",
            legal_name=LegalName(name=legal_name),
            billing_contact=Contact(name=f"{contact} {number}", email=f"billing-{number.lower()}@example.com"),
            billing_address=Address(street="Lindenstraße 7", postal_code="50674", city="Köln", country="DE"),
        ),
        card="tok_visa",
        restriction=None,
        open_quote=None,
        login=f"admin-{number.lower()}",
        subscriptions=[
            StartSubscription(
                account_id=account_id(number),
                number=f"S-{number.removeprefix('A-')}-{each}",
                product=PRODUCTS[each % len(PRODUCTS)],
                seats=each % 97 + 1,
                unit_price=22800 + 100 * (each % 50),
                term_start=start,
                term_end=start + timedelta(days=TERM_DAYS),
            )
            for each in range(1, subscriptions + 1)
        ],
    )


def add_accounts(folder: Path, *companies: Company) -> None:
    """Open the accounts with their subscriptions, and let their admins sign in; back once the pages show them."""

    async def add_one(ledger: Ledger, company: Company) -> None:
        now = await ledger.clock.now()
        if company.subscriptions:
            outcomes = await _add(ledger, company, now)
        else:
            context = _context(account_id(company.opening.number), "open", now)
            outcomes = [await ledger.accounts.open(company.opening, context)]
        await _visible(ledger, outcomes)

    async def add(ledger: Ledger) -> None:
        for person in _people(companies):
            await ledger.sandbox.identity.admit(person)
        await asyncio.gather(*(add_one(ledger, company) for company in companies))

    _done(folder, add)


def admit(folder: Path, person: Person) -> None:
    """Let somebody sign in."""

    async def let_in(ledger: Ledger) -> None:
        await ledger.sandbox.identity.admit(person)

    _done(folder, let_in)


def set_clock(folder: Path, to: datetime) -> None:
    """Make the cluster in the folder, empty, with its business time moved on to this instant."""
    schema.migrate(embedded.start(folder).url(embedded.SUPERUSER, "seatledger"), Settings().partitions)

    async def move(ledger: Ledger) -> None:
        assert isinstance(ledger.clock, MovableClock)
        await ledger.clock.move((to - datetime.now(UTC)).total_seconds())

    _done(folder, move)


def _done(folder: Path, what: Callable[[Ledger], Coroutine[None, None, None]]) -> None:
    """In a thread: playwright's loop runs in this one."""
    url = embedded.start(folder).url("seatledger_app", "seatledger")

    async def on_the_ledger() -> None:
        async with opened_ledger(Settings(sandbox=True), url) as ledger:
            await what(ledger)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: asyncio.run(on_the_ledger())).result()
