"""Any record comes back from its message, CloudEvents' own library reads it, and what was spoilt is said plainly."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from adapters.event_mapping import STATE_AT_MOST
from adapters.log.cloud_events import (
    UNIX_EPOCH,
    Message,
    UnreadableMessage,
    message_of,
    record_of,
    schema_of,
    source_of,
)
from adapters.log.event_log import LogRecord, OutgoingRecord

SOURCE = source_of("main")
RECORD = LogRecord(
    position=42,
    partition=7,
    previous=40,
    originator_id=UUID(int=1),
    originator_version=3,
    topic="QuoteDeclined.v1",
    state=b'{"declined_by":"person-1"}',
    event_id=UUID(int=2),
    account_id=UUID(int=3),
    recorded_at=datetime(2026, 3, 31, 12, 0, 0, 123456, tzinfo=UTC),
    effective_at=datetime(2026, 3, 31, 12, tzinfo=UTC),
    actor_id="person-1",
    actor_role="billing_admin",
    on_behalf_of="person-2",
    correlation_id=UUID(int=4),
    causation_id=UUID(int=5),
    idempotency_key="key-1",
)


def outgoing(record: LogRecord) -> OutgoingRecord:
    """The record as the store hands it to the relay."""
    sent = {
        name: value.bytes if isinstance(value, UUID) else (value - UNIX_EPOCH) // timedelta(microseconds=1)
        for name, value in record._asdict().items()
        if isinstance(value, UUID | datetime)
    }
    return OutgoingRecord(**{**record._asdict(), **sent})


MESSAGE = message_of(outgoing(RECORD), SOURCE)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))])
times = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001 -- the strategy adds the zone
records = st.builds(
    LogRecord._replace,
    st.integers(1, 2**63 - 1).flatmap(
        lambda last: st.builds(
            LogRecord._replace, st.just(RECORD), position=st.just(last), previous=st.integers(0, last - 1)
        )
    ),
    partition=st.integers(0, 1023),
    originator_id=st.uuids(),
    originator_version=st.integers(1, 2**31 - 1),
    topic=texts,
    state=st.binary(max_size=200) | st.just(b" " * STATE_AT_MOST),
    event_id=st.uuids(),
    account_id=st.uuids(),
    recorded_at=times,
    effective_at=times,
    actor_id=texts,
    actor_role=texts,
    on_behalf_of=st.none() | texts,
    correlation_id=st.uuids(),
    causation_id=st.uuids(),
    idempotency_key=st.none() | texts,
)


@given(records)
def test_any_record_comes_back_from_its_message(record: LogRecord) -> None:
    assert record_of(message_of(outgoing(record), SOURCE)) == record


def test_the_independent_library_reads_what_was_published() -> None:
    assert MESSAGE.value is not None
    event: Any = from_binary(KafkaMessage(dict(MESSAGE.headers), MESSAGE.key, MESSAGE.value), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert (event.get_id(), event.get_type(), event.get_source()) == (str(RECORD.event_id), RECORD.topic, SOURCE)
    assert (event.get_subject(), event.get_time()) == (str(RECORD.originator_id), RECORD.effective_at)
    assert (event.get_dataschema(), event.get_datacontenttype()) == (schema_of(RECORD.topic), "application/json")
    assert event.get_data() == json.loads(RECORD.state)
    extensions = {
        name: event.get_extension(name)
        for name in event.get_attributes()
        if name not in {"specversion", "id", "type", "source", "subject", "time", "dataschema", "datacontenttype"}
    }
    assert extensions == {
        "position": "42",
        "previous": "40",
        "partition": "7",
        "version": "3",
        "accountid": str(RECORD.account_id),
        "correlationid": str(RECORD.correlation_id),
        "causationid": str(RECORD.causation_id),
        "recordedat": "2026-03-31T12:00:00.123456Z",
        "actorid": "person-1",
        "actorrole": "billing_admin",
        "onbehalfof": "person-2",
        "idempotencykey": "key-1",
        "partitionkey": str(RECORD.account_id),
    }


def spoilt(name: str, value: Any) -> Message:
    return MESSAGE._replace(headers=[(each, value if each == name else held) for each, held in MESSAGE.headers])


@pytest.mark.parametrize("name", [name for name, _ in MESSAGE.headers])
def test_a_missing_header_is_named_unless_it_may_be_absent(name: str) -> None:
    message = MESSAGE._replace(headers=[header for header in MESSAGE.headers if header[0] != name])
    if name in {"ce_onbehalfof", "ce_idempotencykey"}:
        assert None in {record_of(message).on_behalf_of, record_of(message).idempotency_key}
    else:
        with pytest.raises(UnreadableMessage, match=f"^no header {name}$"):
            record_of(message)


@pytest.mark.parametrize("value", [None, b"\xff\xfe", b"\0"])
@pytest.mark.parametrize("name", [name for name, _ in MESSAGE.headers])
def test_a_header_without_a_value_or_with_broken_bytes_is_named(name: str, value: bytes | None) -> None:
    with pytest.raises(UnreadableMessage, match=rf"^{name} is "):
        record_of(spoilt(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("ce_position", "ce_version") for value in (b"0", b"-1", b"9" * 19, b"1_0", b"+1")),
        *((name, b"07") for name in ("ce_position", "ce_previous", "ce_partition", "ce_version")),
        ("ce_position", b"9" * 5000),
        ("ce_previous", b"42"),
        ("ce_partition", b"32768"),
        ("ce_version", b"1.5"),
        ("ce_id", b""),
        ("ce_id", b"{00000000-0000-0000-0000-000000000002}"),
        ("ce_id", b"00000000-0000-0000-0000-00000000000G"),
        ("ce_id", b"00000000-0000-0000-0000-0000000000_2"),
        ("ce_id", b"f00000000-0000-0000-0000-000000000002"),
        ("ce_id", b"10000000-0000-0000-0000-0000000000022"),
        ("ce_subject", b"ABCDEF00-0000-0000-0000-000000000002"),
        ("ce_time", b"2026-03-31"),
        ("ce_time", b"2026-03-31T12:00:00"),
        ("ce_recordedat", b"yesterday"),
        ("ce_dataschema", b"urn:seatledger:event:QuoteIssued.v1"),
        ("content-type", b"application/cloudevents+json"),
        ("ce_specversion", b"0.3"),
    ],
)
def test_a_value_that_the_relay_never_writes_is_named_and_not_quoted(name: str, value: bytes) -> None:
    with pytest.raises(UnreadableMessage, match=f"^{name} is (no (number from|UUID|time)|not (that of its type|1.0))"):
        record_of(spoilt(name, value))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m._replace(value=None), "no value"),
        (lambda m: m._replace(value=b"\0" * 2**20), "a value of 1048576 bytes, more than 262144"),
        (lambda m: m._replace(key=None), "the key is not the account's id"),
        (lambda m: m._replace(key=str(UUID(int=9)).encode()), "the key is not the account's id"),
        (lambda m: m._replace(headers=[]), "no header ce_specversion"),
        (lambda m: m._replace(headers=[*m.headers, ("ce_id", b"2")]), "header ce_id is there twice"),
    ],
)
def test_a_spoilt_message_says_what_is_wrong(spoil: Callable[[Message], Message], reason: str) -> None:
    with pytest.raises(UnreadableMessage) as refused:
        record_of(spoil(MESSAGE))
    assert str(refused.value) == reason


def test_headers_that_somebody_else_added_are_nobodys_business() -> None:
    traced = [("traceparent", b"1"), ("traceparent", b"2"), ("ce_tracestate", b"\xff")]
    assert record_of(MESSAGE._replace(headers=[*MESSAGE.headers, *traced])) == RECORD


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in MESSAGE.headers]), st.binary(max_size=40)), max_size=4))
def test_whatever_is_in_the_headers_it_is_read_or_refused(changes: list[tuple[str, bytes]]) -> None:
    headers = {**dict(MESSAGE.headers), **dict(changes)}
    try:
        record = record_of(MESSAGE._replace(headers=list(headers.items())))
    except UnreadableMessage:
        return
    assert record_of(message_of(outgoing(record), SOURCE)) == record
