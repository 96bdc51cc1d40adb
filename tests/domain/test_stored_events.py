"""Every event version ever stored loads for ever, exactly as it was."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.history import EVENT_CLASSES

STORED = Path(__file__).parents[1] / "stored_events"
PAYLOADS = sorted(STORED.glob("*.json"))


def test_every_event_class_has_a_stored_payload_and_every_payload_a_class() -> None:
    assert {path.stem for path in PAYLOADS} == set(EVENT_CLASSES)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_stored_payload_loads_and_is_written_again_as_it_was(path: Path) -> None:
    adapter = TypeAdapter(EVENT_CLASSES[path.stem])
    event = adapter.validate_json(path.read_bytes())
    assert json.loads(adapter.dump_json(event)) == json.loads(path.read_bytes())


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_field_that_no_version_knows_or_one_that_is_missing_is_an_error(path: Path) -> None:
    adapter, payload = TypeAdapter(EVENT_CLASSES[path.stem]), json.loads(path.read_bytes())
    with pytest.raises(ValidationError):
        adapter.validate_python({**payload, "surprise": 1})
    for name in payload:
        with pytest.raises(ValidationError):
            adapter.validate_python({key: value for key, value in payload.items() if key != name})


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_no_payload_holds_personal_data(path: Path) -> None:
    text = path.read_text()
    assert "@" not in text.replace("@seatledger.example", ""), "a Message-ID is ours"
    assert not {"email", "street", "phone", "first_name"} & set(json.loads(text))
