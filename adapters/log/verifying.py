"""The topic against the store, event by event: what is lost, out of order, different, or nobody's."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from adapters.log.cloud_events import Message, UnreadableMessage, record_of
from adapters.log.event_log import LogRecord
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import ANSWER_SECONDS, OwnThread, consumer, plain_trouble
from adapters.log.kafka_topic import source_of_ledger
from adapters.postgres.publishing import Publication

_PAGE: Final = 2_000
_FIRST: Final = 10


@dataclass(slots=True)
class Verified:
    """What was found, up to the position that all is acknowledged to.

    `out_of_order` came behind one that follows it in its partition; readers had it from the store. `spoilt` can't be
    read, `foreign` is another ledger's or of no event of the store. `first` names the first few of whatever is wrong.
    """

    position: int = 0
    events: int = 0
    messages: int = 0
    duplicates: int = 0
    lost: int = 0
    out_of_order: int = 0
    different: int = 0
    spoilt: int = 0
    foreign: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether every event is on the topic, as it is in the store and in order. Duplicates harm nobody."""
        return not (self.lost or self.out_of_order or self.different or self.spoilt or self.foreign)

    def note(self, what: str) -> None:
        """Name one of the first few."""
        if len(self.first) < _FIRST:
            self.first.append(what)


async def verified(
    access: KafkaAccess,
    ledger: str,
    partitions: int,
    publication: Publication,
    told: Callable[[int, int], None] = lambda *_: None,
) -> Verified:
    """Read the topic from its beginning to its present end. Raises LogUnavailable."""
    state = await publication.state()
    found = Verified(position=state.position)
    comparing = _Comparing(found, publication, source_of_ledger(ledger, state.ledger_id))
    thread = OwnThread("verify")
    reader = await thread.call(lambda: consumer(access))
    try:
        ends = await thread.call(lambda: _at_the_beginning(reader, access, partitions))
        total = sum(ends.values())
        while await thread.call(lambda: _unread(reader, ends)):
            messages = await thread.call(lambda: _polled(reader))
            await comparing.compare(messages)
            told(found.messages, total)
    except KafkaError as error:
        raise plain_trouble(error) from error
    finally:
        await thread.end(reader.close)
    await comparing.finish()
    return found


def _at_the_beginning(reader: KafkaConsumer, access: KafkaAccess, partitions: int) -> Mapping[TopicPartition, int]:
    parts = [TopicPartition(access.topic, number) for number in range(partitions)]
    reader.assign(parts)
    ends: dict[TopicPartition, int] = reader.end_offsets(parts)
    for part, offset in reader.beginning_offsets(parts).items():
        reader.seek(part, offset)
    return ends


def _unread(reader: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return any(reader.position(part) < end for part, end in ends.items())


def _polled(reader: KafkaConsumer) -> list[tuple[int, Any]]:
    found = reader.poll(int(ANSWER_SECONDS * 1000), max_records=_PAGE)
    return [(part.partition, message) for part, messages in found.items() for message in messages]


_CARRIED: Final = tuple(name for name in LogRecord._fields if name != "previous")


class _Comparing:
    def __init__(self, found: Verified, publication: Publication, source: str) -> None:
        self._found, self._publication, self._source = found, publication, source
        self._last: dict[int, int] = {}
        self._missing: set[int] = set()

    async def compare(self, messages: Iterable[tuple[int, Any]]) -> None:
        """Take these, which follow those before."""
        records: list[tuple[str, int, LogRecord]] = []
        for partition, message in messages:
            self._found.messages += 1
            place = f"partition {partition}, offset {message.offset}"
            carried = Message(message.key, message.value, message.headers)
            try:
                record = record_of(carried)
            except UnreadableMessage as why:
                self._found.spoilt += 1
                self._found.note(f"{place}: {why}")
                continue
            if dict(carried.headers)["ce_source"].decode() != self._source:
                self._found.foreign += 1
                self._found.note(f"{place}: of {dict(carried.headers)['ce_source'].decode()}")
                continue
            records.append((place, partition, record))
        stored = await self._publication.records([record.position for _, _, record in records])
        for place, partition, record in records:
            await self._one(place, partition, record, stored.get(record.position))

    async def _one(self, place: str, partition: int, record: LogRecord, stored: LogRecord | None) -> None:
        found, position = self._found, record.position
        if stored is None or partition != stored.partition:
            found.foreign += 1
            found.note(f"{place}: position {position} is no event of this partition")
            return
        if record._replace(previous=0) != stored._replace(previous=0):
            found.different += 1
            wrong = next(name for name in _CARRIED if getattr(record, name) != getattr(stored, name))
            found.note(f"{place}: position {position} differs from the store in {wrong}")
            return
        last = self._last.get(partition, 0)
        if position in self._missing:
            self._missing.remove(position)
            found.out_of_order += 1
            found.note(f"{place}: position {position} comes behind one that follows it")
        elif position <= last:
            found.duplicates += 1
            return
        else:
            if record.previous > last:
                between = await self._publication.of_partition(partition, last, position - 1, 1_000_000)
                self._missing |= {each.position for each in between}
            self._last[partition] = position
        found.events += 1

    async def finish(self) -> None:
        """What never came."""
        lasts = await self._publication.lasts(self._found.position)
        for partition, position in lasts.items():
            if position > self._last.get(partition, 0):
                left = await self._publication.of_partition(
                    partition, self._last.get(partition, 0), position, 1_000_000
                )
                self._missing |= {each.position for each in left}
        self._found.lost = len(self._missing)
        for position in sorted(self._missing)[:_FIRST]:
            self._found.note(f"position {position} is not on the topic")
