"""Plain text at a width that every mail program shows unbroken."""

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Final

WIDTH: Final = 78
"""Characters a line: what RFC 5322 section 2.1.1 asks for."""

_INDENT: Final = "  "
_GAP: Final = 2
_COLUMNS: Final = (26, 9, 19)
"""Least widths of a row's right-aligned figures."""

_LEAST_ROOM: Final = 14
"""What a title needs beside its figures; the longest product's has 13."""

_BLANK: Final = re.compile(r"[ \t\n\r\f\v\x1c-\x1f\x85\u2028\u2029]+")
# Control characters, and those that turn the direction of what follows (the "Trojan Source" characters).
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    r"""The text with single spaces, no line end and nothing unseen; no-break spaces stay.

    >>> one_line("Vogt\n& Söhne\t GmbH\0")
    'Vogt & Söhne GmbH'
    """
    return _UNSEEN.sub("", _BLANK.sub(" ", text)).strip(" ")


def paragraph(text: str, *, indented: bool = False) -> str:
    """The text wrapped at WIDTH; a word longer than a line is broken."""
    indent = _INDENT if indented else ""
    return "\n".join(_wrapped(text, WIDTH, indent))


def labelled(rows: Iterable[tuple[str, str]]) -> str:
    """Labels and their values in two columns; a row with an empty value is left out."""
    rows = [(label, value) for label, value in rows if value]
    column = max(len(label) for label, _ in rows) + _GAP
    lines: list[str] = []
    for label, value in rows:
        first, *rest = _wrapped(value, WIDTH - column)
        lines += [label.ljust(column) + first, *(" " * column + line for line in rest)]
    return "\n".join(lines)


def figures(title: str, *cells: str) -> str:
    """A title and right-aligned figures; where they leave it no room, the title has lines of its own.

    >>> figures("Total", "€448.98") == "Total".ljust(71) + "€448.98"
    True
    """
    # A single figure is a sum, and the other columns are room for its title.
    widths = _COLUMNS if len(cells) > 1 else (0,)
    right = "".join(f"{'':{_GAP}}{cell}".rjust(width) for cell, width in zip(cells, widths, strict=True))
    room = WIDTH - len(right)
    lines = _wrapped(title, room) if room >= _LEAST_ROOM else [*_wrapped(title, WIDTH), ""]
    return "\n".join([*lines[:-1], lines[-1].ljust(room) + right])


def ruled(character: str) -> str:
    """A line across."""
    return character * WIDTH


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return wrap(_BLANK.sub(" ", text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
