"""`seatledger orders show` and `retry`."""

from typing import Any, Final

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from adapters.bootstrap import check_schema
from adapters.cli.orders.naming import order_named
from adapters.cli.orders.telling import (
    WORKERS,
    attempts,
    cause,
    document,
    instant,
    money,
    next_turn,
    told,
    work_document,
)
from adapters.cli.terminal import REFUSED, as_json_text
from adapters.postgres.homes import Homes, connected
from adapters.postgres.order_file import Hands, OrderFile, WorkInHand, opened_file, rest_ended
from adapters.settings import Settings
from domain.care import Care
from domain.history import topic_of
from domain.order import LineOutcome

_WIDE: Final = 130
"""Columns from which an event's details stand beside its name, not under it."""

_OUTCOMES: Final = {None: "waiting", LineOutcome.PROVISIONED: "there", LineOutcome.REJECTED: "refused, not charged"}


async def show_order(settings: Settings, urls: Homes[str], named: str, out: Console, *, as_json: bool) -> None:
    """Print the order's file."""
    check_schema(urls.ledger, settings)
    async with connected(urls) as connections:
        file = await opened_file(connections, await order_named(connections, named))
    if as_json:
        out.print_json(as_json_text(document(file)))
        return
    for part in shown(file, wide=out.width >= _WIDE):
        out.print(part, highlight=False)


async def retry_order(settings: Settings, urls: Homes[str], named: str, out: Console, *, as_json: bool) -> None:
    """End the rests of the order's entries; ends the command with 1 if there is nothing that a worker could do."""
    check_schema(urls.ledger, settings)
    async with connected(urls) as connections:
        id = await order_named(connections, named)
        file = await opened_file(connections, id)
        work = await rest_ended(connections.ledger, id)
    at_hand = [each for each in work if each.due_at is None or each.hands is not Hands.FREE]
    if as_json:
        retried = [{**work_document(each), "rest_ended": each.hands is Hands.RESTING} for each in at_hand]
        out.print_json(as_json_text({"id": file.order.id, "number": file.order.number, "work": retried}))
    elif at_hand:
        for each in at_hand:
            out.print(f"{each.work}: {_retried(each)}", markup=False, highlight=False)
    else:
        out.print(_nothing_to_retry(file), markup=False, highlight=False)
    if not at_hand:
        raise typer.Exit(REFUSED)


def _nothing_to_retry(file: OrderFile) -> str:
    order, turn = file.order, next_turn(file.order)
    if turn.who == WORKERS:
        return f"{order.number} is not on a list yet: {file.events_behind} events are not read. Is a worker running?"
    return f"There is nothing for a worker to do on {order.number} ({order.state}). Next: {turn}."


def _retried(work: WorkInHand) -> str:
    match work.hands:
        case Hands.RESTING:
            return f"had {work.seconds_left:.0f} s of rest left {_after(work)}; it is free now."
        case Hands.WORKED_ON:
            return f"{work.owner} works on it, for {work.seconds_left:.0f} s more at least; left alone."
        case _:
            return f"free already {_after(work)}; a worker takes it at its next look."


def _after(work: WorkInHand) -> str:
    return f"after {work.tries} {'try' if work.tries == 1 else 'tries'}" if work.tries else "and not tried yet"


def shown(file: OrderFile, *, wide: bool) -> list[Any]:
    """The file for a terminal; `wide`: with room for what each event tells beside its name."""
    order = file.order
    heading = Text.assemble((f"Order {order.number}", "bold"), "  ", (str(order.state), _colour(file)))
    parts: list[Any] = [heading, _summary(file), _section("Lines", _lines(file))]
    if known := attempts(file.history):
        parts.append(_section("Payment attempts", _attempts(file, known)))
    if file.care:
        parts.append(_section("On the care list", _care(file)))
    if file.work:
        parts.append(_section("On the workers' lists", _work(file)))
    parts.append(_section("Events", _events(file, wide=wide)))
    if file.events_behind:
        behind = f"The lists above have not seen the last {file.events_behind} events of this part of the log."
        parts.append(Text(f"\n{behind} Is a worker running?", "yellow"))
    return parts


def _colour(file: OrderFile) -> str:
    if file.care:
        return "bold red"
    return "bold green" if file.order.receipt_number else "bold cyan"


def _section(title: str, content: Any) -> Group:
    return Group(Text(f"\n{title}", "bold"), Padding(content, (0, 0, 0, 2)))


def _table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def _summary(file: OrderFile) -> Padding:
    order = file.order
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("next", Text(str(next_turn(order))))
    grid.add_row("possible", Text(", ".join(each.replace("_", " ") for each in order.possible) or "nothing"))
    grid.add_row("account", Text(f"{file.account_number or order.account_id}, quote {order.quote_id}"))
    grid.add_row("id", Text(str(order.id)))
    for name, value in _amounts(file):
        grid.add_row(name, Text(value))
    for name, at in (
        ("due", order.due_at),
        ("to be paid until", order.pay_until),
        ("hold ends", order.hold_expires_at if order.holds_money else None),
    ):
        if at:
            grid.add_row(name, Text(instant(at) + (", overdue" if name == "due" and order.overdue else "")))
    if order.cancelling:
        grid.add_row("called off", Text(order.cancelling))
    if order.receipt_number:
        grid.add_row("receipt", Text(f"{order.receipt_number}, {_receipt(file)}"))
    if order.credit_notes:
        grid.add_row("credit notes", Text(", ".join(order.credit_notes)))
    return Padding(grid, (0, 0, 0, 2))


def _amounts(file: OrderFile) -> list[tuple[str, str]]:
    order = file.order
    sums = order.totals
    amounts = [("amount", f"{_money(file, sums.gross)} ({_money(file, sums.net)} and {_money(file, sums.tax)} tax)")]
    if order.holds_money:
        amounts.append(("held", _money(file, order.authorised_amount)))
    if order.receipt_number or order.captured_amount:
        amounts.append(("charged", _money(file, order.captured_amount)))
    return amounts


def _receipt(file: OrderFile) -> str:
    if file.order.receipt_undeliverable:
        return "can't be delivered"
    return "sent" if file.order.receipt_sent else "not sent yet"


def _money(file: OrderFile, amount: int) -> str:
    return money(amount, file.order.currency)


def _lines(file: OrderFile) -> Table:
    table = _table("subscription", "product", "seats", "amount", "seats are", right=("seats", "amount"))
    for line in file.order.lines:
        outcome = _OUTCOMES[file.order.outcomes.get(line.subscription_id)]
        amount = _money(file, line.gross)
        table.add_row(line.subscription_number, line.product.title, f"+{line.seats_to_add}", amount, outcome)
    return table


def _attempts(file: OrderFile, known: tuple[Any, ...]) -> Table:
    table = _table("#", "card", "amount", "what came of it", "at", right=("#", "amount"))
    for each in known:
        amount = "" if each.amount is None else _money(file, each.amount)
        table.add_row(str(each.number), each.card, amount, Text(each.came_of_it), f"{each.at:%Y-%m-%d %H:%M}")
    return table


def _care(file: OrderFile) -> Group:
    entries: list[Any] = []
    for row in file.care:
        care = Care(row.care)
        entries += [
            Text.assemble((f"{row.care}", "red"), f" since {instant(row.since)} ({row.detail})"),
            Padding(Text(f"{care.happened} {care.to_do}"), (0, 0, 0, 2)),
        ]
    return Group(*entries)


def _work(file: OrderFile) -> Table:
    table = _table("what", "who has it", "tries", "until", right=("tries",))
    for each in file.work:
        table.add_row(Text(each.work), *_hands(each))
    return table


def _hands(work: WorkInHand) -> tuple[str, str, str]:
    tries = str(work.tries) if work.tries else ""
    match work.hands:
        case Hands.WORKED_ON:
            return work.owner, tries, f"{work.seconds_left:.0f} s from now at least"
        case Hands.RESTING:
            return "nobody, it rests", tries, f"{work.seconds_left:.0f} s from now"
        case _:
            return "nobody", tries, instant(work.due_at) if work.due_at else "a worker takes it"


def _events(file: OrderFile, *, wide: bool) -> Table:
    headings = ("#", "time (UTC)", "who", "event", "cause", *(("what it tells",) if wide else ()))
    table = _table(*headings, right=("#",))
    for each in file.history:
        name, what = topic_of(each.event).partition(".")[0], told(each, file.order)
        who = f"{each.actor.role} {each.actor.id}" if wide else str(each.actor.role)
        row = [str(each.event.originator_version), f"{each.event.timestamp:%Y-%m-%d %H:%M:%S}", who]
        if wide:
            table.add_row(*row, name, cause(each, file.history), Text(what, "dim"))
        else:
            table.add_row(*row, Text(name), cause(each, file.history))
            if what:
                table.add_row("", "", "", Text(what, "dim"), "")
    return table
