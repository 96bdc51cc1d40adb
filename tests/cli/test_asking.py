"""Every command asks the table of who may do what, and one without a row is refused."""

from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli import asking
from adapters.cli.asking import COMMANDS, Asked
from adapters.cli.main import app
from domain.envelope import Role
from services.authorisation import PERMITTED, Operation


def _paths(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    for command in group.registered_commands:
        assert command.callback
        yield prefix + (command.name or command.callback.__name__.replace("_", "-"))
    for inner in group.registered_groups:
        assert inner.typer_instance
        yield from _paths(inner.typer_instance, f"{inner.name} ")


def test_every_command_has_a_row_and_every_row_a_command() -> None:
    assert set(_paths(app)) == set(COMMANDS)


def test_every_row_permits_its_role() -> None:
    assert all(asked.role in PERMITTED[asked.operation] for asked in COMMANDS.values())


@pytest.mark.parametrize("arguments", [["status"], ["orders", "show", "O-1"], ["projections", "list"]], ids=" ".join)
def test_a_command_is_refused_without_its_row(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {name: asked for name, asked in COMMANDS.items() if name.split()[0] != arguments[0]}
    monkeypatch.setattr(asking, "COMMANDS", rows)
    answer = CliRunner().invoke(app, arguments)
    assert (answer.exit_code, "may not do this (nothing)" in answer.stderr) == (1, True)


def test_a_command_is_refused_in_a_role_that_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COMMANDS", {"status": Asked(Operation.CANCEL_ORDER, Role.FINANCE)})
    answer = CliRunner().invoke(app, ["status"])
    assert (answer.exit_code, "role finance may not do this (cancel_order)" in answer.stderr) == (1, True)
