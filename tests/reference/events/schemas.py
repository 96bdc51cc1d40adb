"""JSON Schema 2020-12 of every event version, made from the event classes: docs/reference/schemas/NAME.v1.json.

They leave open what the classes forbid, fields that are not known: a reader of today must take an event that got an
optional field tomorrow.
"""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from adapters.log.cloud_events import schema_of
from domain.history import AGGREGATES, EVENT_CLASSES
from domain.ledger import LedgerAggregate
from tests.reference.events.vocabulary import MEANINGS, UNITS

FOLDER: Final = Path(__file__).parents[3] / "docs/reference/schemas"
Schema = dict[str, Any]


def stored_schema(topic: str) -> Schema:
    """The schema of an event as it may stand in the store: a field with a default may be missing."""
    schema = TypeAdapter(EVENT_CLASSES[topic]).json_schema()
    shared = schema.pop("$defs", {})
    for each in (schema, *shared.values()):
        _describe(each)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema_of(topic), "title": topic}
    body = {name: schema[name] for name in ("type", "properties", "required")}
    return {**head, "description": said_of(topic), **body, **({"$defs": shared} if shared else {})}


def said_of(topic: str) -> str:
    """What the event's class says of itself, on one line. The library derives a class of the same name from it."""
    event_class = EVENT_CLASSES[topic]
    ours = [each for each in event_class.__mro__ if each.__name__ == event_class.__name__][-1]
    return " ".join((ours.__doc__ or "").split())


def aggregate_of(topic: str) -> type[LedgerAggregate]:
    """The aggregate whose stream has the event."""
    return next(each for each in AGGREGATES if EVENT_CLASSES[topic] in vars(each).values())


def stored_schemas() -> dict[str, Schema]:
    """All of them by the events' stored names."""
    return {topic: stored_schema(topic) for topic in EVENT_CLASSES}


def committed_schemas() -> dict[str, Schema]:
    """What was promised to readers."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def written(document: Schema) -> str:
    """The document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def meaning_of(owner: str, field: str) -> str:
    """What the field of this event or shared type means, without its unit; nothing if nobody has said it yet."""
    return MEANINGS.get(_word(owner, field), "")


def words_used() -> set[str]:
    """What the vocabulary must explain: the fields of all events and of the types that they share."""
    found = set()
    for topic, schema in stored_schemas().items():
        owners = {topic.partition(".")[0]: schema, **schema.get("$defs", {})}
        found |= {_word(name, field) for name, owner in owners.items() for field in owner.get("properties", ())}
    return found


def _word(owner: str, field: str) -> str:
    own = f"{owner}.{field}"
    return own if own in MEANINGS else field


def _describe(schema: Schema) -> None:
    schema.pop("additionalProperties", None)
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        unit = f" In {UNITS[name]}." if name in UNITS else ""
        field["description"] = meaning_of(schema["title"], name) + unit
