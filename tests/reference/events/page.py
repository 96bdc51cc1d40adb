"""docs/reference/events.md: every event for people, made from the same classes and words as the schemas."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from domain.history import AGGREGATES, EVENT_CLASSES
from tests.reference.events.asyncapi import HEADERS, OPTIONAL, example
from tests.reference.events.schemas import Schema, aggregate_of, meaning_of, said_of, stored_schema
from tests.reference.events.vocabulary import ENVELOPE, UNITS, WHEN

PATH: Final = Path(__file__).parents[3] / "docs/reference/events.md"

_HEAD: Final = """\
# Events

Every fact that Seatledger stores, and what it looks like to whoever reads the log.

**This page is made from the event classes.** `make reference` writes it anew, with a [JSON Schema](schemas/) for each
event and an [AsyncAPI document](asyncapi.json) of the whole log, and a test compares all three. Don't edit it here.
[Read the log](../how-to/read-the-log.md) has a program to begin with.

- [The events at a glance](#the-events-at-a-glance)
- [How an event travels](#how-an-event-travels): headers, what a reader can rely on and must allow for
- The events of each kind of stream: {aggregates}
- [Shared types](#shared-types)

## The events at a glance

An event's name is stored with its version, as in `QuoteIssued.v1`.
{glance}
"""

_TRAVEL: Final = """\
## How an event travels

A message on Kafka is a CloudEvent 1.0 in binary mode: the value is the event's JSON, the key is the account's id, and
the rest is in headers. Each ledger has a topic, `seatledger.LEDGER.events.v1`, and an account is in one ledger for
ever.

{headers}
### What a reader can rely on

- **Order.** All that is about one account is in one partition, in the order that it was stored. Between accounts there
  is no order but `ce_position`.
- **At least once.** After a failure an event may come again, with the same `ce_id` and `ce_position`. Skip what is not
  past the last position you have worked on in that partition.
- **Nothing is left out.** `ce_previous` is the position before this one in the partition. If it is not the last one you
  saw, something is missing.
- **All or nothing.** What one command stores is stored in one append. Where an event below is "in the same append" as
  another, they are never stored apart; on the log they follow each other if they are about one account.
- **No personal data.** Names, addresses, mail addresses and documents are in the vault. An event has a
  [reference](#vaultreference) to the record, with a digest that proves what it said.
- **For ever.** A stored event is never changed, and its version keeps its meaning.

### What a reader must allow for

New events, new optional fields and new values of an enumeration come without notice; take what you know and leave the
rest. What breaks a reader, such as a field that goes, that may be null or that is renamed, never happens within a
version: it is a new event with a new version in its name, and a test refuses anything else.

### Money, days and times

Amounts are whole numbers of the currency's minor units: `37729` with `EUR` is 377.29 euro. Dates (`2026-03-31`) are
days in the account's time zone, and those of documents in the seller's. Times (`2026-03-31T09:30:15.123456Z`) are
instants in UTC. Ids are UUIDs in lower case, unless a field says that somebody else gives them.

### Fields of every event

They stand in each payload and are not repeated below.

{envelope}"""

_SHARED: Final = """\
## Shared types

What several events have in common, in the order of the alphabet.
"""


def written() -> str:
    """The whole page."""
    schemas = {topic: stored_schema(topic) for topic in EVENT_CLASSES}
    shared = {name: each for schema in schemas.values() for name, each in schema.get("$defs", {}).items()}
    aggregates = ", ".join(f"[{kind.TOPIC}](#{anchor(kind.TOPIC)})" for kind in AGGREGATES)
    parts = (
        _HEAD.format(aggregates=aggregates, glance="\n".join(_glance(kind.TOPIC) for kind in AGGREGATES)),
        _TRAVEL.format(headers=_headers(), envelope=_fields(schemas["QuoteIssued.v1"], ENVELOPE)),
        *(_aggregate(kind.TOPIC, kind.__doc__ or "", schemas) for kind in AGGREGATES),
        _SHARED,
        *(_shared(name, shared[name]) for name in sorted(shared)),
    )
    return "\n".join(parts)


def _glance(kind: str) -> str:
    rows = ((f"[{topic.partition('.')[0]}](#{anchor(topic)})", said_of(topic)) for topic in _events_of(kind))
    return "\n" + _table((kind, "what it says"), rows)


def _events_of(kind: str) -> list[str]:
    return [topic for topic in EVENT_CLASSES if kind == aggregate_of(topic).TOPIC]


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, hyphens for spaces, nothing else but letters and digits."""
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


def _headers() -> str:
    rows = (
        (f"`{name}`", _type_of(header) + ("; may be absent" if name in OPTIONAL else ""), header["description"])
        for name, header in HEADERS.items()
    )
    return _table(("header", "type", "meaning"), rows)


def _aggregate(kind: str, said: str, schemas: dict[str, Schema]) -> str:
    said = " ".join(said.split())
    return "\n".join((f"## {kind}\n", f"{said}\n", *(_event(topic, schemas[topic]) for topic in _events_of(kind))))


def _event(topic: str, schema: Schema) -> str:
    own = [name for name in schema["properties"] if name not in ENVELOPE]
    payload = json.dumps(example(topic), indent=2, ensure_ascii=False)
    return "\n".join(
        (
            f"### {topic}\n",
            f"{said_of(topic)}\n",
            f"**When:** {WHEN.get(topic, '')}\n",
            _fields(schema, own) if own else "No fields of its own.\n",
            f"<details><summary>Example</summary>\n\n```json\n{payload}\n```\n\n</details>\n",
        )
    )


def _shared(name: str, schema: Schema) -> str:
    said = " ".join(schema.get("description", "").split())
    if "enum" in schema:
        return f"### {name}\n\n{said} One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
    return f"### {name}\n\n{said}\n\n" + _fields(schema, list(schema["properties"]), name)


def _fields(schema: Schema, names: Iterable[str], owner: str | None = None) -> str:
    owner = owner or schema["title"].partition(".")[0]
    required = schema.get("required", ())
    rows = []
    for name in names:
        field = schema["properties"][name]
        kind = _type_of(field) + (f", {UNITS[name]}" if name in UNITS else "")
        absent = "" if name in required or name in ENVELOPE else " Missing in events older than the field."
        rows.append((f"`{name}`", kind, meaning_of(owner, name) + absent))
    return _table(("field", "type", "meaning"), rows)


def _type_of(field: Schema) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in field:
        return " or ".join(_type_of(each) for each in field["anyOf"])
    if field["type"] == "array":
        return f"list of {_type_of(field['items'])}"
    if "const" in field:
        return f"`{field['const']}`"
    if "pattern" in field:
        return "whole number"
    kind: str = field.get("format") or field["type"]
    return _TYPES[kind]


_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "null",
    "uuid": "UUID",
    "date-time": "time",
    "date": "date",
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
