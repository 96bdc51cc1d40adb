"""Events to stored bytes and back: JSON made and checked by pydantic from the event classes themselves."""

from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from adapters.log.event_log import LogRecord
from domain.envelope import Actor, Recorded, Role
from domain.history import EVENT_CLASSES
from domain.ledger import LedgerEvent

STATE_AT_MOST: Final = 256 * 1024
"""Bytes of one event; a larger one would jam the relay to Kafka for ever."""


class UnknownEvent(Exception):
    """This version does not know the stored name."""


class MalformedEvent(Exception):
    """The stored bytes are not an event of this name."""


_ADAPTERS: Final[dict[type[LedgerEvent], TypeAdapter[Any]]] = {}


def _adapter(event_class: type[LedgerEvent]) -> TypeAdapter[Any]:
    adapter = _ADAPTERS.get(event_class)
    if adapter is None:
        adapter = _ADAPTERS[event_class] = TypeAdapter(event_class)
    return adapter


def encoded(event: LedgerEvent) -> bytes:
    """The event's JSON."""
    return _adapter(type(event)).dump_json(event)


def decoded(topic: str, state: bytes) -> LedgerEvent:
    """The event; raises UnknownEvent or MalformedEvent, whose messages quote no content."""
    event_class = EVENT_CLASSES.get(topic)
    if event_class is None:
        raise UnknownEvent(topic)
    try:
        event: LedgerEvent = _adapter(event_class).validate_json(state)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors())
        message = f"{topic}: {wrong}"
        raise MalformedEvent(message) from None
    return event


def recorded(record: LogRecord) -> Recorded:
    """The record with its event decoded; raises UnknownEvent or MalformedEvent."""
    try:
        role = Role(record.actor_role)
    except ValueError:
        message = f"{record.topic}: unknown actor_role"
        raise MalformedEvent(message) from None
    return Recorded(
        position=record.position,
        partition=record.partition,
        previous=record.previous,
        event_id=record.event_id,
        account_id=record.account_id,
        recorded_at=record.recorded_at,
        actor=Actor(record.actor_id, role),
        on_behalf_of=record.on_behalf_of,
        correlation_id=record.correlation_id,
        causation_id=record.causation_id,
        idempotency_key=record.idempotency_key,
        event=decoded(record.topic, record.state),
    )
