"""What a projection is: handlers from (row, event) to row, over named tables, with nothing of any database."""

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from domain.envelope import Recorded
from domain.ledger import LedgerEvent

Row = TypeVar("Row")
Keys = Callable[[Any, Recorded], Iterable[UUID]]
Handler = Callable[[Any, Any, Recorded], Any]


def of_stream(event: LedgerEvent, recorded: Recorded) -> tuple[UUID]:  # noqa: ARG001 -- the signature of Keys
    """The row named after the event's own stream: what most handlers want."""
    return (event.originator_id,)


class RowKey(NamedTuple):
    """One row of one table."""

    table: str
    key: UUID


@dataclass(frozen=True, slots=True)
class _Subscribed:
    keys: Keys
    handler: Handler


class Table(Generic[Row]):
    """A read-model table: frozen dataclass rows, one UUID key column, and handlers by event class."""

    def __init__(self, name: str, row_type: type[Row], key: str) -> None:
        """`key` is the row type's field that is the primary key."""
        if key not in {field.name for field in fields(row_type)}:  # type: ignore[arg-type]  # a dataclass by contract
            message = f"{row_type.__name__} has no field {key}"
            raise ValueError(message)
        self.name, self.row_type, self.key = name, row_type, key
        self.handlers: dict[type[LedgerEvent], list[_Subscribed]] = {}

    def on(self, *event_classes: type[Any], keys: Keys = of_stream) -> Callable[[Handler], Handler]:
        """Fold events of these classes with the decorated `handler(row or None, event, recorded)`.

        It gets each row that `keys(event, recorded)` names and returns the row as it is now, or None to delete it.
        """

        def subscribed(handler: Handler) -> Handler:
            for event_class in event_classes:
                self.handlers.setdefault(event_class, []).append(_Subscribed(keys, handler))
            return handler

        return subscribed


class Projection:
    """Tables that are always at the same position. A changed meaning is a new `version`."""

    def __init__(self, name: str, version: int, *tables: Table[Any]) -> None:
        """`name` is also the name of the tables' schema."""
        self.name, self.version = name, version
        self.tables = {table.name: table for table in tables}

    @property
    def event_classes(self) -> frozenset[type[LedgerEvent]]:
        """The classes that some handler takes."""
        return frozenset(each for table in self.tables.values() for each in table.handlers)

    def steps(self, recorded: Recorded) -> list[tuple[RowKey, Handler]]:
        """The rows that this event's handlers ask for, each with its handler, in the order in which they are to run."""
        event = recorded.event
        kind = type(event)
        return [
            (RowKey(table.name, key), subscribed.handler)
            for table in self.tables.values()
            for subscribed in table.handlers.get(kind, ())
            for key in subscribed.keys(event, recorded)
        ]

    def apply(self, rows: MutableMapping[RowKey, Any], recorded: Recorded) -> None:
        """Fold one event into `rows`, which holds every row that exists and is touched; None marks a deleted row."""
        for row_key, handler in self.steps(recorded):
            rows[row_key] = handler(rows.get(row_key), recorded.event, recorded)
