"""Every event version ever stored loads for ever, exactly as it was."""

import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.history import EVENT_CLASSES

STORED = Path(__file__).parents[1] / "stored_events"
PAYLOADS = sorted(STORED.glob("*.json"))


def test_every_event_class_has_a_stored_payload_and_every_payload_a_class() -> None:
    assert {topic(path) for path in PAYLOADS} == set(EVENT_CLASSES)


def topic(path: Path) -> str:
    """`Name.v1` of `Name.v1.json`, and of `Name.v1+field.json`: written since a field was added with a default."""
    return path.stem.partition("+")[0]


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_stored_payload_loads_and_is_written_again_as_it_was(path: Path) -> None:
    adapter = TypeAdapter(EVENT_CLASSES[topic(path)])
    event = adapter.validate_json(path.read_bytes())
    stored, written = json.loads(path.read_bytes()), json.loads(adapter.dump_json(event))
    added = {field.name: field.default for field in fields(event) if field.default is not MISSING}  # type: ignore[arg-type]
    assert {name: added[name] for name in written.keys() - stored.keys()} | stored == written


def test_every_added_field_has_a_payload_with_it() -> None:
    stored = {(topic(path), name) for path in PAYLOADS for name in json.loads(path.read_bytes())}
    for name, event_class in EVENT_CLASSES.items():
        assert all((name, field.name) in stored for field in fields(event_class)), name  # type: ignore[arg-type]


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_field_that_no_version_knows_or_one_that_is_missing_is_an_error(path: Path) -> None:
    event_class, payload = EVENT_CLASSES[topic(path)], json.loads(path.read_bytes())
    adapter = TypeAdapter(event_class)
    with pytest.raises(ValidationError):
        adapter.validate_python({**payload, "surprise": 1})
    needed = {field.name for field in fields(event_class) if field.default is MISSING}  # type: ignore[arg-type]
    for name in needed:
        with pytest.raises(ValidationError):
            adapter.validate_python({key: value for key, value in payload.items() if key != name})


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_no_payload_holds_personal_data(path: Path) -> None:
    text = path.read_text()
    assert "@" not in text.replace("@seatledger.example", ""), "a Message-ID is ours"
    assert not {"email", "street", "phone", "first_name"} & set(json.loads(text))
