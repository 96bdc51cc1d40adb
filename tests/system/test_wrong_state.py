"""A command that comes at the wrong moment is told the order's state and what it needs, and leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import httpx2
import pytest

from adapters.bootstrap import opened_ledger, projecting, working
from adapters.http.application import application
from adapters.ledger import Ledger
from adapters.sandbox_script import Script
from adapters.settings import Settings
from domain.order import OrderCommand, OrderState
from tests.system.customers import ASSIST, LINDNER, MEETING, Tokens, customers

pytestmark = pytest.mark.system

PLACE: Final = {"terms_version": "2026-01"}
TO_BE_PAID: Final = {OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED}


class Command(NamedTuple):
    """A command on an order, who sends it, and the states in which there is something to be done."""

    method: str
    what: str
    caller: str
    body: Any
    takes: set[OrderState]
    names: OrderCommand
    code: str = "ORDER_STATE"


COMMANDS: Final = (
    Command("POST", "place", "anna", PLACE, {OrderState.PREPARED}, OrderCommand.PLACE),
    Command(
        "PUT",
        "payment-method",
        "anna",
        {"token": "tok_visa"},
        {OrderState.PREPARED, *TO_BE_PAID},
        OrderCommand.CHANGE_DETAILS,
    ),
    Command("POST", "pay", "anna", None, TO_BE_PAID, OrderCommand.PAY, "ORDER_NOT_PAYABLE"),
    Command(
        "POST",
        "cancel",
        "care",
        {"reason": "duplicate"},
        {OrderState.PLACED, OrderState.PAYMENT_UNKNOWN, *TO_BE_PAID, OrderState.AUTHORISED},
        OrderCommand.CANCEL,
    ),
    Command("POST", "refund", "care", {"reason": "goodwill"}, {OrderState.COMPLETED}, OrderCommand.REFUND),
    Command(
        "POST", "release", "care", {"subscription_id": str(MEETING)}, {OrderState.AUTHORISED}, OrderCommand.RELEASE
    ),
    Command("POST", "receipt/resend", "care", None, {OrderState.COMPLETED}, OrderCommand.RESEND_RECEIPT),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """A ledger whose workers work, its API, and what its counterparties are told to do."""

    ledger: Ledger
    client: httpx2.AsyncClient
    script: Script
    tokens: Tokens

    async def send(self, method: str, path: str, caller: str, body: Any = None, version: int = 0) -> httpx2.Response:
        headers = {
            "Authorization": f"Bearer {getattr(self.tokens, caller)}",
            "Idempotency-Key": str(uuid4()),
            "If-Match": f'"{version}"',
        }
        return await self.client.request(method, f"/v1/{path}", json=body, headers=headers)

    async def done(self, method: str, path: str, body: Any = None, version: int = 0) -> dict[str, Any]:
        """The answer to what Anna may do now."""
        answer = await self.send(method, path, "anna", body, version)
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def prepared(self, subscription: UUID) -> UUID:
        cart = {"lines": [{"subscription_id": str(subscription), "seats_to_add": 2}], "replaces": None}
        quote = await self.done("POST", f"accounts/{LINDNER}/quotes", cart)
        return UUID((await self.done("POST", f"quotes/{quote['id']}/orders"))["id"])

    async def pays_with(self, order: UUID, token: str) -> None:
        version = await self.ledger.events.version_of(order)
        await self.done("PUT", f"orders/{order}/payment-method", {"token": token}, version)

    async def is_in(self, order: UUID, state: OrderState) -> None:
        """Return when it is, and refuses all that this state can't take; raises AssertionError after 60 s."""
        async with asyncio.timeout(60):
            # The portal may not have the order yet: the query names no position to wait for.
            while (await self.send("GET", f"orders/{order}", "anna")).json().get("state") != state:
                await asyncio.sleep(0.1)
        version = await self.ledger.events.version_of(order)
        for command in (each for each in COMMANDS if state not in each.takes):
            answer = await self.send(
                command.method, f"orders/{order}/{command.what}", command.caller, command.body, version
            )
            problem = answer.json()
            asked = f"{command.what} of an order that is {state}"
            assert (answer.status_code, problem["code"], problem["state"]) == (409, command.code, state), asked
            assert f"The order is {state}; " in problem["title"], asked
            assert command.names not in problem["possible"], asked
        assert await self.ledger.events.version_of(order) == version


@pytest.fixture
async def desk(ledger_url: str) -> AsyncIterator[Desk]:
    tokens = await customers(ledger_url)
    async with opened_ledger(Settings(sandbox=True), ledger_url) as ledger, projecting(ledger), working(ledger):
        transport = httpx2.ASGITransport(app=application(ledger))
        async with httpx2.AsyncClient(transport=transport, base_url="http://ledger.example", timeout=30) as client:
            script = Script(ledger.sandbox.books)
            # A mail that goes out is an event of the order, too: without any, only commands could change it.
            await script.plan("mail.send", "before", "unavailable", times=None)
            yield Desk(ledger, client, script, tokens)


async def test_each_state_on_the_way_refuses_what_it_cannot_take(desk: Desk) -> None:
    order = await desk.prepared(MEETING)
    await desk.pays_with(order, "tok_action_required")
    await desk.is_in(order, OrderState.PREPARED)
    await desk.script.plan("payments.create_intent", "before", "unavailable", times=None)
    await desk.done("POST", f"orders/{order}/place", PLACE, await desk.ledger.events.version_of(order))
    await desk.is_in(order, OrderState.PLACED)
    await desk.script.plan("payments.retrieve", "before", "timeout", times=None)
    await desk.script.clear("payments.create_intent")
    await desk.is_in(order, OrderState.PAYMENT_UNKNOWN)
    await desk.script.clear("payments.retrieve")
    await desk.is_in(order, OrderState.PAYMENT_ACTION_REQUIRED)
    await desk.pays_with(order, "tok_declined")
    await desk.done("POST", f"orders/{order}/pay")
    await desk.is_in(order, OrderState.PAYMENT_DECLINED)
    await desk.pays_with(order, "tok_visa")
    await desk.script.plan("provisioning.set_seats", "before", "pending", times=None)
    await desk.done("POST", f"orders/{order}/pay")
    await desk.is_in(order, OrderState.AUTHORISED)
    await desk.script.clear("provisioning.set_seats")
    await desk.is_in(order, OrderState.COMPLETED)


async def test_a_cancelled_order_takes_nothing_more(desk: Desk) -> None:
    order = await desk.prepared(ASSIST)
    await desk.script.plan("provisioning.set_seats", "before", "reject")
    await desk.done("POST", f"orders/{order}/place", PLACE, await desk.ledger.events.version_of(order))
    await desk.is_in(order, OrderState.CANCELLED)
