"""`seatledger orders cancel` and `release`: what will happen is said first, decided on the order and stored nowhere."""

from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.bootstrap import check_schema, opened_ledger
from adapters.cli.database import Database
from adapters.cli.loop import run
from adapters.cli.orders.naming import line_named, order_named, staff_id
from adapters.cli.orders.telling import money, seats_of
from adapters.cli.terminal import REFUSED, WRONG_USE, as_json_text, ended
from adapters.http.api.bodies import CancellationReason
from adapters.ledger import Ledger
from adapters.postgres.homes import Homes, connected
from adapters.postgres.order_file import OrderFile, opened_file
from adapters.settings import Settings
from domain.envelope import Actor, Role
from domain.order import FulfilmentStep, LineOutcome, ServiceOrder
from domain.pricing import totals
from services.ports import CommandContext


class Step(Protocol):
    """What somebody wants done with an order."""

    question: str

    def will(self, order: ServiceOrder, at: datetime) -> list[str]:
        """What would happen, in sentences, the order being changed by it; raises the refusal that would come of it."""

    async def do(self, ledger: Ledger, id: UUID, context: CommandContext) -> str:
        """Have it done; returns what came of it."""


class Cancelling:
    """Have nothing more of the order provisioned."""

    question = "Call the order off?"

    def __init__(self, reason: str) -> None:
        """For this reason; ends the command for a code that there is not."""
        if reason not in set(CancellationReason):
            ended(WRONG_USE, f"--reason: one of {', '.join(CancellationReason)}.")
        self._reason = reason

    def will(self, order: ServiceOrder, at: datetime) -> list[str]:
        """See Step."""
        already = order.cancelling
        order.request_cancellation(self._reason, at)
        if already:
            return [f"The order is being called off already ({already}); nothing changes."]
        waiting = [
            f"{seats_of(line)} are given up; if they are there after all, they are charged."
            for line in order.unsettled_lines
        ]
        if order.next_step is FulfilmentStep.CANCEL:
            return [*waiting, _given_back(order), "The customer is told by mail."]
        there = [f"{seats_of(line)} are there and stay." for line in order.provisioned_lines]
        due = money(totals(order.provisioned_lines).gross, order.currency)
        return [*waiting, *there, f"The card is charged {due} for them."]

    async def do(self, ledger: Ledger, id: UUID, context: CommandContext) -> str:
        """See Step."""
        await ledger.ordering.cancel(id, self._reason, context)
        return "The workers call it off now."


class Releasing:
    """Give up waiting for one line's seats."""

    question = "Release these seats?"

    def __init__(self, subscription: str) -> None:
        """Of the subscription with this id or number."""
        self._subscription = subscription
        self._released = UUID(int=0)

    def will(self, order: ServiceOrder, at: datetime) -> list[str]:
        """See Step."""
        line = line_named(order, self._subscription)
        self._released = line.subscription_id
        order.line_released(line.subscription_id, "released", at)
        return [
            "The provisioning system is asked once more: if the seats are there, they are recorded and charged.",
            f"Else {seats_of(line)} are given up: nobody pays for them, and the subscription takes other changes.",
            *self._then(order),
        ]

    def _then(self, order: ServiceOrder) -> list[str]:
        if order.unsettled_lines:
            return [f"The order goes on waiting for {', '.join(seats_of(line) for line in order.unsettled_lines)}."]
        if order.provisioned_lines:
            due = money(totals(order.provisioned_lines).gross, order.currency)
            return [f"No other line waits: the card is charged {due} for what is there."]
        return ["No line is left then: the order is called off.", _given_back(order), "The customer is told by mail."]

    async def do(self, ledger: Ledger, id: UUID, context: CommandContext) -> str:
        """See Step."""
        await ledger.ordering.release(id, self._released, context)
        order = (await ledger.events.load(id)).require(ServiceOrder, id)
        if order.outcomes[self._released] is LineOutcome.PROVISIONED:
            return "The seats were there after all: they are recorded, and the workers charge the card."
        return "The seats are released. The workers carry on with the order."


def _given_back(order: ServiceOrder) -> str:
    if order.holds_money:
        return f"The hold of {money(order.authorised_amount, order.currency)} is given back; nobody is charged."
    return "A payment that is under way is given up; nobody is charged." if order.attempt else "Nobody is charged."


def act(
    settings: Settings,
    database: Database,
    named: str,
    step: Step,
    out: Console,
    acting_as: str,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Say what will happen, ask, and have it done. Ends the command with 1 if it is refused, or declined."""
    actor = Actor(staff_id(acting_as), Role.ACCOUNT_SERVICES)
    if as_json and not (yes or dry_run):
        ended(WRONG_USE, "--json asks nothing: add --yes, or --dry-run to see what would happen.")
    check_schema(database.application_url, settings)
    files: list[OrderFile] = []
    run(lambda: _look(database.homes, named, files))
    order = files[0].order
    sentences = step.will(order, files[0].history[-1].event.timestamp)
    if not as_json:
        out.print(f"Order {order.number}:", markup=False, highlight=False)
        listed = Table.grid(padding=(0, 1, 0, 0))
        for sentence in sentences:
            listed.add_row("-", Text(sentence))
        out.print(listed)
    came_of_it = None
    if order.pending_events and not dry_run:
        if not yes and not typer.confirm(step.question):
            raise typer.Exit(REFUSED)
        answers: list[str] = []
        run(lambda: _have_done(settings, database, step, order.id, actor, answers))
        came_of_it = answers[0]
    if as_json:
        said = {"id": order.id, "number": order.number, "will": sentences, "came_of_it": came_of_it}
        out.print_json(as_json_text(said))
    else:
        out.print(came_of_it or "Nothing was changed.", markup=False, highlight=False)


async def _look(urls: Homes[str], named: str, files: list[OrderFile]) -> None:
    async with connected(urls) as connections:
        files.append(await opened_file(connections, await order_named(connections, named)))


async def _have_done(
    settings: Settings, database: Database, step: Step, id: UUID, actor: Actor, answers: list[str]
) -> None:
    if database.is_embedded:
        settings = settings.model_copy(update={"sandbox": True})
    async with opened_ledger(settings, database.application_url) as ledger:
        command = uuid4()
        now = await ledger.clock.now()
        context = CommandContext(command, actor, now, correlation_id=command, causation_id=command)
        answers.append(await step.do(ledger, id, context))
