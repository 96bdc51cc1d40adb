"""What an open ledger offers to its entrances: stores, queries, services and, in the embedded default, the sandbox."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.admin_directory.sandbox import SandboxAdminDirectory
from adapters.http.rates import Rate
from adapters.identity.relying_party import RelyingParty
from adapters.identity.sandbox import SandboxIdentity
from adapters.identity.tokens import TokenChecker
from adapters.log.event_log import EventLog
from adapters.mail.sandbox import SandboxMailer
from adapters.payments.card_form import CardForm
from adapters.payments.sandbox import SandboxPayments
from adapters.postgres.access_log import PostgresAccessLog
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.projecting import ProjectionWorker
from adapters.postgres.publishing import Publication
from adapters.postgres.read_models import PortalQueries
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.vault import PostgresVault
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from adapters.provisioning.sandbox import SandboxProvisioning
from adapters.sandbox_books import SandboxBooks
from adapters.settings import Settings
from services.accounts import Accounts
from services.importing import Importing
from services.ordering import Ordering
from services.ports import Clock
from services.quoting import Quoting
from services.renewing import Renewing
from services.working import Worker

if TYPE_CHECKING:  # the client library takes half a second to load, which only those pay who use it
    from adapters.log.kafka_relay import KafkaRelay


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The counterparties that ship with the product, and their books."""

    books: SandboxBooks
    identity: SandboxIdentity
    payments: SandboxPayments
    admin_directory: SandboxAdminDirectory
    provisioning: SandboxProvisioning
    mailer: SandboxMailer


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger. `relay` publishes its events to Kafka where the log is there.

    `running_commands` are those under way in this process; `ending` is set once the process is told to stop.
    """

    settings: Settings
    events: PostgresEventStore
    writer: GroupCommit
    vault: PostgresVault
    queries: PortalQueries
    clock: Clock
    tokens: TokenChecker
    accounts: Accounts
    importing: Importing
    quoting: Quoting
    ordering: Ordering
    renewing: Renewing
    sandbox: Sandbox
    card_form: CardForm
    pool: AsyncConnectionPool[AsyncConnection]
    log: EventLog
    wakeups: Wakeups
    publication: Publication
    relay: "KafkaRelay | None"
    projections: list[ProjectionWorker]
    workers: dict[str, Worker]
    access_log: PostgresAccessLog
    sessions: PostgresSessions
    relying_party: RelyingParty | None
    caller_rate: Rate
    refused_rate: Rate
    running_commands: set[UUID] = field(default_factory=set)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def end_soon(self) -> None:
        """Let those who follow an order go, so that they do not hold up the end."""
        self.ending.set()
        self.wakeups.ring_here(READ_MODELS)
