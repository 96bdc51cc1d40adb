"""Where commands print, and how they end: 0 done; 1 refused or found wrong; 2 wrong use or settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.logging import RichHandler

from adapters.importing.unusable_file import UnusableFile
from adapters.postgres.embedded import EmbeddedPostgresError
from adapters.postgres.schema import SchemaError
from adapters.settings import SettingsError
from services.ports import StoreUnavailable

out, err = Console(), Console(stderr=True)


class Refused(Exception):
    """What was asked for is not done; the message says why, and what to do."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with one plain line and an exit code for what the user can mend."""
    try:
        yield
    except (SettingsError, SchemaError, EmbeddedPostgresError, StoreUnavailable, UnusableFile) as error:
        _say(error)
        raise typer.Exit(2) from None
    except Refused as error:
        _say(error)
        raise typer.Exit(1) from None


def log_plainly() -> None:
    """Warnings and errors of what runs on, one line each."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=err, show_path=False)]
    )


def _say(error: Exception) -> None:
    err.print(f"seatledger: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
