"""The page of who may do what: roles, operations, and the routes and commands that ask for them."""

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from adapters.cli.asking import COMMANDS
from adapters.http.application import ROUTES
from domain.envelope import Role
from services.authorisation import PERMITTED, SEES, Operation

PATH: Final = Path(__file__).parents[2] / "docs/reference/who-may-do-what.md"

_HEAD: Final = """# Who may do what

The one table that every route and every command asks (`services/authorisation.py`). The page is written from the code,
and a test compares the two; `tests/system/test_access_matrix.py` tries each operation as everybody. An account that a
role can't see does not exist for it (404).
"""


def _document() -> dict[str, Any]:
    app = FastAPI()
    for routes in ROUTES:
        app.include_router(routes)
    return app.openapi()


def _asked() -> dict[str, list[str]]:
    """Where each operation is asked for."""
    asked: dict[str, list[str]] = {operation.value: [] for operation in Operation}
    for path, methods in _document()["paths"].items():
        for method, described in methods.items():
            for operation in described["x-operations"]:
                asked[operation].append(f"{method.upper()} {path}")
    for command, row in COMMANDS.items():
        asked[row.operation.value].append(f"seatledger {command}")
    return asked


def written() -> str:
    """The page."""
    roles = list(Role)
    lines = [_HEAD, "| role | sees |", "|---|---|"]
    lines += [f"| {role.value} | {_SIGHT[SEES[role].value]} |" for role in roles]
    lines += ["", f"| operation | {' | '.join(roles)} | asked by |", f"|---{'|:-:' * len(roles)}|---|"]
    asked = _asked()
    for operation, permitted in PERMITTED.items():
        marks = " | ".join("x" if role in permitted else "" for role in roles)
        where = "<br>".join(f"`{each}`" for each in sorted(asked[operation.value]))
        lines.append(f"| {operation.value} | {marks} | {where} |")
    return "\n".join(lines) + "\n"


_SIGHT: Final = {
    "named": "the accounts that its token names",
    "territory": "the accounts of the territories that its token names",
    "all": "every account",
}

if __name__ == "__main__":
    PATH.write_text(written(), "utf-8")
