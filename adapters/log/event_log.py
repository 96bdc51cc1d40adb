"""The port of the event log: what a reader gets, in order within each partition, whoever carries it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class LogRecord(NamedTuple):
    """An event as it is carried: undecoded, so that a reader can keep what it doesn't understand.

    `previous` is the position before this one in the same partition, 0 for the first. A tuple, because one is made for
    each event that is read, and a frozen dataclass takes four times as long.
    """

    position: int
    partition: int
    previous: int
    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes
    event_id: UUID
    account_id: UUID
    recorded_at: datetime
    effective_at: datetime
    actor_id: str
    actor_role: str
    on_behalf_of: str | None
    correlation_id: UUID
    causation_id: UUID
    idempotency_key: str | None


class OutgoingRecord(NamedTuple):
    """A LogRecord on its way out of the store: ids as their 16 bytes, instants as microseconds since 1970.

    It is published as text: to make UUIDs and datetimes in between took a sixth of the relay's time.
    """

    position: int
    partition: int
    previous: int
    originator_id: bytes
    originator_version: int
    topic: str
    state: bytes
    event_id: bytes
    account_id: bytes
    recorded_at: int
    effective_at: int
    actor_id: str
    actor_role: str
    on_behalf_of: str | None
    correlation_id: bytes
    causation_id: bytes
    idempotency_key: str | None

    @property
    def stamp(self) -> int:
        """Its message's time, by which readers find their place: as adapters.log.kafka_topic.stamp."""
        return self.recorded_at // 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Records in order, and how far each partition is read with them: nothing of it lies between."""

    records: Sequence[LogRecord]
    reached: Mapping[int, int]


class LogUnavailable(Exception):
    """What carries the log can't be reached at present; the message says why in plain words."""


class LogRefused(Exception):
    """The log is not what it should be, and somebody must put it right; the message says what, and what to do."""


def same_positions(one: str, other: str) -> bool:
    """Whether positions mean the same in both logs: they are the store's own, whoever carries the events.

    >>> same_positions("store:5f1c", "kafka:MkU3:x7Qk:5f1c")
    True
    """
    return one.rpartition(":")[2] == other.rpartition(":")[2]


class EventLog(Protocol):
    """A log in partitions; an account's events are all in one, in the order they were appended."""

    async def identity(self) -> str:
        """Names this log for ever: a position is worth nothing beside another identity."""

    async def ends(self) -> Mapping[int, int]:
        """The last position of each partition now; 0 for an empty one."""

    async def head(self) -> int:
        """The last position in the store, published or not; 0 in an empty one."""

    async def read(self, after: Mapping[int, int], limit: int, without: Collection[str] = ()) -> Page:
        """The next records of these partitions past these positions, at most `limit`; none if there are none.

        Events of the names in `without` are of no interest to this reader, and a log that can may leave them out;
        `previous` is then the position of the last one that was not.
        """

    async def wait(self, poll_seconds: float) -> None:
        """Return when there may be more than the last `read` gave, or when the poll is due."""

    async def close(self) -> None:
        """Let go of what this reader holds; reading on takes it anew."""
