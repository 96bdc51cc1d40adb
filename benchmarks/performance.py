"""docs/reference/performance.md: the last figures of each run with machine, versions and date, written by the run."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from adapters.postgres import embedded
from benchmarks.figures import Figure

_REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"
_RESULTS: Final = _REFERENCE / "performance.json"
_PAGE: Final = _REFERENCE / "performance.md"

_HEAD: Final = """# Performance

Written by `make bench` and `make chaos`, each row by its last run; do not edit. A ratio has both sides measured in
that run, interleaved, the median of the passes being quoted. `make bench NAME=...` measures one again.
"""


def remembered(what: str, name: str, figures: Sequence[Figure]) -> None:
    """Put the figures in place of the last ones of this name, and write the page anew."""
    _REFERENCE.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(_RESULTS.read_text("utf-8")) if _RESULTS.exists() else {}
    results[f"{what} {name}"] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": _versions(),
        "figures": [{**asdict(figure), "holds": figure.holds} for figure in figures],
    }
    _RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", "utf-8")
    _PAGE.write_text(_page(results), "utf-8")


def _versions() -> str:
    server = ".".join(str(part) for part in embedded._version(embedded.find_binaries()))
    packages = ", ".join(f"{name} {version(name)}" for name in ("psycopg", "pydantic", "eventsourcing", "uvicorn"))
    return f"Python {platform.python_version()}, PostgreSQL {server}, {packages}"


def _page(results: dict[str, Any]) -> str:
    parts = [_HEAD]
    for name, result in sorted(results.items()):
        parts.append(f"\n## make {name.replace(' ', ' NAME=')}\n")
        parts.append(f"{result['date']}, {result['machine']}; {result['versions']}\n")
        parts.append("| figure | measured | unit | reach | | how |\n|---|---:|---|---:|---|---|")
        parts += [_row(figure) for figure in result["figures"]]
    return "\n".join(parts) + "\n"


def _row(figure: dict[str, Any]) -> str:
    bound = f"{'≤' if figure['at_most'] else '≥'} {figure['reach']:g}"
    holds = "holds" if figure["holds"] else "**short**"
    return f"| {figure['name']} | {figure['measured']:.4g} | {figure['unit']} | {bound} | {holds} | {figure['note']} |"
