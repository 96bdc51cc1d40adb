"""Where commands print, and how they end: 0 done; 1 refused or found wrong; 2 wrong use or settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.logging import RichHandler

from adapters.importing.unusable_file import UnusableFile
from adapters.log.event_log import LogRefused, LogUnavailable
from adapters.postgres.embedded import EmbeddedPostgresError
from adapters.postgres.schema import SchemaError
from adapters.redaction import Redacting
from adapters.settings import SettingsError
from domain.refusals import Refusal
from services.ports import CounterpartyError, StoreUnavailable

REFUSED: Final = 1
WRONG_USE: Final = 2

out, err = Console(), Console(stderr=True)


class Refused(Exception):
    """What was asked for is not done; the message says why, and what to do."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with one plain line: exit code 2 for what the user can mend, 1 for what the ledger or a partner refuses."""
    try:
        yield
    except (
        SettingsError,
        SchemaError,
        EmbeddedPostgresError,
        StoreUnavailable,
        LogUnavailable,
        LogRefused,
        UnusableFile,
    ) as error:
        ended(WRONG_USE, str(error))
    except (Refused, Refusal) as refusal:
        ended(REFUSED, str(refusal))
    except CounterpartyError as error:
        ended(REFUSED, f"A partner's system did not do it, and nothing was changed: {error}. Try again later.")


def ended(code: int, line: str) -> NoReturn:
    """Say the line and end with the code."""
    err.print(f"seatledger: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code) from None


def log_plainly() -> None:
    """Warnings and errors of what runs on, one line each."""
    handler = RichHandler(console=err, show_path=False)
    handler.addFilter(Redacting())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])


def as_json_text(value: Any) -> str:
    """The value as JSON, ids and times as text, dataclasses as objects."""
    return TypeAdapter(Any).dump_json(value).decode()
