"""Which operation of the table each command is, and in which role: a command without a row is refused.

Whoever may run a command with the database's address at hand is the operator, or acts for Corporate Account Services.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand

from adapters.cli.terminal import REFUSED, ended
from domain.envelope import Actor, Role
from domain.refusals import NotPermitted
from services.authorisation import Caller, Operation, must_be_permitted


class Asked(NamedTuple):
    """What a command asks for, and the role that it asks in."""

    operation: Operation
    role: Role


_OPERATES: Final = Asked(Operation.OPERATE, Role.OPERATOR)

COMMANDS: Final[Mapping[str, Asked]] = {
    **dict.fromkeys(("dev", "demo", "status", "doctor", "serve", "work", "migrate", "reset"), _OPERATES),
    **dict.fromkeys(("projections list", "projections rebuild", "projections compare"), _OPERATES),
    **dict.fromkeys(("parked list", "parked show", "parked retry"), _OPERATES),
    **dict.fromkeys(("log status", "log verify", "log rebuild"), _OPERATES),
    "log tail": Asked(Operation.VIEW_ACCOUNTS, Role.OPERATOR),
    "seed": Asked(Operation.OPEN_ACCOUNT, Role.OPERATOR),
    "import": Asked(Operation.OPEN_ACCOUNT, Role.OPERATOR),
    "care": Asked(Operation.VIEW_CARE, Role.OPERATOR),
    "orders show": Asked(Operation.VIEW_ACCOUNTS, Role.OPERATOR),
    "orders retry": Asked(Operation.RETRY_WORK, Role.OPERATOR),
    "orders cancel": Asked(Operation.CANCEL_ORDER, Role.ACCOUNT_SERVICES),
    "orders release": Asked(Operation.RELEASE_SEATS, Role.ACCOUNT_SERVICES),
}


class _AskingCommand(TyperCommand):
    """A command that asks the table before it does anything."""

    def invoke(self, ctx: Any) -> Any:
        """See typer.core.TyperCommand."""
        try:
            must_ask(" ".join(_names(ctx)))
        except NotPermitted as refusal:
            ended(REFUSED, str(refusal))
        return super().invoke(ctx)


def _names(ctx: Any) -> list[str]:
    """The command's name after those of its groups, without the program's own."""
    return [*_names(ctx.parent), ctx.info_name or ""] if ctx.parent else []


def must_ask(command: str) -> None:
    """Raise NotPermitted unless the command has a row and the table has its role."""
    asked = COMMANDS.get(command)
    role = asked.role if asked else Role.OPERATOR
    must_be_permitted(Caller(Actor("cli", role)), *((asked.operation,) if asked else ()))


def asking(app: typer.Typer) -> None:
    """Have every command of the program, and of its groups, ask."""
    for command in app.registered_commands:
        command.cls = _AskingCommand
    for group in app.registered_groups:
        if group.typer_instance:
            asking(group.typer_instance)
