"""A company's way from the cart to the placed order, and what all the books have of it afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from adapters.ledger import Ledger
from domain.envelope import Role
from domain.identifiers import account_id, subscription_id
from tests.system.customers import _admitted, _company
from tests.system.processes import Running

# All that an account with one order has ever seen.
ONCE = (
    "AccountOpened PaymentMethodSelected QuoteIssued ServiceOrderPrepared OrderDetailsChanged OrderPlaced QuoteAccepted"
)
ONCE += " PaymentAttemptStarted PaymentAuthorised AdminContactAssigned AdminSeatsAssigned PaymentCaptured ReceiptIssued"
ONCE += " OrderCompleted ReceiptSent"
TWICE = "SubscriptionStarted SeatsRequested OpenQuoteChanged SeatChangeOrdered SeatsProvisioned OrderLineProvisioned"
HISTORY = Counter(f"{name}.v1" for name in (ONCE + 2 * f" {TWICE}").split())


@dataclass
class Walk:
    """A company's way from the cart to the placed order; `answered` is what it was told, by Idempotency-Key."""

    number: str
    answered: dict[str, UUID] = field(default_factory=dict)
    gross: int = 0

    @property
    def account(self) -> UUID:
        return account_id(self.number)

    @property
    def subscriptions(self) -> tuple[UUID, UUID]:
        return subscription_id(f"{self.number}-1"), subscription_id(f"{self.number}-2")

    async def go(self, client: httpx2.AsyncClient) -> None:
        """Go it to its end; gone again, each command repeats its key and must get the same answer."""
        lines = [{"subscription_id": str(each), "seats_to_add": 2} for each in self.subscriptions]
        quote = await self._sent(client, "POST", f"accounts/{self.account}/quotes", {"lines": lines, "replaces": None})
        order = (await self._sent(client, "POST", f"quotes/{quote['id']}/orders"))["id"]
        admin = {"name": "Jonas Keller", "email": f"jonas@{self.number.lower()}.example"}
        await self._sent(client, "PUT", f"orders/{order}/admin-contact", admin, '"1"')
        placed = await self._sent(client, "POST", f"orders/{order}/place", {"terms_version": "2026-01"}, '"2"')
        self.gross = placed["gross"]["amount"]

    async def _sent(
        self, client: httpx2.AsyncClient, method: str, path: str, body: Any = None, version: str | None = None
    ) -> Any:
        key = path.rpartition("/")[2]
        headers = {"Idempotency-Key": key, **({"If-Match": version} if version else {})}
        answer = await client.request(method, f"/v1/{path}", headers=headers, json=body)
        assert answer.status_code in {200, 201, 202}, answer.text
        assert self.answered.setdefault(key, UUID(answer.json()["id"])) == UUID(answer.json()["id"])
        return answer.json()


@dataclass(frozen=True)
class Effects:
    """What counterparties and ledger have of a walk: movements, calls and seats by subscription, copies of mails."""

    money: list[tuple[str, int]]
    seats: list[tuple[int, int | None]]
    admin: list[str]
    history: Counter[str]
    receipts: int
    mails: int
    message_ids: int

    @classmethod
    def once(cls, walk: Walk, mails: int = 1) -> "Effects":
        money = [("authorised", walk.gross), ("captured", walk.gross)]
        return cls(money, [(1, 12), (1, 12)], ["goto_meeting", "gotoassist_v5"], HISTORY, 1, mails, 1)


async def walks_of(ledger: Ledger, count: int) -> tuple[list[Walk], str]:
    """As many companies, and the token of somebody who may order for all of them."""
    walks = [Walk(f"A-{number}") for number in range(101, 101 + count)]
    products = ("goto_meeting", "gotoassist_v5")
    for walk in walks:
        await _company(
            ledger, walk.number, "tok_visa", *((f"{walk.number}-{n}", each) for n, each in enumerate(products, 1))
        )
    accounts = tuple(str(walk.account) for walk in walks)
    return walks, await _admitted(ledger, "anna", Role.BILLING_ADMIN, accounts=accounts)


def portal(service: Running, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=service.base, headers={"Authorization": f"Bearer {token}"}, timeout=20)


async def all_receipts_sent(client: httpx2.AsyncClient, walks: Sequence[Walk], within: float = 30) -> None:
    give_up_at = time.monotonic() + within
    for walk in walks:
        # For the seconds that the dead process's leases hold, the read models stand still and may not have the order.
        while '"receipt_sent":true' not in (answer := await client.get(f"/v1/orders/{walk.answered['place']}")).text:
            assert time.monotonic() < give_up_at, answer.text
            await asyncio.sleep(0.1)


async def rows(ledger: Ledger, query: Any, *parameters: Any) -> list[Any]:
    async with ledger.pool.connection() as connection:
        return await (await connection.execute(query, parameters)).fetchall()


async def read_model_rows(ledger: Ledger, query: Any) -> list[Any]:
    """From where the portal is, which may be another database than the events'."""
    async with ledger.pools.read_models.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def recorded(ledger: Ledger, walk: Walk) -> dict[str, UUID]:
    """What the ledger answers to each key of this company."""
    query = "SELECT idempotency_key, result_id FROM ledger.commands WHERE account_id = %s AND actor_id = 'p-anna'"
    return dict(await rows(ledger, query, walk.account))


async def effects_of(ledger: Ledger, walks: Sequence[Walk]) -> list[Effects]:
    sandbox = ledger.sandbox
    movements, mails = await sandbox.payments.movements(), await sandbox.mailer.messages()
    subscriptions = {each.subscription_id: each for each in await sandbox.provisioning.subscriptions()}
    admins = {each.accounts[0]: each for each in await sandbox.admin_directory.admins()}
    receipts = "SELECT account_id, receipt_number FROM portal.receipts ORDER BY receipt_number"
    numbers = await read_model_rows(ledger, receipts)
    assert [int(number[-6:]) for _, number in numbers] == list(range(1, len(walks) + 1)), "no gap, none twice"
    found = []
    for walk in walks:
        topics = await rows(ledger, "SELECT topic FROM ledger.events WHERE account_id = %s", walk.account)
        ids = [mail.parsed()["Message-ID"] for mail in mails if mail.recipient == f"anna@{walk.number.lower()}.example"]
        found.append(
            Effects(
                money=[(each.kind, each.amount) for each in movements if each.order_id == walk.answered["place"]],
                seats=[(len(subscriptions[each].answers), subscriptions[each].seats) for each in walk.subscriptions],
                admin=admins[walk.account].products,
                history=Counter(topic for (topic,) in topics),
                receipts=sum(account == walk.account for account, _ in numbers),
                mails=len(ids),
                message_ids=len(set(ids)),
            )
        )
    return found
