"""The event log read from Kafka: in the store's order by the chain of positions, its gaps refilled from the store."""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from adapters.event_mapping import MalformedEvent, UnknownEvent, recorded
from adapters.log.cloud_events import Message, UnreadableMessage, record_of
from adapters.log.event_log import LogRecord, LogUnavailable, Page
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import OwnThread, consumer, plain_trouble
from adapters.log.kafka_topic import Last, last_messages, look, must_be_set_right, recognise, source_of_ledger, stamp
from adapters.postgres.publishing import Publication, Spoilt

_LOOK_AGAIN_SECONDS: Final = 60.0
_CATCH_UP_SECONDS: Final = 0.5
_SHORT_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Carried:
    """A message by its place; `record` is None if it can't be read, `sound` if the record's event can be decoded."""

    partition: int
    offset: int
    message: Message
    record: LogRecord | None
    sound: bool
    reason: str


class KafkaLog:
    """EventLog over the ledger's topic.

    Positions are the store's own, so a reader finds its place in any topic that the same store was published to, and
    goes over from the store to Kafka and back. A record that is not the next in its partition's chain is a duplicate,
    which is skipped, or shows a gap, which is refilled from the store. What the store does not know is kept apart.
    """

    def __init__(self, access: KafkaAccess, ledger: str, partitions: int, publication: Publication) -> None:
        """`ledger` is its name; nothing is connected before the first call."""
        self._access, self._ledger, self._partitions, self._publication = access, ledger, partitions, publication
        self._identity: str | None = None
        self._looked_at = self._caught_up_at = float("-inf")
        self._thread: OwnThread | None = None
        self._consumer: KafkaConsumer | None = None
        self._places: dict[int, int] = {}
        self._wanted: frozenset[int] = frozenset()
        self._waiting: dict[int, deque[_Carried]] = {}

    async def identity(self) -> str:
        """See EventLog. Raises LogRefused unless it is the very topic that the ledger was published to, and whole."""
        if self._identity is None or time.monotonic() > self._looked_at + _LOOK_AGAIN_SECONDS:
            found = await self._looked()
            if self._identity not in {None, found}:
                await self.close()
                message = "the log was published again: this reader takes its place in it anew"
                raise LogUnavailable(message)
            self._identity, self._looked_at = found, time.monotonic()
        return self._identity

    async def _looked(self) -> str:
        """The topic's identity. Raises LogUnavailable and LogRefused."""
        state, name = (
            await self._publication.state(),
            source_of_ledger(self._ledger, await self._publication.ledger_id()),
        )
        if state.log_identity is None:
            message = "nothing is published yet: the relay has not begun"
            raise LogUnavailable(message)
        thread = OwnThread("log's look")
        try:
            topic = await thread.call(lambda: look(self._access))
            lasts: Mapping[int, Last] = {}
            if topic.id is not None:
                must_be_set_right(topic, self._access, self._partitions)
                lasts = await thread.call(lambda: last_messages(self._access, self._partitions))
        finally:
            await thread.end()
        await recognise(topic, lasts, state, self._publication, name)
        return topic.identity(state.ledger_id)

    async def ends(self) -> Mapping[int, int]:
        """See EventLog: of what the brokers have acknowledged."""
        _, position = await self._publication.published()
        return await self._publication.lasts(position)

    async def head(self) -> int:
        """See EventLog."""
        return (await self._publication.state()).head

    async def read(self, after: Mapping[int, int], limit: int, without: Collection[str] = ()) -> Page:
        """See EventLog."""
        self._wanted = frozenset(after)
        if not after:
            return Page((), {})
        await self.identity()
        try:
            await self._placed(after)
            if not any(self._waiting.get(partition) for partition in after):
                await self._poll(after, _SHORT_POLL_SECONDS, limit)
            records, reached = await self._taken(after, limit)
            if not records and time.monotonic() > self._caught_up_at + _CATCH_UP_SECONDS:
                self._caught_up_at = time.monotonic()
                records, reached = await self._caught_up(reached, limit)
        except KafkaError as error:
            await self.close()
            raise plain_trouble(error) from error
        except BaseException:
            await self.close()  # what was taken out of the buffer, and not given to anybody, is read again
            raise
        self._places.update(reached)
        wanted = sorted((each for each in records if each.topic not in without), key=lambda each: each.position)
        return Page(wanted, reached)

    async def wait(self, poll_seconds: float) -> None:
        """See EventLog."""
        if not self._places or not self._wanted:  # no partition is this reader's
            await asyncio.sleep(poll_seconds)
        elif not any(self._waiting.get(partition) for partition in self._wanted):
            try:
                await self._poll(self._wanted, poll_seconds, 1000)
            except KafkaError as error:
                await self.close()
                raise plain_trouble(error) from error

    async def close(self) -> None:
        """See EventLog."""
        thread, reader = self._thread, self._consumer
        self._thread = self._consumer = self._identity = None
        self._places, self._waiting = {}, {}
        if thread:
            await thread.end(reader.close if reader else lambda: None)

    async def _placed(self, after: Mapping[int, int]) -> None:
        """Go to where `after` says, if that is not where this reader is."""
        if all(self._places.get(partition) == position for partition, position in after.items()):
            return
        times = await self._publication.recorded_at(set(after.values()))
        if self._thread is None:
            self._thread = OwnThread("log reader")
        places = {partition: times[position] for partition, position in after.items()}
        self._waiting = {}
        await self._thread.call(lambda: self._seek(places))
        self._places = dict(after)

    def _seek(self, places: Mapping[int, datetime | None]) -> None:
        """In its thread: to the first message that is not older than the event there; None: to the beginning."""
        if self._consumer is None:
            self._consumer = consumer(self._access)
        reader = self._consumer
        parts = {TopicPartition(self._access.topic, number): at for number, at in places.items()}
        reader.assign(list(parts))
        ends, begins = reader.end_offsets(list(parts)), reader.beginning_offsets(list(parts))
        timed = {part: stamp(at) for part, at in parts.items() if at is not None}
        found = reader.offsets_for_times(timed) if timed else {}
        for part in parts:
            later = found.get(part)
            # No such message yet: the end as it was asked for before, so that nothing that came between is missed.
            reader.seek(part, begins[part] if part not in timed else later.offset if later else ends[part])

    async def _poll(self, wanted: Iterable[int], seconds: float, limit: int) -> None:
        assert self._thread is not None
        partitions = set(wanted)
        for each in await self._thread.call(lambda: self._polled(partitions, seconds, limit)):
            self._waiting.setdefault(each.partition, deque()).append(each)

    def _polled(self, wanted: set[int], seconds: float, limit: int) -> list[_Carried]:
        """In its thread: what there is, taken apart."""
        reader = self._consumer
        assert reader is not None
        for part in reader.assignment():
            if (part.partition in wanted) == (part in reader.paused()):
                (reader.resume if part.partition in wanted else reader.pause)(part)
        found = reader.poll(int(seconds * 1000), max_records=limit)
        return [_carried(part.partition, each) for part, messages in found.items() for each in messages]

    async def _taken(self, after: Mapping[int, int], limit: int) -> tuple[list[LogRecord], dict[int, int]]:
        """At most so many of what waits, each the next of its partition."""
        records: list[LogRecord] = []
        reached = dict(after)
        spoilt: list[Spoilt] = []
        for partition in after:
            waiting = self._waiting.get(partition, deque())
            while waiting and len(records) < limit:
                carried, last = waiting[0], reached[partition]
                record = carried.record
                if record is None or record.partition != partition:
                    spoilt.append(_spoilt(waiting.popleft(), "it is in another's partition"))
                elif record.position <= last:
                    spoilt += await self._not_the_stores(waiting.popleft())
                elif record.previous > last:
                    room = limit - len(records)
                    missing = await self._publication.of_partition(partition, last, record.position, room)
                    records += missing
                    reached[partition] = missing[-1].position if missing else last
                    # If the record itself came with it, as the store has it, what is left here is a duplicate.
                    if len(missing) < room and reached[partition] < record.position:
                        spoilt.append(_spoilt(waiting.popleft(), "the store has no such event"))
                elif wrong := await self._not_the_stores(waiting.popleft()):
                    spoilt += wrong
                else:
                    records.append(record)
                    reached[partition] = record.position
        if spoilt:
            assert self._identity is not None
            await self._publication.keep_spoilt(self._identity, spoilt)
            self._caught_up_at = float("-inf")  # nothing may come behind it that would show the gap
        return records, reached

    async def _not_the_stores(self, carried: _Carried) -> list[Spoilt]:
        """The message, if its event can't be decoded and the store has another; else handlers say what they take."""
        record = carried.record
        if carried.sound or record is None:
            return []
        stored = await self._publication.records([record.position])
        same = stored.get(record.position) == record._replace(previous=0)
        return [] if same else [_spoilt(carried, carried.reason)]

    async def _caught_up(self, reached: Mapping[int, int], limit: int) -> tuple[list[LogRecord], dict[int, int]]:
        """With nothing left to read: all that was published is past, but for what came out of Kafka spoilt.

        The order counts: what was published first, then where the topic ends, then whether this reader is there.
        """
        assert self._thread is not None
        places = dict(reached)
        identity, published = await self._publication.published()
        if identity != self._identity:
            await self.close()
            message = "the log is published again: this reader takes its place in it anew"
            raise LogUnavailable(message)
        behind = [partition for partition, position in reached.items() if position < published]
        if not behind:
            return [], places
        done = await self._thread.call(lambda: self._at_the_end(behind))
        lasts = await self._publication.lasts(published)
        records: list[LogRecord] = []
        for partition in done:
            if self._waiting.get(partition):
                continue
            if lasts[partition] <= places[partition]:
                places[partition] = published
            elif len(records) < limit:
                room = limit - len(records)
                records += await self._publication.of_partition(partition, places[partition], published, room)
                places[partition] = records[-1].position
        return records, places

    def _at_the_end(self, partitions: Iterable[int]) -> list[int]:
        """In its thread: those of the partitions of which every message is read."""
        reader = self._consumer
        assert reader is not None
        parts = [TopicPartition(self._access.topic, number) for number in partitions]
        ends = reader.end_offsets(parts)
        return [part.partition for part in parts if reader.position(part) >= ends[part]]


def _carried(partition: int, message: Any) -> _Carried:
    carried = Message(message.key, message.value, message.headers)
    try:
        record = record_of(carried)
    except UnreadableMessage as why:
        return _Carried(partition, message.offset, carried, None, sound=False, reason=str(why))
    try:
        recorded(record)
    except (UnknownEvent, MalformedEvent) as why:
        return _Carried(partition, message.offset, carried, record, sound=False, reason=f"{type(why).__name__}: {why}")
    return _Carried(partition, message.offset, carried, record, sound=True, reason="")


def _spoilt(carried: _Carried, reason: str) -> Spoilt:
    message = carried.message
    return Spoilt(carried.partition, carried.offset, carried.reason or reason, *_parts(message))


def _parts(message: Message) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    return message.key, message.value, list(message.headers)
