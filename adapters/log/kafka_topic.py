"""The topic of a ledger: whether it is there, set as it must be, and the very one that the ledger was published to."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import TopicPartition

from adapters.log.cloud_events import UNIX_EPOCH, Message, UnreadableMessage, record_of, source_of
from adapters.log.event_log import LogRecord, LogRefused, LogUnavailable
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import ANSWER_SECONDS, admin, consumer, plain_trouble
from adapters.postgres.publishing import Publication, PublicationState

REBUILD: Final = "`seatledger log rebuild` publishes again from the store"
_MESSAGE_BYTES: Final = 300_000
"""An event may have 256 KB, and its headers come on top."""

_LOOK_BACK: Final = 50
"""Messages of a partition's end: the last ones may be duplicates, or not readable."""

_FOR_EVER: Final = "-1"


@dataclass(frozen=True, slots=True)
class Topic:
    """What the brokers say of it; `id` is None where there is none of this name."""

    name: str
    cluster_id: str
    id: str | None
    partitions: int = 0
    replication: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)

    def identity(self, ledger_id: str) -> str:
        """Names this log for ever: another topic of the same name has another."""
        return f"kafka:{self.cluster_id}:{self.id}:{ledger_id}"


def source_of_ledger(name: str, id: str) -> str:
    """The ledger's `ce_source`: its name, and the id that no other ledger of this name has."""
    return source_of(f"{name}:{id}")


def stamp(recorded_at: datetime) -> int:
    """A message's time, by which readers find their place: the store's order, in whole milliseconds."""
    return (recorded_at - UNIX_EPOCH) // timedelta(milliseconds=1)


def look(access: KafkaAccess) -> Topic:
    """Ask the brokers. Blocks. Raises LogUnavailable and LogRefused."""
    try:
        with admin(access) as client:
            return _seen(client, access.topic)
    except KafkaError as error:
        raise plain_trouble(error) from error


def _seen(client: KafkaAdminClient, name: str) -> Topic:
    cluster = str(client.describe_cluster()["cluster_id"])
    (found,) = client.describe_topics([name])
    if found["error_code"] == UnknownTopicOrPartitionError.errno or not found["topic_id"]:
        return Topic(name, cluster, None)
    if found["error_code"]:
        message = f"Kafka can't say what the topic {name} is (error {found['error_code']})"
        raise LogUnavailable(message)
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    configs = client.describe_configs([resource], config_filter="all")["topic"][name]
    return Topic(
        name,
        cluster,
        str(found["topic_id"]),
        len(found["partitions"]),
        min(len(each["replica_nodes"]) for each in found["partitions"]),
        {key: str(each["value"]) for key, each in configs.items()},
    )


def make(access: KafkaAccess, partitions: int) -> Topic:
    """The topic as it must be; the one that somebody else made at the same moment is as good. Blocks."""
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": _FOR_EVER,
        "retention.bytes": _FOR_EVER,
        "min.insync.replicas": str(access.min_insync_replicas),
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": "1048588",
    }
    wanted = {"num_partitions": partitions, "replication_factor": access.replication, "configs": settings}
    try:
        with admin(access) as client:
            try:
                client.create_topics({access.topic: wanted}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                client.wait_for_topics([access.topic])
            return _seen(client, access.topic)
    except KafkaError as error:
        said = str(error)
        if "replication" in said.lower():
            message = f"KAFKA_REPLICATION: the cluster can't keep {access.replication} copies: {_first(said)}"
            raise LogRefused(message) from error
        if "authoriz" in said.lower():
            message = f"KAFKA_USERNAME: this login may not make the topic {access.topic}"
            raise LogRefused(message) from error
        raise plain_trouble(error) from error


def delete(access: KafkaAccess) -> None:
    """Delete the topic and return once it is gone. Blocks."""
    try:
        with admin(access) as client:
            client.delete_topics([access.topic])
            give_up_at = time.monotonic() + ANSWER_SECONDS
            while _seen(client, access.topic).id is not None and time.monotonic() < give_up_at:
                time.sleep(0.1)
    except KafkaError as error:
        raise plain_trouble(error) from error


def _first(said: str) -> str:
    return said.splitlines()[0][:200]


def must_be_set_right(topic: Topic, access: KafkaAccess, partitions: int) -> None:
    """Raise LogRefused, which names the first setting of the topic that would lose or mix up events."""
    found = topic.settings
    wrong = [
        (topic.partitions != partitions, f"it has {topic.partitions} partitions, the ledger {partitions} (PARTITIONS)"),
        (found["cleanup.policy"] != "delete", f"cleanup.policy={found['cleanup.policy']} throws events away"),
        (found["retention.ms"] != _FOR_EVER, f"retention.ms={found['retention.ms']} throws events away; it must be -1"),
        (
            found["retention.bytes"] != _FOR_EVER,
            f"retention.bytes={found['retention.bytes']} throws events away; it must be -1",
        ),
        (
            topic.replication < access.replication,
            f"it keeps {topic.replication} copies, KAFKA_REPLICATION says {access.replication}",
        ),
        (
            int(found["min.insync.replicas"]) < access.min_insync_replicas,
            (
                f"min.insync.replicas={found['min.insync.replicas']}, KAFKA_MIN_INSYNC_REPLICAS says"
                f" {access.min_insync_replicas}"
            ),
        ),
        (
            found["message.timestamp.type"] != "CreateTime",
            f"message.timestamp.type={found['message.timestamp.type']}; it must be CreateTime",
        ),
        (
            int(found["max.message.bytes"]) < _MESSAGE_BYTES,
            f"max.message.bytes={found['max.message.bytes']} is too small for an event; {_MESSAGE_BYTES} at least",
        ),
    ]
    for is_wrong, said in wrong:
        if is_wrong:
            message = f"the topic {topic.name} is not set as a ledger's log must be: {said}"
            raise LogRefused(message)


@dataclass(frozen=True, slots=True)
class Last:
    """A partition's end; `newest`: its newest message that can be read, and whose it is, if it is near the end."""

    begin: int
    end: int
    newest: tuple[LogRecord, str] | None


def last_messages(access: KafkaAccess, partitions: int) -> dict[int, Last]:
    """The end of each partition that ever had anything. Blocks. Raises LogUnavailable."""
    reader = consumer(access)
    try:
        parts = [TopicPartition(access.topic, number) for number in range(partitions)]
        reader.assign(parts)
        ends, begins = reader.end_offsets(parts), reader.beginning_offsets(parts)
        some = [part for part in parts if ends[part] > begins[part]]
        newest = _newest(reader, {part: max(begins[part], ends[part] - _LOOK_BACK) for part in some}, ends)
        return {part.partition: Last(begins[part], ends[part], newest.get(part)) for part in parts if ends[part]}
    except KafkaError as error:
        raise plain_trouble(error) from error
    finally:
        reader.close()


def _newest(
    reader: KafkaConsumer, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, tuple[LogRecord, str]]:
    """The newest readable message of each from there on. Raises LogUnavailable if they do not come."""
    found: dict[TopicPartition, tuple[LogRecord, str]] = {}
    reader.assign(list(begins))
    for part, offset in begins.items():
        reader.seek(part, offset)
    give_up_at = time.monotonic() + ANSWER_SECONDS
    while any(reader.position(part) < ends[part] for part in begins):
        if time.monotonic() > give_up_at:
            message = "Kafka does not hand out the newest messages"
            raise LogUnavailable(message)
        for part, messages in reader.poll(500).items():
            for message in messages:
                carried = Message(message.key, message.value, message.headers)
                with suppress(UnreadableMessage):
                    record = record_of(carried)
                    if part not in found or record.position > found[part][0].position:
                        found[part] = record, dict(carried.headers)["ce_source"].decode()
    return found


async def recognise(
    topic: Topic, lasts: Mapping[int, Last], state: PublicationState, publication: Publication, source: str
) -> None:
    """Raise LogRefused unless what is in the topic is this ledger's, of this very store, and all that it should have.

    `state` was read before `lasts`, which are the topic's ends.
    """
    must_be_ours(topic, lasts, source)
    if state.log_identity is not None and state.log_identity != topic.identity(state.ledger_id):
        became = "it is gone" if topic.id is None else "it was made again, or is on another cluster"
        message = f"the topic {topic.name} is not the one that this ledger was published to ({became}): {REBUILD}"
        raise LogRefused(message)
    newest = {partition: last.newest[0] for partition, last in lasts.items() if last.newest}
    stored = await publication.stored([record.position for record in newest.values()])
    ahead = [
        record.position
        for record in newest.values()
        if record.position not in stored or stored[record.position][0] != record.event_id
    ]
    if ahead:
        message = (
            f"the topic {topic.name} has events that the store has not (up to position {max(ahead)}; the store ends at"
            f" {state.head}): the store was restored to an earlier point; {REBUILD}"
        )
        raise LogRefused(message)
    for partition, position in (await publication.lasts(state.position)).items():
        last = lasts.get(partition)
        if position and (
            last is None or last.begin > 0 or (partition in newest and newest[partition].position < position)
        ):
            message = (
                f"the topic {topic.name} has lost events that were in it (partition {partition}, up to position"
                f" {position}): {REBUILD}"
            )
            raise LogRefused(message)


def must_be_ours(topic: Topic, lasts: Mapping[int, Last], source: str) -> None:
    """Raise LogRefused if another ledger is published there."""
    for last in lasts.values():
        if last.newest and last.newest[1] != source:
            message = (
                f"the topic {topic.name} belongs to another ledger, {last.newest[1]}: give this one a name of its own"
                " by LEDGER"
            )
            raise LogRefused(message)
