"""Follows the topic as it is, for people: no store, no positions kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from adapters.log.cloud_events import Message, UnreadableMessage, record_of
from adapters.log.event_log import LogRecord, LogUnavailable
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import consumer, plain_trouble
from adapters.log.kafka_topic import look


@dataclass(frozen=True, slots=True)
class Tail:
    """What somebody wants to see. An order's events are those of its stream and those that name it."""

    account: UUID | None = None
    order: UUID | None = None
    beginning: bool = False
    follow: bool = True

    def wants(self, record: LogRecord) -> bool:
        """Whether the event is one of them."""
        if self.account and record.account_id != self.account:
            return False
        return not self.order or record.originator_id == self.order or str(self.order).encode() in record.state


def tailed(access: KafkaAccess, tail: Tail) -> Iterator[LogRecord]:
    """The events as they come, without end if they are followed. Blocks. What can't be read is left out."""
    topic = look(access)
    if topic.id is None:
        message = f"there is no topic {access.topic}: nothing was published yet"
        raise LogUnavailable(message)
    reader = consumer(access)
    try:
        parts = [TopicPartition(access.topic, number) for number in range(topic.partitions)]
        reader.assign(parts)
        ends = reader.end_offsets(parts)
        for part, offset in (reader.beginning_offsets(parts) if tail.beginning else ends).items():
            reader.seek(part, offset)
        while tail.follow or any(reader.position(part) < ends[part] for part in parts):
            for messages in reader.poll(500).values():
                for message in messages:
                    try:
                        record = record_of(Message(message.key, message.value, message.headers))
                    except UnreadableMessage:
                        continue
                    if tail.wants(record):
                        yield record
    except KafkaError as error:
        raise plain_trouble(error) from error
    finally:
        reader.close()
