"""Publishes the store's events to Kafka in their order: one leader by a lease, and every event acknowledged."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from adapters.log.cloud_events import message_of
from adapters.log.event_log import LogRefused, LogUnavailable, OutgoingRecord
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import ANSWER_SECONDS, OwnThread, close_producer, producer
from adapters.log.kafka_topic import (
    Last,
    Topic,
    last_messages,
    look,
    make,
    must_be_set_right,
    recognise,
    source_of_ledger,
)
from adapters.postgres.publishing import CHUNK_EVENTS, Publication, RelayLease
from adapters.postgres.wakeups import EVENTS, Wakeups
from services.background import ended
from services.ports import StoreUnavailable

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

_LOOK_AGAIN_SECONDS: Final = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class RelayLeaseLost(Exception):
    """Another process publishes; what this one had under way are duplicates at most, which readers skip."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Where to publish, and as which ledger."""

    access: KafkaAccess
    source: str
    ledger_id: str
    partitions: int


class KafkaRelay:
    """Whichever process holds the lease publishes; the others wait for it.

    A chunk is read, sent and waited for before the next, so memory is bounded however long the brokers are away. The
    position is stored under the lease's epoch once all of a chunk is acknowledged, while the next one is sent: after
    any failure the next leader sends at most two chunks again.
    """

    def __init__(
        self,
        access: KafkaAccess,
        ledger: str,
        partitions: int,
        publication: Publication,
        wakeups: Wakeups,
        owner: str,
        chunk_events: int = CHUNK_EVENTS,
        lease_seconds: float = 5.0,
    ) -> None:
        """`ledger` is the ledger's name, `owner` names this process among all."""
        self._access, self._ledger, self._partitions, self._publication = access, ledger, partitions, publication
        self._wakeups, self._owner, self._chunk_events = wakeups, owner, chunk_events
        self._lease_seconds = lease_seconds
        self._task: asyncio.Task[None] | None = None
        self._kept_at = float("-inf")
        self.trouble: str | None = None
        self.leads = False
        self.rate = 0.0
        """Events a second while the last chunk was published."""
        self.published = 0
        """Events so far."""

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """End, and let others publish at once."""
        if self._task:
            await ended(self._task)

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                lease = await self._publication.take(self._owner, self._lease_seconds)
                if lease is None:
                    self.trouble, pause = None, _FIRST_PAUSE
                    await asyncio.sleep(min(1.0, self._lease_seconds / 5))
                    continue
                await self._lead(lease)
            except RelayLeaseLost:
                _log.warning("the relay's lease was taken over: another process publishes")
            except (LogUnavailable, LogRefused, StoreUnavailable) as error:
                self._say(str(error))
            except Exception as error:  # noqa: BLE001 -- whatever it is, the store has the events and is asked again
                self._say(f"{type(error).__name__}: {error}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE) if self.trouble else _FIRST_PAUSE

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.error("the relay to Kafka stands still: %s", trouble)
        self.trouble = trouble

    async def _lead(self, lease: RelayLease) -> None:
        self._kept_at = time.monotonic()
        thread = OwnThread("relay")
        sending: _Sending | None = None
        try:
            state = await self._publication.state()
            named = source_of_ledger(self._ledger, state.ledger_id)
            publisher = Publisher(self._access, named, state.ledger_id, self._partitions)
            topic = await self._keeping(lease, thread.call(lambda: ready_topic(publisher, lease.log_identity)))
            lasts: Mapping[int, Last] = {}
            if topic.id is not None:
                lasts = await self._keeping(lease, thread.call(lambda: last_messages(self._access, self._partitions)))
            await recognise(topic, lasts, state, self._publication, named)
            identity = topic.identity(publisher.ledger_id)
            if not await self._publication.begin(lease.epoch, lease.position, identity):
                raise RelayLeaseLost
            sending = _Sending(publisher, await self._keeping(lease, thread.call(lambda: producer(self._access))))
            self.leads, self.trouble = True, None
            await self._publish(lease, sending, thread, identity)
        finally:
            self.leads = False
            if sending:
                sending.given_up.set()
                await thread.end(sending.close)
            else:
                await thread.end()
            with contextlib.suppress(StoreUnavailable):
                await self._publication.give_back(lease.epoch)

    async def _publish(self, lease: RelayLease, sending: "_Sending", thread: OwnThread, identity: str) -> None:
        position, last = lease.position, await self._publication.lasts(lease.position)
        looked_at = time.monotonic()
        following: list[OutgoingRecord] = []
        unstored = 0  # events up to `position` that are acknowledged
        while True:
            await self._keep(lease)
            seen = self._wakeups.count(EVENTS)
            records = following or await self._publication.chunk(position, last, self._chunk_events)
            if time.monotonic() > looked_at + _LOOK_AGAIN_SECONDS:
                await self._still_the_same(lease, identity, sending)
                looked_at = time.monotonic()
            if not records:
                await self._wakeups.wait(EVENTS, seen, min(1.0, self._lease_seconds / 5))
                continue
            began = time.monotonic()
            sent = asyncio.ensure_future(thread.call(lambda records=records: sending.send(records)))  # type: ignore[misc]
            # Meanwhile the position of the chunk before is stored, and the next one is read, if this one was full.
            if unstored:
                await self._store(lease, position, unstored)
            position, following, unstored = records[-1].position, [], len(records)
            if len(records) == self._chunk_events:
                following = await self._publication.chunk(position, last, self._chunk_events)
            await self._keeping(lease, sent, lambda: self._still_the_same(lease, identity, sending))
            self.rate, self.trouble = len(records) / (time.monotonic() - began), None
            if not following:
                await self._store(lease, position, unstored)
                unstored = 0

    async def _store(self, lease: RelayLease, position: int, events: int) -> None:
        if not await self._publication.move(lease.epoch, position):
            raise RelayLeaseLost
        self.published += events

    async def _keep(self, lease: RelayLease) -> None:
        if time.monotonic() < self._kept_at + self._lease_seconds / 5:
            return
        self._kept_at = time.monotonic()
        if not await self._publication.keep(lease.epoch, self._lease_seconds):
            raise RelayLeaseLost

    async def _keeping(
        self,
        lease: RelayLease,
        work: Awaitable[Result],
        after_a_while: Callable[[], Awaitable[None]] | None = None,
    ) -> Result:
        """Keep the lease until the work is done; after a while without an end, ask what is the matter."""
        task = asyncio.ensure_future(work)
        ask_at = time.monotonic() + ANSWER_SECONDS
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._lease_seconds / 5)
                await self._keep(lease)
                if after_a_while and not task.done() and time.monotonic() > ask_at:
                    await after_a_while()
                    ask_at = time.monotonic() + ANSWER_SECONDS
            return task.result()
        finally:
            task.cancel()

    async def _still_the_same(self, lease: RelayLease, identity: str, sending: "_Sending") -> None:
        """Raise LogRefused if the topic is another by now; brokers that are away are said and waited for.

        A send to a topic that was deleted is silence. The producer is kept while the brokers are away: it makes no
        duplicates then.
        """
        thread = OwnThread("relay's look")
        try:
            topic = await self._keeping(lease, thread.call(lambda: look(self._access)))
        except LogUnavailable as error:
            self._say(str(error))
            return
        finally:
            await thread.end()
        if topic.identity(sending.publisher.ledger_id) != identity:
            state = await self._publication.state()
            await recognise(topic, {}, state, self._publication, sending.publisher.source)


class _Sending:
    """One producer, from its first chunk to the first that failed."""

    def __init__(self, publisher: Publisher, producer: KafkaProducer) -> None:
        self.publisher, self._producer = publisher, producer
        self.given_up = threading.Event()

    def send(self, records: Sequence[OutgoingRecord]) -> None:
        """Return once the brokers have acknowledged every one. Blocks. Raises LogUnavailable."""
        send_all(self._producer, self.publisher, records, self.given_up)

    def close(self) -> None:
        close_producer(self._producer)


def send_all(
    sender: KafkaProducer, publisher: Publisher, records: Sequence[OutgoingRecord], given_up: threading.Event
) -> None:
    """Send these and return once every one is acknowledged, or raise LogUnavailable when one failed for good.

    flush() reports no failure, and a failed batch does not stop the ones behind it: so every future is asked.
    """
    topic, name = publisher.access.topic, publisher.source
    try:
        futures = []
        for record in records:
            message = message_of(record, name)
            futures.append(
                sender.send(
                    topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=record.partition,
                    # The store's own order: readers find their place by it.
                    timestamp_ms=record.stamp,
                )
            )
        while not given_up.is_set():
            try:
                sender.flush(timeout=1.0)
                break
            except KafkaTimeoutError:
                continue
        for future in futures:
            future.get(timeout=0 if given_up.is_set() else ANSWER_SECONDS)
    except (KafkaError, ValueError) as error:
        reason = f"Kafka did not take the events ({type(error).__name__}: {error})"
        raise LogUnavailable(reason) from error


def ready_topic(publisher: Publisher, known: str | None) -> Topic:
    """The topic, made where the ledger was never published, and set as it must be. Blocks."""
    topic = look(publisher.access)
    if topic.id is None and known is None:
        topic = make(publisher.access, publisher.partitions)
    if topic.id is not None:
        must_be_set_right(topic, publisher.access, publisher.partitions)
    return topic
