"""docs/reference/order-states.md, written from the walk: `make reference` writes it anew."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from adapters.http.problems import STATUS
from domain.order import OrderCommand, OrderState
from domain.timers import Timer
from tests.reference.acts import CALLS, COMMANDS, FAULTS, RESULTS
from tests.reference.situations import SITUATIONS
from tests.reference.walk import Cell, Fault, Walk, step_of, walked

PATH: Final = Path(__file__).parents[2] / "docs/reference/order-states.md"

_OTHERS: Final = "every other"
_NOTHING: Final = "-"

_HEAD: Final = """\
# Order states

What every command and every answer from outside does to a service order, in every situation that it can be in.

**This page is made from the code.** Each cell was really done: the order was brought into the situation by commands,
workers, partners and the clock, and then the command was given, or the answer told. `make reference` writes the page
anew, and a test compares it cell by cell. Don't edit it here.

## How to read it

| in a cell | means |
|---|---|
| `OrderDelayed` | This event is stored; the order stays in its state. |
| `PaymentDeclined` → **PaymentDeclined** | These events are stored, and the order is in that state afterwards. |
| - | Nothing: it is no news, or it came too late or twice. It is not an error. |
| 409 `ORDER_STATE` | Refused with this HTTP status and problem code; nothing is stored. See [refusals](#refusals). |

A situation is a state and what else counts: whether the order is called off, and whether seats are there.
Situations with the same cells share a row, and the last row is for all that have none of their own. Only the order's
events are named; its quote and subscriptions have theirs in the same append. The order has two lines, and an answer
about seats is about the first that waits for them.

## The states at a glance

An arrow is a change of state, with what brings it about.

"""

_REFUSALS: Final = """
## Refusals

A refused command stores nothing. The problem says in its title, and as facts, what the state is (`state`), what the
command needs (`needed`) and what is possible instead (`possible`, a list). What it reads like:

"""

_ANSWERS: Final = """
## Answers from outside

What an order makes of an answer, whenever it comes: in its time, late, or for the second time. A refusal here reaches
no client; it stops a worker that is late, whose entry is looked at anew.
"""

_INSTEAD: Final[Mapping[OrderCommand, str]] = {
    OrderCommand.CHANGE_DETAILS: "Change admin, address or card.",
    OrderCommand.DECLINE_QUOTE: "Decline the quote, which ends the draft.",
    OrderCommand.PLACE: "Place the order.",
    OrderCommand.PAY: "Pay, with the card that is chosen.",
    OrderCommand.CANCEL: "Call it off; asked again, it is the same fact.",
    OrderCommand.RELEASE: "Give up waiting for a line's seats.",
    OrderCommand.REFUND: "Give money back.",
    OrderCommand.RESEND_RECEIPT: "Have the receipt mailed again; if it is on its way, that is enough.",
}
_TIMERS: Final[Mapping[Timer, str]] = {
    Timer.EXPIRE_QUOTE: "quote's end",
    Timer.QUOTE_EXPIRES_SOON: "3 days before it",
    Timer.ORDER_DELAYED: "20 h",
    Timer.ORDER_OVERDUE: "24 h",
    Timer.PAYMENT_DEADLINE: "payment deadline",
}


def written(walk: Walk) -> str:
    """The whole page."""
    return "".join(
        (
            _HEAD,
            _diagram(walk),
            "\n## The situations\n\n",
            _table(
                ("situation", "what it means", "whose turn it is, and how it ends"),
                ((_bold(each.name), each.means, each.acts) for each in SITUATIONS),
            ),
            _standing(walk),
            "\n## Commands\n",
            *(
                _grid(name, [each.name for each in group], lambda s, c: said(walk.commands[s, c]))
                for name, group in COMMANDS.items()
            ),
            _REFUSALS,
            _refusals(walk),
            _ANSWERS,
            *(_grid(name, list(group), lambda s, r: said(walk.results[s, r])) for name, group in RESULTS.items()),
            _faults(walk),
        )
    )


def cell_in(page: str, heading: str, situation: str, column: str) -> str:
    """What the page has in the column of the table under this heading, in the row that is about the situation."""
    section = page.split(f"\n### {heading}\n")[1].split("\n#", maxsplit=1)[0]
    head, _, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    named = [row for row in rows if _bold(situation) in row[0].split("<br>")]
    (row,) = named or [row for row in rows if row[0] == _OTHERS]
    return row[head.index(column)]


def _bold(text: str) -> str:
    return f"**{text}**"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _grid(heading: str, columns: Sequence[str], cell: Callable[[str, str], str]) -> str:
    """A row for all situations with the same cells; the row of the most comes last and names none."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for situation in SITUATIONS:
        alike.setdefault(tuple(cell(situation.name, column) for column in columns), []).append(_bold(situation.name))
    most = max(alike, key=lambda cells: len(alike[cells]))
    rows = [("<br>".join(names), *cells) for cells, names in alike.items() if cells != most]
    return f"\n### {heading}\n\n" + _table(("situation", *columns), [*rows, (_OTHERS, *most)])


def said(cell: Cell) -> str:
    if cell.refusal:
        return f"{STATUS[type(cell.refusal)]} `{cell.refusal.code}`"
    moved = f" → **{cell.after}**" if cell.after is not cell.before or cell.events[-1:] == (str(cell.after),) else ""
    return (", ".join(f"`{event}`" for event in cell.events) or _NOTHING) + moved


def _diagram(walk: Walk) -> str:
    causes: dict[tuple[OrderState, OrderState], list[str]] = {}
    for (_, name), cell in (*walk.commands.items(), *walk.results.items()):
        known = causes.setdefault((cell.before, cell.after), [])
        if name not in known:
            known.append(name)
    lines = [
        f"    {before} --> {after}: {', '.join(names)}"
        for (before, after), names in causes.items()
        if before is not after
    ]
    ends = [f"    {state} --> [*]" for state in (OrderState.COMPLETED, OrderState.CANCELLED)]
    return "\n".join(("```mermaid", "stateDiagram-v2", "    [*] --> Prepared: prepare", *lines, *ends, "```", ""))


def _standing(walk: Walk) -> str:
    def row(name: str) -> tuple[str, ...]:
        standing = walk.standing[name]
        step = step_of(standing)
        return (
            _bold(name),
            f"`{step}`" if step else _NOTHING,
            ", ".join(_TIMERS[timer] for timer in standing.timers) or _NOTHING,
            ", ".join(f"`{each}`" for each in standing.care) or _NOTHING,
            ", ".join(f"`{each}`" for each in standing.order.possible) or _NOTHING,
            " → ".join(standing.way) or "stays",
        )

    head = ("situation", "a worker's next step", "timers", "on the care list", "people can", "left alone")
    return (
        "\n### What follows by itself\n\n"
        "Left alone: what becomes of the order within 40 days if people do nothing and every partner answers well.\n\n"
        + _table(head, (row(each.name) for each in SITUATIONS))
    )


def _refusals(walk: Walk) -> str:
    seen: dict[str, tuple[str, ...]] = {}
    for (situation, name), cell in walk.commands.items():
        if cell.refusal and cell.refusal.code not in seen:
            code = f"{STATUS[type(cell.refusal)]} `{cell.refusal.code}`"
            seen[cell.refusal.code] = (code, f"{name}, {_bold(situation)}", str(cell.refusal))
    possible = _table(("possible", "is to"), ((f"`{each}`", _INSTEAD[each]) for each in OrderCommand))
    return _table(("problem", "for example", "title"), seen.values()) + f"\n{possible}"


def _faults(walk: Walk) -> str:
    def text(fault: Fault) -> str:
        return f"{said(fault.cell)}; then {fault.later}"

    rows = (
        (f"`{call}`", _bold(situation), *(text(walk.faults[call, each]) if each in able else "" for each in FAULTS))
        for call, (situation, able) in CALLS.items()
    )
    return (
        "\n### When a partner fails\n\n"
        "Each call of a worker, failing once: what that turn stores, and where the order is after the next turns.\n"
        "Empty: this partner can't answer so.\n\n" + _table(("call", "made in", *FAULTS), rows)
    )


if __name__ == "__main__":
    PATH.write_text(written(asyncio.run(walked())), "utf-8")
