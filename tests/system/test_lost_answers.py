"""300 connections cut right after COMMIT: each command's answer, or its retry with the same key, tells the truth."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters import bootstrap
from adapters.bootstrap import opened_ledger
from adapters.ledger import Ledger
from adapters.postgres.group_commit import GroupCommit
from adapters.settings import Settings
from domain.account import BillingAccount
from domain.envelope import Actor, Role
from domain.identifiers import account_id, command_id, event_id, subscription_id
from domain.quote import CartLine
from domain.refusals import Refusal
from services.accounts import StartSubscription
from services.ordering import PlaceServiceOrder
from services.ports import CommandContext, Outcome, Position, StoreUnavailable
from services.quoting import IssueQuote
from services.vault_records import Contact, RequestContext
from tests.system.customers import _company
from tests.system.cut_connections import Line, cut_after_commits

pytestmark = pytest.mark.system

CUTS = 300
ACCOUNTS = 6
ADMIN = Actor("p-anna", Role.BILLING_ADMIN)
JONAS = Contact(name="Jonas Keller", email="jonas.keller@lindner.example")

Command = Callable[[CommandContext], Awaitable[Outcome]]


@dataclass
class Client:
    """One of two at an account, each with a process of its own: both send command after command."""

    ledger: Ledger
    name: str
    account: UUID
    choice: random.Random
    keyless: bool
    answers: dict[UUID, Outcome | Refusal] = field(default_factory=dict)
    contexts: dict[UUID, CommandContext] = field(default_factory=dict)
    sent_again: int = 0

    async def send(self, command: Command) -> Outcome | Refusal:
        """The answer, asked for again with the same key as long as there is none."""
        key = f"{self.name}-{len(self.answers)}"
        id = command_id(self.account, ADMIN.id, key)
        keyless = self.keyless and self.choice.random() < 0.5
        named = (None, None) if keyless else (key, key.encode())
        while True:
            context = CommandContext(id, ADMIN, await self.ledger.clock.now(), id, id, None, *named)
            try:
                answer: Outcome | Refusal = await command(context)
            except Refusal as refusal:
                answer = refusal
            except StoreUnavailable:
                assert not keyless
                self.sent_again += 1
                continue
            self.answers[id], self.contexts[id] = answer, context
            return answer

    async def order(self) -> None:
        """Start a subscription, quote seats, prepare, name an admin, and place or decline; until a refusal."""
        number = f"{self.name}-{len(self.answers)}"
        today = (await self.ledger.clock.now()).date()
        term = today - timedelta(days=63), today + timedelta(days=302)
        start = StartSubscription(self.account, number, "goto_meeting", 10, 22800, *term)
        assert isinstance(await self.send(partial(self.ledger.accounts.start_subscription, start)), Outcome)
        account = (await self.ledger.events.load(self.account)).require(BillingAccount, self.account)
        cart = CartLine(subscription_id(number), self.choice.randrange(1, 9))
        quote = await self.send(
            partial(self.ledger.quoting.issue, IssueQuote(self.account, (cart,), account.open_quote_id))
        )
        if isinstance(quote, Refusal):
            return
        prepared = await self.send(partial(self.ledger.ordering.prepare, quote.id))
        if isinstance(prepared, Refusal):
            return
        order = await self.send(
            partial(self.ledger.ordering.change_admin_contact, prepared.id, prepared.version, JONAS)
        )
        if isinstance(order, Refusal):
            return
        seen = RequestContext(ip="127.0.0.1", user_agent="test")
        placing = PlaceServiceOrder(order.id, order.version, "2026-01", "PO-4711", seen)
        if self.choice.random() < 0.5:
            await self.send(partial(self.ledger.ordering.place, placing))
        else:
            await self.send(partial(self.ledger.quoting.decline, quote.id))


class AsksAgain(GroupCommit):
    """The product's writer with more patience: chance cuts many times in a row now and then, on a busy machine."""

    def __init__(
        self, connect: Callable[[], Any], on_commit: Callable[[int], None], queue_at_most: int, **more: Any
    ) -> None:
        super().__init__(connect, on_commit, queue_at_most, patience=60.0, **more)


class GivesUp(GroupCommit):
    """A writer that does not call again: whoever waits is told that nobody knows."""

    async def _call_patiently(self, batch: Any) -> Any:
        try:
            return await self._call([append for append, _ in batch])
        except psycopg.OperationalError as error:
            assert self._connection
            await self._connection.close()
            self._connection = None
            raise StoreUnavailable from error


@pytest.mark.parametrize("writer", [AsksAgain, GivesUp], ids=["the writer asks again", "the client asks again"])
async def test_every_answer_is_true_though_300_connections_are_cut(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, writer: type[GroupCommit]
) -> None:
    choice = random.Random(5)
    monkeypatch.setattr(bootstrap, "GroupCommit", writer)
    client_asks = writer is GivesUp
    numbers = [f"A-{number}" for number in range(ACCOUNTS)]
    settings = Settings(sandbox=True)
    async with opened_ledger(settings, ledger_url) as straight:
        for number in numbers:
            await _company(straight, number, "tok_visa")
        before = await _last(straight)
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(
                cut_after_commits(ledger_url, lambda cuts: cuts < CUTS and choice.random() < 0.5)
            )
            two = [await stack.enter_async_context(opened_ledger(settings, line.url)) for _ in "ab"]
            clients = [
                Client(ledger, f"{number}-{process}", account_id(number), random.Random(seed), keyless=not client_asks)
                for seed, number in enumerate(numbers)
                for process, ledger in enumerate(two)
            ]
            async with asyncio.timeout(120):
                await asyncio.gather(*(_ordering(client, line) for client in clients))
        assert line.cuts == CUTS
        assert (sum(client.sent_again for client in clients) > 50) == client_asks
        kinds = Counter(type(answer).__name__ for client in clients for answer in client.answers.values())
        assert kinds["Outcome"] > 100, kinds
        assert len(kinds) > 1, "there were refusals, too"
        assert await _untrue(straight, clients, before) == []


async def _ordering(client: Client, line: Line) -> None:
    while line.cuts < CUTS:
        await client.order()


async def _last(ledger: Ledger) -> int:
    return max((await ledger.log.ends()).values())


async def _untrue(ledger: Ledger, clients: list[Client], after: int) -> list[str]:
    """What the store has otherwise than somebody was told."""
    events = "SELECT causation_id, event_id, notification_id, partition FROM ledger.events"
    rows = "SELECT command_id, result_kind, result_id, result_version, position, partition FROM ledger.commands"
    async with ledger.pool.connection() as connection:
        stored: dict[UUID, list[Any]] = {}
        ordered = f"{events} WHERE notification_id > %s ORDER BY notification_id"
        for command, *event in await (await connection.execute(ordered.encode(), (after,))).fetchall():
            stored.setdefault(command, []).append(tuple(event))
        outcomes = {
            command: Outcome(kind, id, version, Position(*position))
            for command, kind, id, version, *position in await (await connection.execute(rows.encode())).fetchall()
        }
    untrue = []
    answers = {id: answer for client in clients for id, answer in client.answers.items()}
    contexts = {id: context for client in clients for id, context in client.contexts.items()}
    for id, answer in answers.items():
        if isinstance(answer, Refusal) or not answer.position.position:  # refused, or there was nothing to record
            if id in stored or id in outcomes:
                untrue.append(f"told {answer!r}, and it was done: {stored.get(id)}")
            continue
        last = answer.position.position
        there = stored.pop(id, [])
        first = last - len(there) + 1
        if there != [(event_id(id, n), first + n, answer.position.partition) for n in range(len(there))] or not there:
            untrue.append(f"told {answer}, but there is {there}")
        if contexts[id].idempotency_key and outcomes.get(id) != answer:
            untrue.append(f"told {answer}, but noted is {outcomes.get(id)}")
        if await ledger.events.version_of(answer.id) < answer.version:
            untrue.append(f"told {answer}, but it has fewer events")
        if contexts[id].idempotency_key and (await ledger.events.load(context=contexts[id])).done != answer:
            untrue.append(f"told {answer}, but the same key gives another answer")
    return untrue + [f"done, but nobody was told: {each}" for each in stored.items()]
