"""What every event store does alike: streams folded once, and pending events made into the rows of an append."""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from adapters.event_mapping import STATE_AT_MOST, encoded
from domain.history import SomeAggregate, replayed, topic_of
from domain.identifiers import event_id
from domain.ledger import LedgerAggregate, LedgerEvent
from domain.refusals import IdempotencyKeyReused, NotFound
from services.ports import AppendTooLarge, CommandContext, Outcome, SealedRecord


class EventRow(NamedTuple):
    """An event as its columns."""

    stream: UUID
    version: int
    topic: str
    state: bytes
    id: UUID
    effective_at: datetime
    account_id: UUID
    partition: int


@dataclass(frozen=True, slots=True)
class Append:
    """One command's events, the (stream, version) pairs that must still hold, and its vault records.

    `events` are rows; `decided` has the same events as they were decided, for whoever keeps them.
    """

    context: CommandContext
    guards: tuple[tuple[UUID, int], ...]
    events: tuple[EventRow, ...]
    vault: tuple[SealedRecord, ...]
    result_kind: str
    result_id: UUID
    result_version: int
    decided: tuple[LedgerEvent, ...] = ()

    @property
    def touches(self) -> frozenset[UUID]:
        """What no other append of the same call may touch: its streams, and the command itself."""
        return frozenset((self.context.command_id, *(stream for stream, _ in self.guards)))

    @property
    def size(self) -> int:
        """Bytes to send, roughly."""
        return sum(len(event.state) for event in self.events) + sum(len(record.canonical) for record in self.vault)


def partition_of(account_id: UUID, partitions: int) -> int:
    """The partition of the log that holds an account's history."""
    return int.from_bytes(account_id.bytes[:4], "big") % partitions


class LoadedStreams:
    """Streams by id; an aggregate is folded once and then the same object."""

    def __init__(self, streams: dict[UUID, list[LedgerEvent]], done: Outcome | None) -> None:
        """Take the events of each stream, in order."""
        self._streams, self.done = streams, done
        self._folded: dict[UUID, LedgerAggregate] = {}

    def find(self, kind: type[SomeAggregate], id: UUID) -> SomeAggregate | None:
        """See services.ports.Streams."""
        if id not in self._streams:
            return None
        if id not in self._folded:
            aggregate = replayed(LedgerAggregate, self._streams[id])
            assert aggregate is not None
            self._folded[id] = aggregate
        found = self._folded[id]
        if not isinstance(found, kind):
            message = f"{id} is a {type(found).__name__}, not a {kind.__name__}"
            raise TypeError(message)
        return found

    def require(self, kind: type[SomeAggregate], id: UUID) -> SomeAggregate:
        """See services.ports.Streams."""
        try:
            found = self.find(kind, id)
        except TypeError:
            found = None
        if found is None:
            raise NotFound(kind=kind.TOPIC, id=id)
        return found


def same_request(context: CommandContext, fingerprint: bytes) -> None:
    """Raise IdempotencyKeyReused if the key was used for a request with another fingerprint."""
    if context.fingerprint is not None and not hmac.compare_digest(context.fingerprint, fingerprint):
        raise IdempotencyKeyReused


def prepared_append(
    aggregates: Iterable[LedgerAggregate],
    context: CommandContext,
    unchanged: Iterable[LedgerAggregate | UUID],
    vault: Sequence[SealedRecord],
    result: LedgerAggregate,
    partitions: int,
) -> Append:
    """The aggregates' pending events with the versions they were decided on; raises AppendTooLarge."""
    guards = [(each, 0) if isinstance(each, UUID) else (each.id, each.version) for each in unchanged]
    decided: list[LedgerEvent] = []
    events: list[EventRow] = []
    for aggregate in aggregates:
        pending = aggregate.collect_events()
        guards.append((aggregate.id, aggregate.version - len(pending)))
        decided += pending
        for event in pending:
            state = encoded(event)
            if len(state) > STATE_AT_MOST:
                message = f"{topic_of(event)} has {len(state)} bytes, more than {STATE_AT_MOST}"
                raise AppendTooLarge(message)
            account_id = aggregate.account_of(event)
            events.append(
                EventRow(
                    event.originator_id,
                    event.originator_version,
                    topic_of(event),
                    state,
                    event_id(context.command_id, len(events)),
                    event.timestamp,
                    account_id,
                    partition_of(account_id, partitions),
                )
            )
    kind = type(result).TOPIC
    return Append(context, tuple(guards), tuple(events), tuple(vault), kind, result.id, result.version, tuple(decided))
