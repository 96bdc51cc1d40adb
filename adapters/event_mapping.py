"""Events to stored bytes and back: JSON made and checked by pydantic from the event classes themselves."""

from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

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
