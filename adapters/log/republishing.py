"""Publishes the whole log again from the store, into a topic made anew, while readers and services go on."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Final

from adapters.log.event_log import LogRefused
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import OwnThread, close_producer, producer
from adapters.log.kafka_relay import Publisher, RelayLeaseLost, send_all
from adapters.log.kafka_topic import (
    Last,
    delete,
    last_messages,
    look,
    make,
    must_be_ours,
    must_be_set_right,
    recognise,
    source_of_ledger,
)
from adapters.postgres.publishing import Publication

_LEASE_SECONDS: Final = 30.0
_NOTICED_SECONDS: Final = 1.5


class NothingToRebuild(Exception):
    """The topic has all that it should have."""


@dataclass(frozen=True, slots=True)
class Republished:
    """What was wrong before, if anything, and how many events are on the topic now."""

    was: str | None
    events: int
    seconds: float


async def republished(
    access: KafkaAccess,
    ledger: str,
    partitions: int,
    publication: Publication,
    owner: str,
    told: Callable[[int, int], None] = lambda *_: None,
    *,
    even_if_well: bool = False,
) -> Republished:
    """Delete the topic, make it again and publish every event, under the relay's lease.

    Readers keep their places: they find the topic anew, and skip what they have. Raises LogRefused if the topic is
    another ledger's, which is never deleted; NothingToRebuild if it is well; LogUnavailable; RelayLeaseLost.
    """
    began, state = time.monotonic(), await publication.state()
    publisher = Publisher(access, source_of_ledger(ledger, state.ledger_id), state.ledger_id, partitions)
    thread = OwnThread("rebuild")
    try:
        topic = await thread.call(lambda: look(access))
        lasts: Mapping[int, Last] = {}
        if topic.id is not None:
            lasts = await thread.call(lambda: last_messages(access, topic.partitions))
        must_be_ours(topic, lasts, publisher.source)
        was = None
        try:
            if topic.id is not None:
                must_be_set_right(topic, access, partitions)
            await recognise(topic, lasts, state, publication, publisher.source)
        except LogRefused as refused:
            was = str(refused)
        if was is None and not even_if_well:
            raise NothingToRebuild
        lease = await publication.take(owner, _LEASE_SECONDS, by_force=True)
        assert lease is not None
        try:
            if state.led:  # who published until now looks at his lease each second
                await asyncio.sleep(_NOTICED_SECONDS)
            if topic.id is not None and lasts:
                await thread.call(lambda: delete(access))
                topic = await thread.call(lambda: look(access))
            if topic.id is None:
                topic = await thread.call(lambda: make(access, partitions))
            must_be_set_right(topic, access, partitions)
            identity = topic.identity(state.ledger_id)
            events = await _published(publisher, identity, publication, lease.epoch, thread, told)
        finally:
            await publication.give_back(lease.epoch)
    finally:
        await thread.end()
    return Republished(was, events, time.monotonic() - began)


async def _published(
    publisher: Publisher,
    identity: str,
    publication: Publication,
    epoch: int,
    thread: OwnThread,
    told: Callable[[int, int], None],
) -> int:
    sender = await thread.call(lambda: producer(publisher.access))
    try:
        position, events, last = 0, 0, dict[int, int]()
        if not await publication.begin(epoch, position, identity):
            raise RelayLeaseLost
        while records := await publication.chunk(position, last):
            if not await publication.keep(epoch, _LEASE_SECONDS):
                raise RelayLeaseLost
            await thread.call(lambda records=records: send_all(sender, publisher, records, Event()))  # type: ignore[misc]
            position, events = records[-1].position, events + len(records)
            if not await publication.move(epoch, position):
                raise RelayLeaseLost
            told(position, (await publication.state()).head)
    finally:
        await thread.call(lambda: close_producer(sender))
    return events
