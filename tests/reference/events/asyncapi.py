"""The AsyncAPI 3 document of the log, in one file: docs/reference/asyncapi.json."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from adapters.log.cloud_events import CONTENT_TYPE, source_of
from domain.history import AGGREGATES, EVENT_CLASSES
from tests.reference.events.schemas import Schema, aggregate_of, said_of, stored_schema
from tests.reference.events.vocabulary import WHEN

PATH: Final = Path(__file__).parents[3] / "docs/reference/asyncapi.json"
PAYLOADS: Final = Path(__file__).parents[2] / "stored_events"

_UUID: Final = {"type": "string", "format": "uuid"}
_TIME: Final = {"type": "string", "format": "date-time"}
_NUMBER: Final = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}
_TEXT: Final = {"type": "string"}

HEADERS: Final[Mapping[str, Schema]] = {
    "ce_specversion": {"type": "string", "const": "1.0", "description": "The version of CloudEvents."},
    "ce_type": {**_TEXT, "description": "The event's stored name with its version, such as `QuoteIssued.v1`."},
    "ce_source": {
        **_TEXT,
        "description": f"The ledger that the event is from, `{source_of('NAME:ID')}`. No two ledgers have one id.",
    },
    "ce_id": {**_UUID, "description": "The event. One that comes twice has the same id."},
    "ce_subject": {**_UUID, "description": "The stream, as `originator_id` in the payload."},
    "ce_time": {**_TIME, "description": "When the fact holds by business time, as `timestamp` in the payload."},
    "ce_dataschema": {**_TEXT, "description": "The `$id` of the payload's JSON Schema."},
    "content-type": {"type": "string", "const": CONTENT_TYPE.decode(), "description": "The payload's form."},
    "ce_position": {**_NUMBER, "description": "The event's place in the whole ledger. Grows within a partition."},
    "ce_previous": {
        **_NUMBER,
        "description": "The position before it in the same partition, 0 for the first. If it is not the last one that "
        "a reader saw, something is missing between.",
    },
    "ce_partition": {**_NUMBER, "description": "The partition, fixed when the event was stored."},
    "ce_version": {**_NUMBER, "description": "The event's number in its stream, as `originator_version`."},
    "ce_accountid": {
        **_UUID,
        "description": "The billing account in whose history the event stands; the message's key, too. The events that "
        "open a series of receipts or credit notes belong to no account: they have the series' own id.",
    },
    "ce_correlationid": {**_UUID, "description": "The command that began all of it: an order's fulfilment shares it."},
    "ce_causationid": {**_UUID, "description": "What led directly to the event: a command, or another event."},
    "ce_recordedat": {**_TIME, "description": "When the database stored the event. Never goes back in a ledger."},
    "ce_actorid": {**_TEXT, "description": "Who acted: an opaque id, never a name."},
    "ce_actorrole": {**_TEXT, "description": "The role that the actor acted in, such as `billing_admin`."},
    "ce_onbehalfof": {**_TEXT, "description": "For whom the actor acted, if for another."},
    "ce_idempotencykey": {**_TEXT, "description": "The client's name for its request, if there was one."},
}
"""Kafka's headers are bytes; all of these are UTF-8 text."""

OPTIONAL: Final = frozenset({"ce_onbehalfof", "ce_idempotencykey"})

_DESCRIPTION: Final = """\
Every fact about accounts, subscriptions, quotes and orders, in the order that it was stored, for every reader who \
wants to build something of it. CloudEvents 1.0 in binary mode: the payload is the event's JSON, the rest is headers.

All that is about an account is in one partition, in order. An event may come again after a failure, with the same \
`ce_id` and `ce_position`: skip what is not past the last position you worked on. New events, optional fields and enum \
values are added without notice; a changed meaning is a new version. There is no personal data in any event: names, \
addresses and documents are in the vault, and events have references to them.\
"""


def document() -> Schema:
    """The document as it should be committed."""
    schemas = _schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Seatledger event log",
            "version": version("seatledger"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": each.TOPIC, "description": _first_sentence(each.__doc__)} for each in AGGREGATES],
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {"events": _channel()},
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "The relay publishes each event after it was stored, at least once.",
            }
        },
        "components": {
            "messages": {topic: _message(topic) for topic in EVENT_CLASSES},
            "messageTraits": {"cloudEvent": _trait()},
            "schemas": schemas,
        },
    }


def example(topic: str) -> Schema:
    """A payload as it is stored today: of several that are kept, the one with all fields."""
    kept: list[Schema] = [json.loads(path.read_text("utf-8")) for path in sorted(PAYLOADS.glob(f"{topic}*.json"))]
    return max(kept, key=len)


def _channel() -> Schema:
    return {
        "address": "seatledger.{ledger}.events.v1",
        "title": "The events of one ledger",
        "parameters": {"ledger": {"description": "The ledger's name. An account is in one ledger for ever."}},
        "messages": {topic: {"$ref": f"#/components/messages/{topic}"} for topic in EVENT_CLASSES},
        "bindings": {
            "kafka": {
                "partitions": 12,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(topic: str) -> Schema:
    return {
        "name": topic,
        "title": topic,
        "summary": said_of(topic),
        "description": f"When: {WHEN.get(topic, '')}",
        "tags": [{"name": aggregate_of(topic).TOPIC}],
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{topic}"},
        "examples": [{"payload": example(topic)}],
    }


def _trait() -> Schema:
    return {
        "headers": {
            "type": "object",
            "properties": dict(HEADERS),
            "required": [name for name in HEADERS if name not in OPTIONAL],
        },
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "contentType": CONTENT_TYPE.decode(),
        "bindings": {"kafka": {"key": {**_UUID, "description": "As ce_accountid."}, "bindingVersion": "0.5.0"}},
    }


def _schemas() -> dict[str, Schema]:
    """The events' schemas and, once, the types that they share."""
    events: dict[str, Schema] = {}
    shared: dict[str, Schema] = {}
    for topic in EVENT_CLASSES:
        schema = _pointing_here(stored_schema(topic))
        for name, definition in schema.pop("$defs", {}).items():
            if shared.setdefault(name, definition) != definition:
                message = f"two types are called {name}"
                raise ValueError(message)
        events[topic] = {name: value for name, value in schema.items() if name not in {"$schema", "$id"}}
    return {**events, **dict(sorted(shared.items()))}


def _pointing_here(schema: Any) -> Any:
    """With references to the shared types as they stand in this document."""
    if isinstance(schema, list):
        return [_pointing_here(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _pointing_here(value)
        for key, value in schema.items()
    }


def _first_sentence(text: str | None) -> str:
    return (text or "").split("\n")[0]
