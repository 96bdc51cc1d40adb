"""The contract of the log: schemas, AsyncAPI document and page are the classes' own, and no change breaks a reader."""

import asyncio
import copy
import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from adapters.event_mapping import encoded
from adapters.log.cloud_events import schema_of
from adapters.memory.ledger import MemoryLedger
from domain.envelope import Recorded
from domain.history import EVENT_CLASSES, topic_of
from tests.contracts.test_cloud_events import MESSAGE
from tests.reference.events import asyncapi, page, schemas, writing
from tests.reference.events.compatibility import breaking_changes
from tests.reference.events.schemas import Schema, committed_schemas, stored_schema, stored_schemas
from tests.reference.events.vocabulary import MEANINGS, UNITS, WHEN
from tests.simulation.saga import Saga

MEND = "an event has changed: look at what its readers will say, then run `make reference`"
LIVES = 10
FORMATS = FormatChecker(["uuid", "date"])


def is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


FORMATS.checks("date-time", raises=ValueError)(is_instant)


@cache
def validator_of(topic: str) -> Draft202012Validator:
    return Draft202012Validator(committed_schemas()[topic], format_checker=FORMATS)


def faults(topic: str, payload: object) -> list[str]:
    return [f"{topic} {error.json_path}: {error.message}" for error in validator_of(topic).iter_errors(payload)]


# --- what is committed is what the classes say ----------------------------------------------------------------------


def test_every_event_has_its_schema_as_the_class_says_and_no_schema_is_left_over() -> None:
    assert breaking_changes(committed_schemas(), stored_schemas()) == []
    assert committed_schemas() == stored_schemas(), MEND
    for topic, schema in stored_schemas().items():
        assert (schemas.FOLDER / f"{topic}.json").read_text("utf-8") == schemas.written(schema), MEND


def test_the_asyncapi_document_and_the_page_are_as_they_would_be_written_now() -> None:
    assert asyncapi.PATH.read_text("utf-8") == schemas.written(asyncapi.document()), MEND
    assert page.PATH.read_text("utf-8") == page.written(), MEND


@pytest.mark.parametrize("topic", EVENT_CLASSES)
def test_a_schema_is_one_and_is_named_as_messages_name_it(topic: str) -> None:
    Draft202012Validator.check_schema(committed_schemas()[topic])
    assert committed_schemas()[topic]["$id"] == schema_of(topic)


def test_every_field_and_every_event_is_explained_and_no_word_is_left_over() -> None:
    assert schemas.words_used() == set(MEANINGS)
    fields = {word.rpartition(".")[2] for word in MEANINGS}
    assert set(UNITS) <= fields
    assert set(WHEN) == set(EVENT_CLASSES)


# --- every event there ever was --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def appends() -> Sequence[Sequence[Recorded]]:
    """What was appended at once in some lives of the simulation."""
    found: list[Sequence[Recorded]] = []
    append = MemoryLedger.append

    async def noted(ledger: MemoryLedger, *aggregates: Any, **named: Any) -> Any:
        count = sum(len(each.pending_events) for each in aggregates)
        outcome = await append(ledger, *aggregates, **named)
        found.append(ledger.recorded[outcome.position.position - count : outcome.position.position])
        return outcome

    async def live(seed: int) -> None:
        saga = Saga(seed)
        await saga.live()
        await saga.settle()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryLedger, "append", noted)
        for seed in range(LIVES):
            asyncio.run(live(seed))
    assert len({topic_of(each.event) for together in found for each in together}) > 50
    return found


def test_every_event_of_the_simulation_is_as_its_schema_says(appends: Sequence[Sequence[Recorded]]) -> None:
    found = []
    for each in (each for together in appends for each in together):
        found += faults(topic_of(each.event), json.loads(encoded(each.event)))
    assert not found


@pytest.mark.parametrize("path", sorted(asyncapi.PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
def test_every_payload_ever_stored_is_as_its_schema_says(path: Path) -> None:
    assert not faults(path.stem.partition("+")[0], json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    ("field", "value"),
    [("lines", None), ("currency", 7), ("origin", "nobody"), ("valid_until", "2026-03-31T12:00:00"), ("totals", {})],
)
def test_a_payload_that_no_class_would_write_is_against_its_schema(field: str, value: object) -> None:
    payload = asyncapi.example("QuoteIssued.v1")
    assert faults("QuoteIssued.v1", {**payload, field: value})
    assert faults("QuoteIssued.v1", {name: each for name, each in payload.items() if name != field})


def test_what_is_said_to_be_in_one_append_always_is(appends: Sequence[Sequence[Recorded]]) -> None:
    said = {
        topic: {f"{name}.v1" for name in re.findall(r"[A-Z][a-z]+[A-Z]\w+", words.split("in the same append as")[1])}
        for topic, words in WHEN.items()
        if "in the same append as" in words
    }
    assert len(said) > 10
    for together in appends:
        names = {topic_of(each.event) for each in together}
        for topic in names & said.keys():
            assert said[topic] <= names, f"{topic} without {said[topic] - names}"


# --- what may change -------------------------------------------------------------------------------------------------


def line(schema: Schema) -> Schema:
    definition: Schema = schema["$defs"]["QuoteLine"]
    return definition


def renamed(schema: Schema, old: str, new: str) -> None:
    schema["properties"][new] = schema["properties"].pop(old)
    schema["required"][schema["required"].index(old)] = new


BREAKING: dict[str, Callable[[Schema], object]] = {
    "currency: the field is gone": lambda s: (s["properties"].pop("currency"), s["required"].remove("currency")),
    "lines[].tax: the field is gone": lambda s: (line(s)["properties"].pop("tax"), line(s)["required"].remove("tax")),
    "number: the field is gone": lambda s: renamed(s, "number", "quote_number"),
    "channel: is required now": lambda s: (
        s["properties"].update(channel={"type": "string"}),
        s["required"].append("channel"),
    ),
    "currency: may be missing now": lambda s: s["required"].remove("currency"),
    "number: type was 'string' and is 'integer'": lambda s: s["properties"]["number"].update(type="integer"),
    "lines[].net: type was 'integer' and is 'number'": lambda s: line(s)["properties"]["net"].update(type="number"),
    "currency: pattern was None": lambda s: s["properties"]["currency"].update(pattern="^[A-Z]{3}$"),
    "valid_until: format was 'date-time' and is 'date'": lambda s: s["properties"]["valid_until"].update(format="date"),
    "origin: the value 'sales_rep' is gone": lambda s: s["$defs"]["QuoteOrigin"]["enum"].remove("sales_rep"),
    "lines[].product: the value 'goto_meeting' is gone": lambda s: s["$defs"]["Product"]["enum"].remove("goto_meeting"),
    "origin: a list of values became a free one": lambda s: s["$defs"]["QuoteOrigin"].pop("enum"),
    "seller: a list of values became a free one": lambda s: s["properties"]["seller"].update(enum=["SL-DE"]),
    "supersedes: the types that it may have are others": lambda s: s["properties"]["supersedes"]["anyOf"].pop(),
    "number: the types that it may have are others": lambda s: s["properties"].update(
        number={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "supersedes: type was 'null' and is 'string'": lambda s: s["properties"]["supersedes"]["anyOf"][1].update(
        type="string"
    ),
    "lines: the items are told otherwise": lambda s: s["properties"]["lines"].pop("items"),
}
COMPATIBLE: dict[str, Callable[[Schema], object]] = {
    "a field that may be missing": lambda s: s["properties"].update(channel={"type": "string", "default": "portal"}),
    "the same in a shared type": lambda s: line(s)["properties"].update(note={"anyOf": [{"type": "null"}]}),
    "another value": lambda s: s["$defs"]["Product"]["enum"].append("gotoassist_v6"),
    "other words": lambda s: s["properties"]["currency"].update(description="ISO 4217"),
    "a shared type by another name": lambda s: (
        s["$defs"].update(Origin=s["$defs"].pop("QuoteOrigin")),
        s["properties"].update(origin={"$ref": "#/$defs/Origin"}),
        s["$defs"]["Supersession"]["properties"].update(origin={"$ref": "#/$defs/Origin"}),
    ),
    "nothing": lambda s: s,
}


def after(change: Callable[[Schema], object]) -> list[str]:
    before = {"QuoteIssued.v1": stored_schema("QuoteIssued.v1")}
    changed = copy.deepcopy(before)
    change(changed["QuoteIssued.v1"])
    return breaking_changes(before, changed)


@pytest.mark.parametrize(("said", "change"), BREAKING.items(), ids=BREAKING)
def test_a_breaking_change_is_named(said: str, change: Callable[[Schema], object]) -> None:
    assert any(each.startswith(f"QuoteIssued.v1.{said}") for each in after(change)), after(change)


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change_passes(change: Callable[[Schema], object]) -> None:
    assert after(change) == []


def test_an_event_may_come_and_none_may_go_or_be_renamed() -> None:
    one, two = {"A.v1": stored_schema("QuoteDeclined.v1")}, {"B.v1": stored_schema("QuoteAccepted.v1")}
    assert breaking_changes(one, one | two) == []
    assert breaking_changes(one, two) == ["A.v1: the event is gone; a new name is a new event"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documents, written to another folder."""
    monkeypatch.setattr(schemas, "FOLDER", tmp_path / "schemas")
    monkeypatch.setattr(asyncapi, "PATH", tmp_path / "asyncapi.json")
    monkeypatch.setattr(page, "PATH", tmp_path / "events.md")
    writing.write_all()
    return tmp_path


def changed_class(name: str, type_: type) -> Any:
    """QuoteDeclined, with another field in place of `declined_by`."""
    known = {"originator_id": UUID, "originator_version": int, "timestamp": datetime}
    return make_dataclass("QuoteDeclined", [*known.items(), (name, type_)])


def test_a_class_that_was_changed_is_refused_and_nothing_is_written(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in elsewhere.rglob("*.*")}
    monkeypatch.setitem(EVENT_CLASSES, "QuoteDeclined.v1", changed_class("declined_by", UUID))
    with pytest.raises(SystemExit, match=r"QuoteDeclined\.v1\.declined_by: format was None and is 'uuid'"):
        writing.write_all()
    monkeypatch.setitem(EVENT_CLASSES, "QuoteDeclined.v1", changed_class("reason", str))
    with pytest.raises(SystemExit, match=r"QuoteDeclined\.v1\.declined_by: the field is gone"):
        writing.write_all()
    assert {path: path.read_bytes() for path in elsewhere.rglob("*.*")} == before


@pytest.mark.usefixtures("elsewhere")
def test_a_field_that_nobody_explained_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    declined = {"originator_id": UUID, "originator_version": int, "timestamp": datetime, "declined_by": str}
    added = make_dataclass("QuoteDeclined", [*declined.items(), ("why", str, "")])
    monkeypatch.setitem(EVENT_CLASSES, "QuoteDeclined.v1", cast(Any, added))
    with pytest.raises(SystemExit, match=r"(?s)Say in .*\nwhy$"):
        writing.write_all()


# --- the AsyncAPI document -------------------------------------------------------------------------------------------


def test_the_document_is_valid_by_the_schema_of_asyncapi_3() -> None:
    """The schema is that of the package @asyncapi/specs, see docs/dependencies.md."""
    with gzip.open(Path(asyncapi.__file__).with_name("asyncapi-3.0.0.schema.json.gz")) as packed:
        official = Draft7Validator(json.load(packed))
    document = asyncapi.document()
    assert not [error.json_path for error in official.iter_errors(document)]
    document["channels"]["events"]["adress"] = "a word that the standard doesn't know"
    assert [error.json_path for error in official.iter_errors(document)] == ["$.channels.events"]


def test_the_document_has_every_event_and_every_header_of_a_message() -> None:
    document = asyncapi.document()
    assert set(document["channels"]["events"]["messages"]) == set(EVENT_CLASSES)
    headers = document["components"]["messageTraits"]["cloudEvent"]["headers"]
    assert set(headers["properties"]) == {name for name, _ in MESSAGE.headers}
    assert not list(
        Draft202012Validator(headers, format_checker=FORMATS).iter_errors(
            {name: value.decode() for name, value in MESSAGE.headers}
        )
    )
    assert set(headers["properties"]) - set(headers["required"]) == asyncapi.OPTIONAL


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = asyncapi.document()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_link_of_the_page_leads_to_one_heading_or_file() -> None:
    text = page.written()
    headings = [page.anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    assert len(headings) == len(set(headings))
    for link in set(re.findall(r"\]\(([^)]+)\)", text)):
        assert link[1:] in headings if link.startswith("#") else (page.PATH.parent / link).exists(), link
