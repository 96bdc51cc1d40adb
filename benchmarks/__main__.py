"""`python -m benchmarks bench|chaos [NAME]`: one after the other, figures last; exit 1 if one falls short."""

import importlib
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.figures import Figure, written
from benchmarks.performance import remembered

BENCH: Final = (
    "append",
    "project",
    "http",
    "latency",
    "relay",
    "growth",
    "memory",
    "start",
    "access",
    "metrics",
    "pages",
)
CHAOS: Final = (
    "saga",
    "model",
    "receipts",
    "kill",
    "store",
    "kafka",
    "cluster",
    "poison",
    "outage",
    "canaries",
    "http",
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
out = Console(stderr=True, highlight=False)

Name = Annotated[str | None, typer.Argument(help="one of them; without it all, one after the other")]
Json = Annotated[Path | None, typer.Option("--json", help="write the figures there, too")]


@app.command()
def bench(name: Name = None, json: Json = None) -> None:
    """Measure how fast it is, always against something real in the same run."""
    figures = _run("bench", BENCH, name)
    _told(figures, json)


@app.command()
def chaos(name: Name = None, json: Json = None) -> None:
    """Break things on purpose under load, and compare everybody's books after."""
    _told(_run("chaos", CHAOS, name), json)


def _run(what: str, known: tuple[str, ...], name: str | None) -> list[Figure]:
    if name is not None and name not in known:
        out.print(f"There is no {what} {name}; there are {', '.join(known)}.", style="red")
        raise typer.Exit(2)
    figures: list[Figure] = []
    for each in (name,) if name else known:
        out.rule(f"{what} {each}", align="left")
        began = time.monotonic()
        measured = importlib.import_module(f"benchmarks.{what}_{each}").measured(out)
        out.print(f"{each} took {time.monotonic() - began:.0f} s", style="dim")
        remembered(what, each, measured)
        figures += measured
    return figures


def _told(figures: list[Figure], json: Path | None) -> None:
    for figure in figures:
        if figure.note:
            out.print(f"{figure.name}: {figure.note}", style="dim", soft_wrap=True)
    for figure in figures:
        print(figure.line)
    if json:
        written(figures, json)
    if not all(figure.holds for figure in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
