"""What is said of a file that can't be read or written at all."""

from pathlib import Path


class UnusableFile(Exception):
    """A file can't be read or written at all; the message is one plain line that says what to do."""


def shown(path: Path) -> str:
    """The path as text that can be printed, whatever bytes it has."""
    return str(path).encode("utf-8", "replace").decode()
