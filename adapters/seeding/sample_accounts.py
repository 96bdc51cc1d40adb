"""Puts the sample accounts and the people who can sign in into a ledger, through the commands that anybody uses."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from adapters.identity.sandbox import Person
from adapters.ledger import Ledger
from adapters.seeding.companies import Company, companies, login_of
from domain.envelope import Actor, Role
from domain.identifiers import account_id, command_id, subscription_id
from domain.products import Product
from domain.quote import CartLine, QuoteOrigin
from services.ports import CommandContext, Outcome, Position
from services.quoting import IssueQuote

_BOOK, _DONE = "seed", "sample_accounts"
_SEEDER: Final = Actor("seed", Role.OPERATOR)
_AT_ONCE: Final = 16
_VISIBLE_WITHIN: Final = 60.0  # seconds for the read models to show what was added
_REBATE_PERCENT: Final = 12  # what sales reps grant on the seats that they quote

_STAFF: Final = (
    ("Jörg Brandt", Role.SALES_REP, ("dach",)),
    ("Claire Dubois", Role.SALES_REP, ("west", "south")),
    ("Lars Nyman", Role.SALES_REP, ("north", "east", "overseas")),
    ("Sabine Vogt", Role.ACCOUNT_SERVICES, ()),
    ("Nina Falk", Role.FINANCE, ()),
    ("Paul Heller", Role.INVESTIGATOR, ()),
    ("Max Operator", Role.OPERATOR, ()),
)


async def seed(ledger: Ledger, advanced: Callable[[int, int], None]) -> int:
    """Add what is missing and return how many accounts that was; a ledger that has them all is left alone.

    `advanced` is told how many accounts are done, and of how many. Terms run from the ledger's present day. The
    projections must be running: it returns when the read models show the accounts. May raise StoreUnavailable, and
    goes on where it was when called again.
    """
    if await ledger.sandbox.books.read(_BOOK, _DONE):
        return 0
    now = await ledger.clock.now()
    everything = companies(await _began(ledger, now))
    gate, done, outcomes = asyncio.Semaphore(_AT_ONCE), 0, list[Outcome]()

    async def add(company: Company) -> None:
        nonlocal done
        async with gate:
            outcomes.extend(await _add(ledger, company, now))
        done += 1
        advanced(done, len(everything))

    for person in _people(everything):
        await ledger.sandbox.identity.admit(person)
    async with asyncio.TaskGroup() as group:
        for company in everything:
            group.create_task(add(company))
    await _visible(ledger, outcomes)
    async with ledger.sandbox.books.entry(_BOOK, _DONE) as document:
        document["accounts"] = len(everything)
    return len(everything)


async def _began(ledger: Ledger, now: datetime) -> datetime:
    """When seeding began: one that was interrupted goes on with the same terms on another day."""
    async with ledger.sandbox.books.entry(_BOOK, "began") as document:
        return datetime.fromisoformat(document.setdefault("at", now.isoformat()))


def _people(everything: Iterable[Company]) -> list[Person]:
    admins = [
        Person(
            login=company.login,
            id=_opaque(company.login),
            name=company.opening.billing_contact.name,
            role=Role.BILLING_ADMIN,
            accounts=(str(account_id(company.opening.number)),),
        )
        for company in everything
    ]
    staff = [
        Person(login=login_of(name), id=_opaque(login_of(name)), name=name, role=role, territories=territories)
        for name, role, territories in _STAFF
    ]
    return [*staff, *admins]


def _opaque(login: str) -> str:
    return "p-" + hashlib.sha256(f"sample person {login}".encode()).hexdigest()[:12]


async def _add(ledger: Ledger, company: Company, now: datetime) -> list[Outcome]:
    account = account_id(company.opening.number)
    began = min(_morning(company.first_day), now)
    accounts = ledger.accounts
    outcomes = [await accounts.open(company.opening, _context(account, "open", began))]
    if company.card:
        context = _context(account, "payment method", began)
        outcomes.append(await accounts.select_payment_method(account, company.card, context))
    if company.restriction:
        context = _context(account, "restriction", began)
        outcomes.append(await accounts.restrict_self_service(account, company.restriction, context))
    for start in company.subscriptions:
        context = _context(account, start.number, min(_morning(start.term_start), now))
        outcomes.append(await accounts.start_subscription(start, context))
    if company.open_quote:
        outcomes.append(await ledger.quoting.issue(*_quote(company, account, now)))
    return outcomes


def _quote(company: Company, account: UUID, now: datetime) -> tuple[IssueQuote, CommandContext]:
    first = next(start for start in company.subscriptions if start.product in set(Product))
    by_rep = company.open_quote is QuoteOrigin.SALES_REP
    price = first.unit_price * (100 - _REBATE_PERCENT) // 100 if by_rep else None
    rep = next(login_of(name) for name, _, territories in _STAFF if company.opening.territory in territories)
    actor = Actor(_opaque(rep), Role.SALES_REP) if by_rep else Actor(_opaque(company.login), Role.BILLING_ADMIN)
    command = IssueQuote(
        account_id=account,
        lines=(CartLine(subscription_id(first.number), 3, price),),
        replaces=None,
        origin=QuoteOrigin.SALES_REP if by_rep else QuoteOrigin.SELF_SERVICE,
    )
    return command, _context(account, "open quote", now, actor)


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(9), UTC)


def _context(account: UUID, step: str, at: datetime, actor: Actor = _SEEDER) -> CommandContext:
    key = f"seed:{step}"
    id = command_id(account, actor.id, key)
    return CommandContext(
        command_id=id,
        actor=actor,
        now=at,
        correlation_id=id,
        causation_id=id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(key.encode()).digest(),
    )


async def _visible(ledger: Ledger, outcomes: Iterable[Outcome]) -> None:
    last: dict[int, Position] = {}
    for outcome in outcomes:
        position = outcome.position
        if position.partition not in last or last[position.partition].position < position.position:
            last[position.partition] = position
    for position in last.values():
        await ledger.queries.reached(position, _VISIBLE_WITHIN)
