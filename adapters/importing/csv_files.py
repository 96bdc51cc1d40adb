"""Reads a CSV file record by record: any of three delimiters, UTF-8, and never more in memory than one record.

A record that can't be read costs nobody but itself. A quote that is opened and never closed would swallow the rows
after it, so a record that comes out wrong over several lines is given up after its first line.
"""

import csv
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from adapters.importing.unusable_file import UnusableFile, shown
from services.importing import Problem

_LINE_AT_MOST: Final = 64 * 1024  # bytes; a row of the widest cells that are allowed has less than 3 KiB
_LINES_AT_MOST: Final = 20  # of one record
_DELIMITERS: Final = ",;\t"
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_ROW: Final = "(row)"


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in one row: its first line, counted from 1, and its cells by column, or why there are none."""

    line: int
    cells: Mapping[str, str] | Problem


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str | None  # None: too long


@contextmanager
def opened(path: Path, columns: Sequence[str], required: Sequence[str]) -> Iterator["CsvFile"]:
    """The file with its first line read and found right. Raises UnusableFile."""
    try:
        source = path.open("rb")
    except IsADirectoryError:
        message = f"{shown(path)} is a folder: name a CSV file"
        raise UnusableFile(message) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name can't be one"
        message = f"{shown(path)} can't be read: {reason}"
        raise UnusableFile(message) from None
    with source:
        yield CsvFile(path, source, columns, required)


class CsvFile:
    """A file whose first line names columns; iterating gives its records once, without those that are blank."""

    def __init__(self, path: Path, source: BinaryIO, columns: Sequence[str], required: Sequence[str]) -> None:
        """Read the first line. Raises UnusableFile if it does not name the columns."""
        self.path, self._source = path, source
        self.size = os.fstat(source.fileno()).st_size
        """Bytes; 0 for what is no file on a disk."""
        self.bytes_read = 0
        self._line, self._again = 0, deque[_Line]()
        self._delimiter, self._columns = self._header(columns, required)

    def __iter__(self) -> Iterator[Record]:
        """Each record in turn. Raises UnusableFile if the disk fails."""
        while line := self._next():
            if line.text is None:
                yield Record(
                    line.number,
                    Problem(_ROW, f"is longer than {_LINE_AT_MOST // 1024} KiB", "Look for a missing line break."),
                )
            else:
                self._again.appendleft(line)
                cells = self._cells(line.number)
                if not isinstance(cells, list):
                    yield Record(line.number, cells)
                elif any(cells):
                    yield Record(line.number, dict(zip(self._columns, cells, strict=True)))

    def _cells(self, number: int) -> list[str] | Problem:
        taken: list[_Line] = []

        def lines() -> Iterator[str]:
            while len(taken) < _LINES_AT_MOST and (line := self._next()):
                taken.append(line)
                if line.text is None:
                    return
                yield line.text

        try:
            cells = [cell.strip() for cell in next(csv.reader(lines(), delimiter=self._delimiter, strict=True))]
        except csv.Error:
            problem = Problem(
                _ROW, "has a quote in the wrong place", 'Write a cell with a quote as "so ""quoted"" here".'
            )
        else:
            if not any(cells) or len(cells) == len(self._columns):
                return cells
            wrong = f"has {len(cells)} cells where the first line has {len(self._columns)}"
            problem = Problem(_ROW, wrong, "Look for a delimiter that is missing, or is not in quotes.")
        self._again.extendleft(reversed(taken[1:]))
        return problem

    def _header(self, columns: Sequence[str], required: Sequence[str]) -> tuple[str, list[str]]:
        first = self._next(_UTF_16)
        if first is None:
            self._unusable(f"is empty: its first line must name the columns {', '.join(required)}")
        text = first.text or ""
        delimiter = max(_DELIMITERS, key=lambda each: len(set(_split(text, each)) & set(columns)))
        names = _split(text, delimiter)
        if not set(names) & set(columns):
            self._unusable(f"does not name its columns in the first line; it must have {', '.join(required)}")
        missing = [name for name in required if name not in names]
        if missing:
            self._unusable(f"has no column {', '.join(missing)}")
        twice = sorted({name for name in names if names.count(name) > 1 and name in columns})
        if twice:
            self._unusable(f"has the column {', '.join(twice)} twice")
        # Not by name: where the first line is no header, it is somebody's data.
        unknown = [str(place) for place, name in enumerate(names, 1) if name not in columns]
        if unknown:
            self._unusable(
                f"has unknown columns (number {', '.join(unknown)}): take them out; known are {', '.join(columns)}"
            )
        return delimiter, names

    def _next(self, not_at_start: tuple[bytes, ...] = ()) -> _Line | None:
        """The next line of the file, or one that was given back; None at the end."""
        if self._again:
            return self._again.popleft()
        raw = self._read()
        if not raw:
            return None
        if not_at_start and raw.startswith(not_at_start):
            self._unusable("is UTF-16: save it as UTF-8 (Excel: CSV UTF-8)")
        self._line += 1
        too_long = not raw.endswith(b"\n") and len(raw) >= _LINE_AT_MOST
        rest = raw if too_long else b"\n"
        while rest and not rest.endswith(b"\n"):
            rest = self._read()
        if too_long:
            return _Line(self._line, None)
        # Bytes that are not UTF-8 stay as halves of surrogate pairs, so that the cell that has them can be named.
        return _Line(self._line, raw.removeprefix(_BOM if self._line == 1 else b"").decode("utf-8", "surrogateescape"))

    def _read(self) -> bytes:
        try:
            raw = self._source.readline(_LINE_AT_MOST)
        except OSError as error:
            self._unusable(f"can't be read on: {error.strerror}")
        self.bytes_read += len(raw)
        return raw

    def _unusable(self, wrong: str) -> NoReturn:
        message = f"{shown(self.path)} {wrong}"
        raise UnusableFile(message)


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        return []
