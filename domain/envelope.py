"""What is known about an event beside its content, from the first day, since it cannot be filled in later."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.ledger import LedgerEvent


class Role(StrEnum):
    """Who acts; the value is stored with every event."""

    BILLING_ADMIN = "billing_admin"
    SALES_REP = "sales_rep"
    ACCOUNT_SERVICES = "account_services"
    FINANCE = "finance"
    INVESTIGATOR = "investigator"
    OPERATOR = "operator"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Actor:
    """An opaque id (never a name or address) and the role it acted in."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log and its envelope.

    `position` counts over the whole store, `previous` is the position before it in the same partition (0: none).
    `event.timestamp` is business time (stored as effective_at), `recorded_at` the database's.
    """

    position: int
    partition: int
    previous: int
    event_id: UUID
    account_id: UUID
    recorded_at: datetime
    actor: Actor
    on_behalf_of: str | None
    correlation_id: UUID
    causation_id: UUID
    idempotency_key: str | None
    event: LedgerEvent
