"""What finance and investigators read of the read models: views, made again whenever a rebuild puts other tables there.

They have no references to the vault: personal data is read through the API, where it is noted who looked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from projections.catalogue import PROJECTIONS


@dataclass(frozen=True, slots=True)
class View:
    """A view for one role on columns of one table of a read model."""

    role: LiteralString
    projection: LiteralString
    table: LiteralString
    columns: LiteralString


_FINANCE: Final = "seatledger_finance"
_INVESTIGATOR: Final = "seatledger_investigator"

VIEWS: Final[Mapping[str, View]] = {
    "finance.accounts": View(
        _FINANCE, "portal", "accounts", "account_id, number, country, currency, vat_id, restriction"
    ),
    "finance.orders": View(
        _FINANCE,
        "portal",
        "orders",
        "order_id, account_id, quote_id, number, state, currency, net, tax, gross, captured, refunded, placed_at,"
        " completed_at, receipt_number",
    ),
    "finance.receipts": View(
        _FINANCE, "portal", "receipts", "receipt_id, account_id, order_id, receipt_number, issued_on, document_digest"
    ),
    "investigation.accounts": View(
        _INVESTIGATOR, "portal", "accounts", "account_id, number, country, currency, language, time_zone, restriction"
    ),
    "investigation.quotes": View(
        _INVESTIGATOR,
        "portal",
        "quotes",
        "quote_id, account_id, number, origin, state, currency, lines, net, tax, gross, issued_at, valid_until,"
        " supersedes, superseded_by, order_id, ended_at",
    ),
    "investigation.orders": View(
        _INVESTIGATOR,
        "portal",
        "orders",
        "order_id, account_id, quote_id, number, state, overdue, currency, lines, outcomes, net, tax, gross, captured,"
        " refunded, decline_code, attempts, prepared_at, placed_at, due_at, completed_at, receipt_number",
    ),
    "investigation.timeline": View(
        _INVESTIGATOR,
        "portal",
        "timeline",
        "event_id, account_id, position, topic, subject_kind, subject_id, subject_version, effective_at, recorded_at,"
        " actor_id, actor_role, causation_id, correlation_id",
    ),
}


def viewed(projection: str) -> sql.Composed:
    """The statements, for one transaction, that have the views of a projection look at its live tables."""
    parts = [sql.SQL("SET LOCAL ROLE seatledger_owner").format()]
    for name, view in VIEWS.items():
        if view.projection != projection:
            continue
        made = sql.Identifier(*name.split("."))
        table = sql.Identifier(view.projection, view.table)
        parts += [
            sql.SQL("DROP VIEW IF EXISTS {}").format(made),
            sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(made, sql.SQL(view.columns), table),
            sql.SQL("GRANT SELECT ON {} TO {}").format(made, sql.Identifier(view.role)),
        ]
    return sql.SQL("; ").join([*parts, sql.SQL("RESET ROLE").format()])


_MISSING: Final = """
SELECT EXISTS (SELECT FROM projecting.read_models WHERE projection = %s AND version = %s)
       AND EXISTS (SELECT FROM unnest(%s::text[]) AS v (name) WHERE to_regclass(name) IS NULL)
"""


def make_missing_views(connection: psycopg.Connection) -> None:
    """Make those that are not there, on read models of this program's version; others get theirs when rebuilt."""
    for projection in PROJECTIONS:
        names = [name for name, view in VIEWS.items() if view.projection == projection.name]
        row = connection.execute(_MISSING, (projection.name, projection.version, names)).fetchone()
        if row and row[0]:
            connection.execute(viewed(projection.name))
