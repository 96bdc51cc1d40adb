"""Puts histories into a ledger by COPY, as one writer who has the lock would have left them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from psycopg import Connection

from adapters.appending import Append
from services.ports import SealedRecord

_EVENTS: Final = """
COPY ledger.events (notification_id, originator_id, originator_version, topic, state, event_id, recorded_at,
    effective_at, actor_id, actor_role, on_behalf_of, correlation_id, causation_id, idempotency_key, account_id,
    partition)
FROM STDIN (FORMAT BINARY)
"""
_WHEN: Final = ["timestamptz", "timestamptz"]
_CHAIN: Final = ["uuid", "uuid", "text"]
_FACT: Final = ["int8", "uuid", "int4", "text", "bytea", "uuid"]
_EVENT_TYPES: Final = [*_FACT, *_WHEN, "text", "text", "text", *_CHAIN, "uuid", "int2"]
_VAULT: Final = """
INSERT INTO ledger.vault (id, version, account_id, kind, salt, canonical, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


def load(connection: Connection, appends: Iterable[Append], recorded_at: datetime) -> int:
    """Store the appends' events and vault records, in order; returns the last position.

    `connection` is of the role that owns the ledger's tables. Nobody else may append meanwhile.
    """
    row = connection.execute("SELECT COALESCE(max(notification_id), 0) FROM ledger.events").fetchone()
    position = int(row[0]) if row else 0
    vault: list[SealedRecord] = []
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(_EVENTS) as copy:
        copy.set_types(_EVENT_TYPES)
        for append in appends:
            context = append.context
            who = context.actor.id, context.actor.role.value, context.on_behalf_of
            chain = context.correlation_id, context.causation_id, context.idempotency_key
            for event in append.events:
                position += 1
                fact = position, event.stream, event.version, event.topic, event.state, event.id
                place = event.account_id, event.partition
                copy.write_row((*fact, recorded_at, event.effective_at, *who, *chain, *place))
            vault += append.vault
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            _VAULT,
            [
                (r.reference.id, r.reference.version, r.account_id, r.kind, r.salt, r.canonical, recorded_at)
                for r in vault
            ],
        )
    connection.execute("ANALYZE ledger.events")
    return position
