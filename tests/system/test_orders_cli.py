"""`seatledger orders` and `seatledger care` as an operator runs them, beside workers that are at work."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.bootstrap import opened_ledger, projecting, working
from adapters.ledger import Ledger
from adapters.sandbox_script import Script
from adapters.settings import Settings
from domain.envelope import Actor, Role
from domain.order import OrderState, ServiceOrder
from domain.quote import CartLine
from domain.subscription import Subscription
from services.authorisation import PERMITTED, Operation
from services.ordering import PlaceServiceOrder
from services.ports import CommandContext
from services.quoting import IssueQuote
from services.vault_records import Contact, RequestContext
from tests.system.customers import ASSIST, LINDNER, MEETING, customers
from tests.system.processes import environment, free_port

pytestmark = pytest.mark.system

NOWHERE = "00000000-0000-4000-8000-000000000000"
ON_AN_ORDER = {
    "show": (),
    "retry": (),
    "cancel": ("--reason", "duplicate", "--yes"),
    "release": ("--subscription", "S-1", "--yes"),
}


async def seatledger(url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command to its end, with nobody to answer a question; 80 columns wide unless told otherwise."""
    env = environment(**{"DATABASE_URL": url, "SANDBOX": "1", "COLUMNS": "80", **settings})
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "adapters.cli.main", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """A ledger with its workers at work, what its counterparties are told to do, and the command line."""

    ledger: Ledger
    url: str
    script: Script

    async def run(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """What a command printed, in one line; raises AssertionError unless it ended so, without a traceback."""
        return " ".join((await self.lines(*arguments, code=code, **settings)).split())

    async def lines(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """What it printed as it stands there."""
        done = await seatledger(self.url, *arguments, **settings)
        said = done.stdout + done.stderr
        assert (done.returncode, "Traceback" in said) == (code, False), said
        return said

    async def read(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(await self.run(*arguments, "--json", code=code))

    async def placed(self, *subscriptions: UUID) -> UUID:
        """An order of two seats each, with an admin contact."""
        cart = tuple(CartLine(each, 2) for each in subscriptions)
        quote = await self.ledger.quoting.issue(IssueQuote(LINDNER, cart, None), await self._context())
        draft = await self.ledger.ordering.prepare(quote.id, await self._context())
        contact = Contact(name="Jonas Keller", email="jonas.keller@lindner.example")
        changed = await self.ledger.ordering.change_admin_contact(
            draft.id, draft.version, contact, await self._context()
        )
        command = PlaceServiceOrder(
            draft.id, changed.version, "2026-01", None, RequestContext(ip=None, user_agent=None)
        )
        await self.ledger.ordering.place(command, await self._context())
        return draft.id

    async def _context(self) -> CommandContext:
        id = uuid4()
        return CommandContext(id, Actor("p-anna", Role.BILLING_ADMIN), await self.ledger.clock.now(), id, id)

    async def order(self, id: UUID) -> ServiceOrder:
        return (await self.ledger.events.load(id)).require(ServiceOrder, id)

    async def reaches(self, id: UUID, state: OrderState, seconds: float = 30) -> ServiceOrder:
        async with asyncio.timeout(seconds):
            while (order := await self.order(id)).state is not state:
                await asyncio.sleep(0.05)
        return order

    async def stuck(self, *subscriptions: UUID) -> ServiceOrder:
        """An order whose seats don't come, and which rests for a while after some tries."""
        await self.script.plan("provisioning.set_seats", "before", "pending", times=None)
        id = await self.placed(*subscriptions)
        await self.reaches(id, OrderState.AUTHORISED)
        async with asyncio.timeout(30):
            while not [each for each in await self.claims() if each[2] >= 4 and not each[0]]:
                await asyncio.sleep(0.05)
        return await self.order(id)

    async def claims(self) -> list[tuple[str, int, int]]:
        """Owner, token and tries of the claims on orders to fulfil."""
        query = "SELECT owner, token, tries FROM ledger.work_claims WHERE list = 'fulfilment_todo'"
        async with self.ledger.pool.connection() as connection:
            return await (await connection.execute(query)).fetchall()

    async def stored(self) -> int:
        async with self.ledger.pool.connection() as connection:
            row = await (await connection.execute("SELECT count(*) FROM ledger.events")).fetchone()
        assert row
        return int(row[0])


@pytest.fixture
async def desk(ledger_url: str) -> AsyncIterator[Desk]:
    await customers(ledger_url)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(Settings(sandbox=True), ledger_url))
        await stack.enter_async_context(projecting(ledger))
        await stack.enter_async_context(working(ledger))
        yield Desk(ledger, ledger_url, Script(ledger.sandbox.books))


async def test_an_order_is_shown_from_all_sides(desk: Desk) -> None:
    await desk.script.plan("payments.confirm", "before", "wrong")
    id = await desk.placed(MEETING, ASSIST)
    order = await desk.reaches(id, OrderState.COMPLETED)
    async with asyncio.timeout(30):
        while not (await desk.order(id)).receipt_sent:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # the lists follow the log
    shown = await desk.lines("orders", "show", str(id))
    for expected in (
        *(f"Order {order.number}  Completed", "all is done", "-000001, sent", "S-1", "S-2"),
        *("answer_not_understood since", "ReceiptSent", "billing_admin", "command", "from 3", "visa 4242", "charged"),
    ):
        assert expected in shown, shown
    assert max(map(len, shown.splitlines())) <= 80
    wide = await desk.lines("orders", "show", order.number, COLUMNS="160")
    assert max(map(len, wide.splitlines())) <= 160
    assert "service fulfilment" in wide
    assert "Keller" not in shown + wide
    written_down = f" {order.number.lower().replace('0', 'o').replace('1', 'l')} "
    document = await desk.read("orders", "show", written_down)
    assert (document["id"], document["state"], document["charged"]) == (str(id), "Completed", order.captured_amount)
    assert document["possible"] == ["refund", "resend_receipt"]
    assert [each["outcome"] for each in document["lines"]] == ["provisioned", "provisioned"]
    assert [each["came_of_it"] for each in document["attempts"]] == ["charged"]
    assert [each["care"] for each in document["care"]] == ["answer_not_understood"]
    assert [each["number"] for each in document["events"]] == list(range(1, (await desk.order(id)).version + 1))
    (listed,) = await desk.read("care")
    assert (listed["subject_number"], listed["care"]) == (order.number, "answer_not_understood")
    said = await desk.run("care")
    for expected in (order.number, "answer_not_understood", "since 20", "1 entry on the care list"):
        assert expected in said


@pytest.mark.parametrize("command", ON_AN_ORDER)
async def test_an_order_that_is_none_is_refused_in_one_line(desk: Desk, command: str) -> None:
    more = ON_AN_ORDER[command]
    before = await desk.stored()
    malformed = ("nonsense", "", "O-1234-12345", "Q-12345-12345", "O-1234U-12345", "'; DROP TABLE--")
    unknown = (NOWHERE, "O-12345-ABCDE", str(LINDNER), str(MEETING))
    many = 10 if command == "show" else 1  # a command takes a second, and all of them ask the same way
    for named, code in (*((each, 2) for each in malformed[:many]), *((each, 1) for each in unknown[:many])):
        said = await desk.lines("orders", command, named, *more, code=code)
        assert len(said.splitlines()) == 1, said
        assert said.startswith("seatledger: "), said
    assert await desk.stored() == before


@pytest.mark.parametrize("command", ON_AN_ORDER)
async def test_a_database_that_is_away_is_said_in_one_line(command: str) -> None:
    url = f"postgresql://app:tell-nobody@127.0.0.1:{free_port()}/seatledger"
    done = await seatledger(url, "orders", command, NOWHERE, *ON_AN_ORDER[command])
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert "does not answer" in done.stderr
    assert "tell-nobody" not in done.stderr


async def test_retry_ends_a_rest_and_nothing_but_a_rest(desk: Desk) -> None:
    order = await desk.stuck(MEETING)
    await desk.script.plan("provisioning.set_seats", "before", "pause")
    (entry,) = (await desk.read("orders", "retry", order.number))["work"]
    assert (entry["work"], entry["hands"], entry["rest_ended"]) == ("fulfil", "resting", True)
    async with asyncio.timeout(5):
        while not await desk.script.paused():
            await asyncio.sleep(0.02)
    before = await desk.claims()
    assert "works on it" in await desk.run("orders", "retry", order.number)
    (entry,) = (await desk.read("orders", "retry", order.number))["work"]
    assert (entry["hands"], entry["rest_ended"]) == ("worked on", False)
    assert await desk.claims() == before, "a worker keeps its claim and its token"
    shown = await desk.run("orders", "show", order.number)
    assert f"{before[0][0]}" in shown
    await desk.script.clear("provisioning.set_seats")
    await desk.reaches(order.id, OrderState.COMPLETED)
    for _ in range(2):
        assert "all is done" in await desk.run("orders", "retry", order.number, code=1)


async def test_retry_says_whose_turn_it_is_when_it_is_no_workers(desk: Desk) -> None:
    await desk.script.plan("payments.confirm", "before", "reject")
    id = await desk.placed(MEETING)
    await desk.reaches(id, OrderState.PAYMENT_DECLINED)
    await asyncio.sleep(0.5)
    said = await desk.run("orders", "retry", str(id), code=1)
    assert "the customer: pay, with this card or another, until" in said


async def test_cancel_says_what_will_happen_asks_and_does_it_once(desk: Desk) -> None:
    order = await desk.stuck(MEETING, ASSIST)
    cancel = ("orders", "cancel", order.number, "--reason", "duplicate")
    before = await desk.stored()
    dry = await desk.read(*cancel, "--dry-run")
    assert dry["came_of_it"] is None
    assert [each for each in dry["will"] if "is given back" in each]
    for more, code, expected in (
        (("--dry-run",), 0, "Nothing was changed."),
        ((), 1, "Call the order off?"),
        (("--json",), 2, "add --yes"),
        (("--yes", "--as", "Anna Weber"), 2, "an opaque id"),
        (("--yes", "--reason", "because"), 2, "contract_change"),
    ):
        assert expected in await desk.run(*cancel, *more, code=code)
    assert "SANDBOX" in await desk.run(*cancel, "--yes", code=2, SANDBOX="0")
    assert await desk.stored() == before
    assert "call it off" in await desk.run(*cancel, "--yes", "--as", "care-7")
    assert "Nothing was changed" in await desk.run(*cancel, "--yes")
    (asked,) = [
        each
        for each in (await desk.read("orders", "show", order.number))["events"]
        if each["type"].startswith("OrderCancellationRequested")
    ]
    assert (asked["actor_id"], asked["actor_role"]) == ("care-7", "account_services")
    assert Role.ACCOUNT_SERVICES in PERMITTED[Operation.CANCEL_ORDER] & PERMITTED[Operation.RELEASE_SEATS]
    await desk.script.clear("provisioning.set_seats")
    await seatledger(desk.url, "orders", "retry", order.number)  # or it came by itself meanwhile
    await desk.reaches(order.id, OrderState.CANCELLED)
    assert "The order is Cancelled" in await desk.run(*cancel, "--yes", code=1)


async def test_release_gives_up_one_line_once_its_counterparty_has_settled_it(desk: Desk) -> None:
    await desk.script.plan(f"provisioning.set_seats:{MEETING}", "before", "pending", times=None)
    await desk.script.plan(f"provisioning.set_seats:{ASSIST}", "before", "pause")
    order = await desk.order(await desk.placed(MEETING, ASSIST))
    async with asyncio.timeout(30):
        while not await desk.script.paused():
            await asyncio.sleep(0.05)
    release = ("orders", "release", order.number, "--subscription")
    before = await desk.stored()
    assert "it has S-1, S-2" in await desk.run(*release, "S-9", "--yes", code=1)
    assert "goes on waiting for 2 GoToAssist v5 seats on S-2" in await desk.run(*release, "s-1", "--dry-run")
    assert "Release these seats?" in await desk.run(*release, "S-1", code=1)
    assert await desk.stored() == before
    assert "Try again later" in await desk.run(*release, "S-1", "--yes", code=1), "the call may yet be carried out"
    assert (await desk.ledger.events.load(MEETING)).require(Subscription, MEETING).releases(order.id), "it has begun"
    await desk.script.clear(f"provisioning.set_seats:{MEETING}")
    done = await desk.read(*release, str(MEETING), "--yes")
    assert done["came_of_it"] == "The seats are released. The workers carry on with the order."
    assert "needs an order that is waiting for these seats" in await desk.run(*release, "S-1", "--yes", code=1)
    await desk.script.clear(f"provisioning.set_seats:{ASSIST}")
    order = await desk.reaches(order.id, OrderState.COMPLETED)
    (line,) = order.provisioned_lines
    assert (line.subscription_id, order.captured_amount) == (ASSIST, line.gross)
    assert (await desk.ledger.events.load(MEETING)).require(Subscription, MEETING).seats == 10


async def test_seats_that_are_there_after_all_are_recorded_in_place_of_a_release(desk: Desk) -> None:
    await desk.script.plan("provisioning.set_seats", "after", "timeout")
    await desk.script.plan("payments.capture", "before", "unavailable", times=None)
    await desk.script.plan(f"provisioning.set_seats:{ASSIST}", "before", "pause")
    order = await desk.order(await desk.placed(MEETING, ASSIST))
    async with asyncio.timeout(30):
        while not await desk.script.paused():
            await asyncio.sleep(0.05)
    said = await desk.run("orders", "release", order.number, "--subscription", "S-1", "--yes")
    assert "The seats were there after all" in said
    shown = await desk.read("orders", "show", order.number)
    assert [each["outcome"] for each in shown["lines"]] == ["provisioned", None]
    await desk.script.clear(f"provisioning.set_seats:{ASSIST}")


async def test_an_order_whose_events_the_lists_have_not_seen_is_said_so(ledger_url: str) -> None:
    """No worker and no projection runs: the order is known by its id, and what the lists would say is missing."""
    await customers(ledger_url)
    async with opened_ledger(Settings(sandbox=True), ledger_url) as ledger:
        desk = Desk(ledger, ledger_url, Script(ledger.sandbox.books))
        id = str(await desk.placed(MEETING))
        for command, code in (("show", 0), ("retry", 1)):
            assert "Is a worker running?" in await desk.run("orders", command, id, code=code)
        assert "Nothing on the care list." in await desk.run("care")
