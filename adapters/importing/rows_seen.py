"""What an import must remember of the rows before: on disk, so that memory does not grow with the files."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from services.importing import AccountInFile

_AT_ONCE = 500  # parameters of a statement


class RowsSeen:
    """Numbers with the first line that they stood in, and what became of the accounts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing."""
        self._connection = connection
        connection.execute("CREATE TABLE subscriptions (number TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        connection.execute("CREATE TABLE accounts (number TEXT PRIMARY KEY, line INTEGER, currency TEXT) WITHOUT ROWID")

    def account(self, number: str, line: int) -> int:
        """The first line with this account's number: this one, unless an earlier had it. It counts as refused."""
        return self._first("accounts", number, line)

    def subscription(self, number: str, line: int) -> int:
        """The first line with this subscription's number: this one, unless an earlier had it."""
        return self._first("subscriptions", number, line)

    def accepted(self, number: str, currency: str) -> None:
        """Note that this account is there or would be."""
        self._connection.execute("UPDATE accounts SET currency = ? WHERE number = ?", (currency, number))

    def accounts(self, numbers: Iterable[str]) -> dict[str, AccountInFile]:
        """Those of them that stood in the accounts file."""
        wanted, found = sorted(set(numbers)), dict[str, AccountInFile]()
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT number, line, currency FROM accounts WHERE number IN ({marks})"  # noqa: S608 -- only marks
            found.update(
                {
                    number: AccountInFile(line, currency)
                    for number, line, currency in self._connection.execute(query, some)
                }
            )
        return found

    def _first(self, table: str, number: str, line: int) -> int:
        parameters = (number, line)
        inserted = f"INSERT INTO {table} (number, line) VALUES (?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 -- ours
        if self._connection.execute(inserted, parameters).rowcount:
            return line
        (first,) = self._connection.execute(f"SELECT line FROM {table} WHERE number = ?", parameters[:1]).fetchone()  # noqa: S608
        return int(first)


@contextmanager
def rows_seen() -> Iterator[RowsSeen]:
    """An empty memory, gone when the block ends or the process is killed."""
    # The empty name is a private database in a temporary file, which SQLite deletes on opening.
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        yield RowsSeen(connection)
