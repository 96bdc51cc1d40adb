"""A record as a message on Kafka and back: CloudEvents 1.0 in binary mode, for any reader that knows the standard.

The payload is the value, untouched; everything else is a header. `docs/reference/asyncapi.json` describes each.
Sources: CloudEvents 1.0.2 and its Kafka protocol binding; the extensions correlationid and causationid are documented
ones of the standard, the others are ours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from adapters.event_mapping import STATE_AT_MOST
from adapters.log.event_log import LogRecord, OutgoingRecord

UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CONTENT_TYPE: Final = b"application/json"
_SPECVERSION: Final = b"1.0"
_BIGINT: Final = 2**63 - 1
_INTEGER: Final = 2**31 - 1
_SMALLINT: Final = 2**15 - 1
_ID_BYTES: Final = 16


class Message(NamedTuple):
    """What Kafka carries, without its place in a topic. A list of headers, because that is what the driver takes."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class UnreadableMessage(Exception):
    """The message is not what the relay wrote; says in plain words why, and quotes none of it."""


def source_of(ledger: str) -> str:
    """`ce_source` of all events of this ledger."""
    return f"urn:seatledger:ledger:{ledger}"


def schema_of(topic: str) -> str:
    """`ce_dataschema` of the events of this name, and the `$id` of their JSON Schema."""
    return f"urn:seatledger:event:{topic}"


def message_of(record: OutgoingRecord, source: str) -> Message:
    """The record as it is published by the ledger of this `source`."""
    account = _id_text(record.account_id)
    headers = [
        *_fixed_headers(source, record.topic),
        ("ce_id", _written_id(record.event_id)),
        ("ce_subject", _id_text(record.originator_id)),
        ("ce_time", _time_text(record.effective_at)),
        ("ce_position", b"%d" % record.position),
        ("ce_previous", b"%d" % record.previous),
        ("ce_partition", b"%d" % record.partition),
        ("ce_version", b"%d" % record.originator_version),
        ("ce_accountid", account),
        ("ce_correlationid", _id_text(record.correlation_id)),
        ("ce_causationid", _id_text(record.causation_id)),
        ("ce_recordedat", _time_text(record.recorded_at)),
        ("ce_actorid", record.actor_id.encode()),
        ("ce_actorrole", record.actor_role.encode()),
    ]
    if record.on_behalf_of is not None:
        headers.append(("ce_onbehalfof", record.on_behalf_of.encode()))
    if record.idempotency_key is not None:
        headers.append(("ce_idempotencykey", record.idempotency_key.encode()))
    return Message(account, record.state, headers)


def record_of(message: Message) -> LogRecord:
    """The record that the message was made of. The payload is not looked into: `event_mapping.recorded` does.

    Raises UnreadableMessage. Headers of other names, such as a tracer's, are nobody's business.
    """
    headers = dict(message.headers)
    if len(headers) != len(message.headers):
        _must_be_there_once(message.headers)
    if headers.get("ce_specversion") != _SPECVERSION:
        reason = "ce_specversion is not 1.0" if "ce_specversion" in headers else "no header ce_specversion"
        raise UnreadableMessage(reason)
    state = message.value
    if state is None:
        reason = "no value"
        raise UnreadableMessage(reason)
    if len(state) > STATE_AT_MOST:
        reason = f"a value of {len(state)} bytes, more than {STATE_AT_MOST}"
        raise UnreadableMessage(reason)
    try:
        topic = _text(headers, "ce_type")
        _must_be(headers, "ce_dataschema", schema_of(topic).encode())
        _must_be(headers, "content-type", CONTENT_TYPE)
        _text(headers, "ce_source")
        account_id = _id(headers, "ce_accountid")
        if message.key != headers["ce_accountid"]:
            reason = "the key is not the account's id"
            raise UnreadableMessage(reason)
        position = _number(headers, "ce_position", 1, _BIGINT)
        return LogRecord(
            position=position,
            partition=_number(headers, "ce_partition", 0, _SMALLINT),
            previous=_number(headers, "ce_previous", 0, position - 1),
            originator_id=_id(headers, "ce_subject"),
            originator_version=_number(headers, "ce_version", 1, _INTEGER),
            topic=topic,
            state=state,
            event_id=_id(headers, "ce_id"),
            account_id=account_id,
            recorded_at=_time(headers, "ce_recordedat"),
            effective_at=_time(headers, "ce_time"),
            actor_id=_text(headers, "ce_actorid"),
            actor_role=_text(headers, "ce_actorrole"),
            on_behalf_of=_text(headers, "ce_onbehalfof") if "ce_onbehalfof" in headers else None,
            correlation_id=_id(headers, "ce_correlationid"),
            causation_id=_id(headers, "ce_causationid"),
            idempotency_key=_text(headers, "ce_idempotencykey") if "ce_idempotencykey" in headers else None,
        )
    except KeyError as missing:
        reason = f"no header {missing.args[0]}"
        raise UnreadableMessage(reason) from None


@lru_cache(1024)
def _fixed_headers(source: str, topic: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", _SPECVERSION),
        ("ce_type", topic.encode()),
        ("ce_source", source.encode()),
        ("ce_dataschema", schema_of(topic).encode()),
        ("content-type", CONTENT_TYPE),
    )


def _written_id(id: bytes) -> bytes:
    """As str(UUID) writes it, which is slower."""
    digits = id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


# The events of a command share these, and an account's follow each other: most are found.
_id_text = lru_cache(4096)(_written_id)


@lru_cache(1024)
def _time_text(microseconds: int) -> bytes:
    time = UNIX_EPOCH + timedelta(microseconds=microseconds)
    return time.isoformat().removesuffix("+00:00").encode() + b"Z"


def _must_be_there_once(headers: Sequence[tuple[str, bytes]]) -> None:
    seen = set()
    for name, _ in headers:
        if name in seen and name.startswith(("ce_", "content-type")):
            reason = f"header {name} is there twice"
            raise UnreadableMessage(reason)
        seen.add(name)


def _must_be(headers: dict[str, bytes], name: str, value: bytes) -> None:
    if headers[name] != value:
        reason = f"{name} is not that of its type"
        raise UnreadableMessage(reason)


# In each of these a value may be None, which Kafka allows and the driver's type does not say.
def _text(headers: dict[str, bytes], name: str) -> str:
    value = headers[name]
    try:
        text = value.decode()
    except (ValueError, AttributeError):
        text = None
    if text is None or "\0" in text:  # a NUL is UTF-8, but no text for PostgreSQL
        reason = f"{name} is no text"
        raise UnreadableMessage(reason)
    return text


def _number(headers: dict[str, bytes], name: str, least: int, most: int) -> int:
    value = headers[name]
    try:
        number = int(value)
    except (ValueError, TypeError):
        number = least - 1
    if not least <= number <= most or b"%d" % number != value:
        reason = f"{name} is no number from {least} to {most}"
        raise UnreadableMessage(reason)
    return number


def _id(headers: dict[str, bytes], name: str) -> UUID:
    id = _parsed_id(headers[name])
    if id is None:
        reason = f"{name} is no UUID"
        raise UnreadableMessage(reason)
    return id


@lru_cache(4096)
def _parsed_id(value: bytes) -> UUID | None:
    """Only as it is written here: fromhex() takes capitals and spaces, and UUID() braces."""
    try:
        id = bytes.fromhex(value.decode("ascii").replace("-", ""))
    except (ValueError, AttributeError):
        return None
    return UUID(bytes=id) if len(id) == _ID_BYTES and _written_id(id) == value else None


def _time(headers: dict[str, bytes], name: str) -> datetime:
    try:
        time = datetime.fromisoformat(headers[name].decode())
    except (ValueError, AttributeError):
        time = None
    if time is None or time.tzinfo is None:
        reason = f"{name} is no time with its zone"
        raise UnreadableMessage(reason)
    return time
