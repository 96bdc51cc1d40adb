"""The peer: the library's ProjectionRunner with our handlers, writing the same tables, one event a transaction."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner

from adapters.event_mapping import decoded
from adapters.postgres.arrays import array_of
from adapters.postgres.row_store import RowStore
from domain.envelope import Actor, Recorded, Role
from domain.ledger import LedgerEvent
from projections.fold import RowKey
from projections.portal import portal

_NOBODY: Final = Actor("p-benchmark", Role.SERVICE)
_NO_ID: Final = UUID(int=0)
_COPY: Final = """
DROP TABLE IF EXISTS public.ledger_events;
CREATE TABLE public.ledger_events AS
    SELECT originator_id, originator_version::int8, topic, state, notification_id FROM ledger.events
    ORDER BY notification_id LIMIT %s;
ALTER TABLE public.ledger_events ADD PRIMARY KEY (notification_id), ADD UNIQUE (originator_id, originator_version);
"""


class OurMapper(Mapper[UUID]):
    """Events as we store them, decoded as we do: faster than the library's own transcoder."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event."""
        return decoded(stored_event.topic, bytes(stored_event.state))


class Ledger(Application[UUID]):
    """The application whose events are projected."""

    def construct_mapper(self) -> Mapper[UUID]:
        """See the library's Application."""
        return OurMapper(self.construct_transcoder())


class PortalView(PostgresTrackingRecorder):
    """The portal's tables with the library's tracking, in one transaction an event."""

    stores: Final = {table.name: RowStore(portal.name, table) for table in portal.tables.values()}

    def take(self, event: LedgerEvent, tracking: Tracking) -> None:
        """Load the rows that the event touches, fold, write."""
        recorded = Recorded(
            tracking.notification_id,
            0,
            0,
            UUID(int=tracking.notification_id),
            _NO_ID,
            datetime.now(UTC),
            _NOBODY,
            None,
            _NO_ID,
            _NO_ID,
            None,
            event,
        )
        with self.datastore.get_connection() as connection, connection.transaction():
            cursor = connection.cursor(row_factory=psycopg.rows.tuple_row, binary=True)
            rows: dict[RowKey, Any] = {}
            for key, _ in portal.steps(recorded):
                store = self.stores[key.table]
                for values in cursor.execute(store._select, (array_of([key.key]),), prepare=True).fetchall():
                    rows[key] = store.row(values)
            portal.apply(rows, recorded)
            for key, row in rows.items():
                store = self.stores[key.table]
                cursor.execute(store._upsert, (store._rows.dump_json([row]).decode(),), prepare=True)
            self._insert_tracking(connection.cursor(), tracking)


class PortalProjection(Projection[PortalView]):
    """Hands each event to the view."""

    name = "portal_of_the_library"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """See the library's Projection."""
        self.view.take(domain_event, tracking)


@contextmanager
def _environment(url: str) -> Iterator[dict[str, str]]:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    yield {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": query["host"][0],
        "POSTGRES_PORT": query["port"][0],
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": "",
        "CREATE_TABLE": "yes",
    }


def projected_by_the_library(url: str, events: int) -> float:
    """Events a second that the runner takes of the first `events` stored ones."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (_COPY % events).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("DROP TABLE IF EXISTS public.portal_of_the_library_tracking")
    with _environment(url) as env:
        began = time.perf_counter()
        runner = ProjectionRunner(
            application_class=Ledger, projection_class=PortalProjection, view_class=PortalView, env=env
        )
        with runner:
            runner.wait(events, timeout=120)
            return events / (time.perf_counter() - began)
