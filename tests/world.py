"""A whole ledger in memory with the sandbox counterparties: what the service tests act on."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.admin_directory.sandbox import SandboxAdminDirectory
from adapters.documents.credit_note import CreditNoteTemplates
from adapters.documents.notice import NoticeTemplates
from adapters.documents.receipt import ReceiptTemplates
from adapters.mail.sandbox import SandboxMailer
from adapters.memory.clock import StandingClock
from adapters.memory.ledger import MemoryLedger
from adapters.memory.work_lists import MemoryWorkList
from adapters.payments.sandbox import SandboxPayments
from adapters.provisioning.sandbox import SandboxProvisioning
from adapters.sandbox_books import MemoryBooks
from adapters.sandbox_script import Script
from adapters.settings import Settings
from adapters.vat_ids import StdnumVatIds
from domain.envelope import Actor, Role
from domain.history import SomeAggregate, topic_of
from domain.identifiers import account_id, command_id, subscription_id
from domain.order import ServiceOrder
from domain.quote import CartLine
from projections.care import care
from projections.fold import Projection, RowKey
from projections.fulfilment_todo import fulfilment_todo
from projections.notices_todo import notices_todo
from projections.receipts_todo import receipts_todo
from projections.timers import timers
from services.accounts import Accounts, OpenAccount, StartSubscription
from services.fulfilment import Counterparties, Fulfilment
from services.importing import Importing
from services.mailing import NoticeMail, ReceiptMail
from services.ordering import Ordering, PlaceServiceOrder
from services.ports import Claim, CommandContext, Outcome
from services.quoting import IssueQuote, Quoting
from services.receipts import Receipts
from services.renewing import Renewing
from services.timing import Timers
from services.vault_records import Address, Contact, LegalName, RequestContext

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
ACCOUNT = account_id("A-1")
OTHER_ACCOUNT = account_id("A-2")
MEETING = subscription_id("S-1")
ASSIST = subscription_id("S-2")
LEGACY = subscription_id("S-3")
FOREIGN = subscription_id("S-9")
ADMIN = Actor("p-anna", Role.BILLING_ADMIN)
REP = Actor("p-rep", Role.SALES_REP)
OPERATOR = Actor("p-operator", Role.OPERATOR)
JONAS = Contact(name="Jonas Keller", email="jonas.keller@lindner.example")
ADDRESS = Address(street="Lindenstraße 7", postal_code="50674", city="Köln", country="DE")
TERMS = "2026-01"


@dataclass
class World:
    """The ledger, its services and counterparties; time stands at NOON until it is moved."""

    clock: StandingClock = field(default_factory=lambda: StandingClock(NOON))
    books: MemoryBooks = field(default_factory=MemoryBooks)
    settings: Settings = field(default_factory=lambda: Settings(sandbox=True))
    keys: int = 0

    def __post_init__(self) -> None:
        """Wire it as adapters.bootstrap does."""
        self.events = MemoryLedger(lambda: self.clock.at)
        self.payments = SandboxPayments(self.books, self.clock, slow_seconds=0.0)
        self.directory = SandboxAdminDirectory(self.books)
        self.provisioning = SandboxProvisioning(self.books)
        self.mailer = SandboxMailer(self.books, self.clock, "billing@seatledger.example")
        self.script = Script(self.books)
        vat_ids, rules = StdnumVatIds(), self.settings.quoting_rules
        self.accounts = Accounts(self.events, self.events, self.payments)
        self.importing = Importing(self.accounts, self.events, self.events, self.payments, vat_ids)
        self.quoting = Quoting(self.events, vat_ids, rules)
        self.ordering = Ordering(self.events, self.events, self.payments, self.provisioning, vat_ids, rules, TERMS)
        self.renewing = Renewing(self.events)
        templates = ReceiptTemplates(self.settings.seller), CreditNoteTemplates(self.settings.seller)
        self.receipts = Receipts(self.events, self.events, self.clock, *templates, "Europe/Berlin")
        outside = Counterparties(self.payments, self.directory, self.provisioning)
        self.fulfilment = Fulfilment(self.events, self.events, self.clock, outside, self.receipts)
        mail = self.events, self.events, self.clock, self.mailer, "seatledger.example"
        self.mail = ReceiptMail(*mail)
        self.notices = NoticeMail(*mail, NoticeTemplates(self.settings.seller))
        self.timers = Timers(self.events, self.clock)
        self.todo = MemoryWorkList(fulfilment_todo, self.events, self._seconds)
        self.to_send = MemoryWorkList(receipts_todo, self.events, self._seconds)
        self.to_tell = MemoryWorkList(notices_todo, self.events, self._seconds)
        self.due = MemoryWorkList(timers, self.events, self._seconds, self.clock)

    def _seconds(self) -> float:
        return self.clock.at.timestamp()

    def context(
        self, actor: Actor = ADMIN, key: str | None = None, body: str = "", account: UUID = ACCOUNT
    ) -> CommandContext:
        """A command's context; a new key unless one is given."""
        self.keys += 1
        key = key or f"key-{self.keys}"
        id = command_id(account, actor.id, key)
        fingerprint = hashlib.sha256(body.encode()).digest()
        return CommandContext(id, actor, self.clock.at, id, id, None, key, fingerprint)

    async def open_account(
        self,
        number: str = "A-1",
        country: str = "DE",
        vat_id: str | None = "DE136695976",
        card: str | None = "tok_visa",
        email: str = "anna@lindner.example",
    ) -> UUID:
        """An account in its country's currency, with a card unless it is None."""
        command = OpenAccount(
            number=number,
            country=country,
            currency="EUR",
            language="de",
            time_zone="Europe/Berlin",
            territory="dach",
            vat_id=vat_id,
            legal_name=LegalName(name="Lindner & Söhne GmbH"),
            billing_contact=Contact(name="Anna Weber", email=email),
            billing_address=ADDRESS.model_copy(update={"country": country}),
        )
        id = account_id(number)
        await self.accounts.open(command, self.context(OPERATOR, account=id))
        if card:
            await self.accounts.select_payment_method(id, card, self.context(OPERATOR, account=id))
        return id

    async def start_subscription(
        self, number: str = "S-1", account: UUID = ACCOUNT, product: str = "goto_meeting"
    ) -> UUID:
        """10 seats at 228.00 a year, with 302 of 365 days left."""
        today = self.clock.at.date()
        start, end = today - timedelta(days=63), today + timedelta(days=302)
        command = StartSubscription(account, number, product, 10, 22800, start, end)
        await self.accounts.start_subscription(command, self.context(OPERATOR, account=account))
        return subscription_id(number)

    async def customer(self, **account: Any) -> None:
        """The account A-1 with a GoTo Meeting and a GoToAssist v5 subscription."""
        await self.open_account(**account)
        await self.start_subscription("S-1")
        await self.start_subscription("S-2", product="gotoassist_v5")

    async def quote(self, *lines: tuple[UUID, int], replaces: UUID | None = None, **more: Any) -> UUID:
        """An issued quote's id; two seats of GoTo Meeting unless lines are given."""
        cart = tuple(CartLine(*line) for line in lines or ((MEETING, 2),))
        return (await self.quoting.issue(IssueQuote(ACCOUNT, cart, replaces, **more), self.context())).id

    async def prepared(self, *lines: tuple[UUID, int], admin: bool = True) -> Outcome:
        """A prepared order with an admin contact."""
        quote = await self.quote(*lines)
        outcome = await self.ordering.prepare(quote, self.context())
        if admin:
            outcome = await self.ordering.change_admin_contact(outcome.id, outcome.version, JONAS, self.context())
        return outcome

    def placing(self, order: UUID, version: int, **more: Any) -> PlaceServiceOrder:
        """The command that places it."""
        fields = {"terms_version": TERMS, "po_number": "PO-4711", **more}
        return PlaceServiceOrder(
            order, version, request_context=RequestContext(ip="127.0.0.1", user_agent="t"), **fields
        )

    async def placed(self, *lines: tuple[UUID, int], admin: bool = True) -> UUID:
        """A placed order's id."""
        outcome = await self.prepared(*lines, admin=admin)
        await self.ordering.place(self.placing(outcome.id, outcome.version), self.context())
        return outcome.id

    async def work(self, keep: Callable[[], Awaitable[None]] | None = None) -> None:
        """Work on the one order that is on the list, once."""
        claim = await self.claimed(self.todo)
        await self.fulfilment.carry_on(claim, keep or kept)

    async def send(self) -> None:
        """Send the one receipt that is on the list."""
        await self.mail.carry_on(await self.claimed(self.to_send), kept)

    async def tell(self) -> None:
        """Send every notice that is due."""
        self.clock.move(timedelta(minutes=5))
        for claim in await self.to_tell.claim("worker", 10, 30):
            await self.notices.carry_on(claim, kept)

    async def ring(self) -> None:
        """Ring every timer that is due."""
        self.clock.move(timedelta(minutes=5))
        for claim in await self.due.claim("worker", 10, 30):
            await self.timers.carry_on(claim, kept)

    async def care(self) -> list[str]:
        """Why something is on the care list."""
        return [row.care for row in folded(care, self.events)]

    async def claimed(self, work_list: MemoryWorkList) -> Claim:
        """The list's only entry that is free."""
        self.clock.move(timedelta(minutes=5))
        (claim,) = await work_list.claim("worker", 10, 30)
        return claim

    async def the(self, kind: type[SomeAggregate], id: UUID) -> SomeAggregate:
        """The aggregate as it is now."""
        return (await self.events.load(id)).require(kind, id)

    async def order(self, id: UUID) -> ServiceOrder:
        """The order as it is now."""
        return await self.the(ServiceOrder, id)

    def types(self, since: int = 0) -> list[str]:
        """The stored names of all events after a position."""
        return [topic_of(each.event) for each in self.events.recorded[since:]]


def folded(projection: Projection, ledger: MemoryLedger) -> list[Any]:
    """The rows of a projection over the whole log, in the order of the log."""
    rows: dict[RowKey, Any] = {}
    for recorded in ledger.recorded:
        projection.apply(rows, recorded)
    return sorted((row for row in rows.values() if row is not None), key=lambda row: row.position)


async def kept() -> None:
    """Hold the claim."""


async def all_of(*calls: Awaitable[Any]) -> list[Any]:
    """Results and exceptions of calls that run at the same time."""
    return list(await asyncio.gather(*calls, return_exceptions=True))


def succeeded(results: Iterable[Any]) -> list[Any]:
    """Those that are not exceptions."""
    return [each for each in results if not isinstance(each, BaseException)]
