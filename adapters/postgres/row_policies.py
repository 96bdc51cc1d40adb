"""The second wall between accounts: row policies on every read model's table, and on whatever else has an account.

`seatledger_api` reads a row only where a setting of its transaction names the row's account (adapters.postgres.sight
sets it). The tables' owner, for whom no policy holds, is no role that can log in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import sql


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: for whom, on which statements, on which rows. `column`: only tables that have it get the policy."""

    name: LiteralString
    role: LiteralString
    command: LiteralString
    rows: LiteralString
    column: str = "account_id"


_EVERYTHING: Final = "true"

POLICIES: Final = (
    Policy(
        "tenants",
        "seatledger_api",
        "SELECT",
        "account_id = ANY ((SELECT nullif(current_setting('seatledger.accounts', true), '')::uuid[])::uuid[])"
        " OR (SELECT current_setting('seatledger.every_account', true) = 'on')",
    ),
    Policy(
        "territories",
        "seatledger_api",
        "SELECT",
        "territory = ANY ((SELECT nullif(current_setting('seatledger.territories', true), '')::text[])::text[])",
        column="territory",
    ),
    Policy("application", "seatledger_app", "ALL", _EVERYTHING),
    Policy("reports", "seatledger_reader", "SELECT", _EVERYTHING),
)

BESIDE_THE_READ_MODELS: Final = ("ledger.vault", "projecting.parked")
"""Tables with the same policies that are no read model's. Events have none: security.md says why."""


def policies_for(columns: Sequence[str]) -> list[Policy]:
    """Those of a table with these columns; none if it has no account."""
    return [policy for policy in POLICIES if "account_id" in columns and policy.column in columns]


def closed(table: sql.Composable, columns: Sequence[str]) -> list[sql.Composed]:
    """The statements that put the policies on a new table."""
    made = [
        sql.SQL("CREATE POLICY {} ON {} FOR {} TO {} USING ({})").format(
            sql.Identifier(policy.name),
            table,
            sql.SQL(policy.command),
            sql.Identifier(policy.role),
            sql.SQL(policy.rows),
        )
        for policy in policies_for(columns)
    ]
    return [sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(table), *made] if made else []
