"""The report of an import: each row that did not get in, with field, what is wrong and what to do; never a value."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from adapters.importing.unusable_file import UnusableFile, shown
from services.importing import Fate, Problem

COLUMNS = ("file", "line", "fate", "field", "wrong", "remedy")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the file and line where it is."""

    file: str
    line: int
    fate: Fate
    field: str
    wrong: str
    remedy: str


class Report:
    """Keeps the first findings to be shown, counts all, and writes all to a file if there is one."""

    def __init__(self, target: TextIO | None, keep: int) -> None:
        """Write to this; None: keep only."""
        self._writer = csv.writer(target) if target else None
        self._keep = keep
        self.kept: list[Finding] = []
        self.left_out = 0
        if self._writer:
            self._writer.writerow(COLUMNS)

    def add(self, path: Path, line: int, fate: Fate, problem: Problem) -> None:
        """Note a problem."""
        found = Finding(shown(path), line, fate, problem.field, problem.wrong, problem.remedy)
        if len(self.kept) < self._keep:
            self.kept.append(found)
        else:
            self.left_out += 1
        if self._writer:
            cells = (found.file, line, fate.value, found.field, found.wrong, found.remedy)
            self._writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])


@contextmanager
def reporting(path: Path | None, inputs: list[Path], keep: int) -> Iterator[Report]:
    """A report, written to `path` if it is given. Raises UnusableFile if that can't be written or is an input."""
    if path is None:
        yield Report(None, keep)
        return
    if path.exists() and any(path.samefile(each) for each in inputs):
        message = f"{shown(path)} is a file to import: name another for the report"
        raise UnusableFile(message)
    try:
        target = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        message = f"{shown(path)} can't be written: {error.strerror}"
        raise UnusableFile(message) from None
    with target:
        yield Report(target, keep)


def _harmless(cell: str) -> str:
    """The cell as text to a spreadsheet, which takes these beginnings for a formula (OWASP, CSV injection).

    >>> _harmless("=cmd"), _harmless("accounts.csv")
    ("'=cmd", 'accounts.csv')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
