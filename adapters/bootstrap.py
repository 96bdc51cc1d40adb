"""The one place that wires: settings to connections, connections to adapters, adapters to services."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.admin_directory.sandbox import SandboxAdminDirectory
from adapters.clock import MovableClock, SystemClock
from adapters.documents.credit_note import CreditNoteTemplates
from adapters.documents.notice import NoticeTemplates
from adapters.documents.receipt import ReceiptTemplates
from adapters.http.rates import Rate
from adapters.identity.accepted import Accepted
from adapters.identity.relying_party import Endpoints, RelyingParty
from adapters.identity.sandbox import CALLBACK, ISSUER, PAGES_CLIENT, SandboxIdentity
from adapters.identity.tokens import ClosableKeys, TokenChecker
from adapters.ledger import Ledger, Sandbox
from adapters.log.direct import DirectLog
from adapters.log.event_log import EventLog, LogUnavailable
from adapters.log.falling_back import FallingBack
from adapters.mail.sandbox import SandboxMailer
from adapters.metrics.meters import Meters
from adapters.metrics.outside import timed
from adapters.payments.card_form import SandboxCardForm
from adapters.payments.sandbox import SandboxPayments
from adapters.postgres import read_database, schema
from adapters.postgres.access_log import PostgresAccessLog
from adapters.postgres.availability import BoundedConnection, opened, still_there, tune
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.homes import Homes, homes_of
from adapters.postgres.projecting import ProjectionWorker
from adapters.postgres.publishing import Publication
from adapters.postgres.read_model_tables import outdated
from adapters.postgres.read_models import PortalQueries
from adapters.postgres.sandbox_books import PostgresBooks
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.sight import become_api
from adapters.postgres.vault import PostgresVault
from adapters.postgres.wakeups import EVENTS, Wakeups
from adapters.postgres.work_lists import PostgresWorkList
from adapters.provisioning.sandbox import SandboxProvisioning
from adapters.settings import Settings, SettingsError
from adapters.tls import client_context
from adapters.vat_ids import StdnumVatIds
from projections.care import care
from projections.catalogue import PROJECTIONS
from projections.fold import Projection
from projections.fulfilment_todo import fulfilment_todo
from projections.notices_todo import notices_todo
from projections.portal import portal
from projections.receipts_todo import receipts_todo
from projections.timers import timers
from services.accounts import Accounts
from services.background import ended
from services.fulfilment import Counterparties, Fulfilment
from services.importing import Importing
from services.mailing import NoticeMail, ReceiptMail
from services.ordering import Ordering
from services.ports import Clock
from services.quoting import Quoting
from services.receipts import Receipts
from services.renewing import Renewing
from services.timing import Timers
from services.working import Pace, Work, Worker

if TYPE_CHECKING:
    from adapters.log.kafka_relay import KafkaRelay

_log = logging.getLogger(__name__)

Pool = AsyncConnectionPool[AsyncConnection]

_REBUILD_CONNECTIONS = 4  # a snapshot of the live tables, the rebuilt ones, the log, and one to spare
_SANDBOX_CONNECTIONS = 8

# Seconds: people wait for the portal, and orders for what is to be done. A notice or a timer is hours away.
_BREATHS = {
    portal.name: 0.0,
    fulfilment_todo.name: 0.02,
    receipts_todo.name: 0.02,
    notices_todo.name: 0.2,
    timers.name: 0.2,
    care.name: 0.2,
}


def owner_name() -> str:
    """This process among all workers: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def check_schema(url: str, settings: Settings, *, read_models: bool = True, waits: bool = False) -> None:
    """Raise SchemaError unless the database, and every read model if wanted, is what this version needs.

    `waits`: whoever asks can go on while a read models' database of its own is away, and waits for it.
    """
    homes = homes_of(url, settings.read_database_url)
    with (
        schema.plain_errors(),
        psycopg.connect(url, autocommit=True, connect_timeout=schema.CONNECT_SECONDS) as connection,
    ):
        schema.check(connection, settings.partitions)
        if read_models:
            here = homes.residents()[-1][1]
            for said in outdated(connection, here).values():
                raise schema.SchemaError(said)
            schema.must_have(connection, [f"{each.name}.{table}" for each in here for table in each.tables])
        if homes.elsewhere:
            try:
                read_database.check(homes.elsewhere, connection, read_models=read_models)
            except read_database.ReadDatabaseAway as away:
                if not waits:
                    raise
                _log.warning("%s: starting all the same, orders are taken and queries wait", away)


@asynccontextmanager
async def opened_logs(
    url: str, settings: Settings
) -> AsyncIterator[tuple[Homes[Pool], Callable[[Projection], EventLog]]]:
    """Each projection's log and connections, without services or counterparties: what rebuilding one needs."""
    wakeups = Wakeups(partial(opened, url, schema.CONNECT_SECONDS))  # not started: nobody waits here

    def pool(url: str) -> Pool:
        kwargs = {"autocommit": True, "prepare_threshold": 1}  # no time-outs: a rebuild may take its time
        return AsyncConnectionPool(url, kwargs=kwargs, min_size=1, max_size=_REBUILD_CONNECTIONS, open=False)

    homes = homes_of(url, settings.read_database_url)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(pool(url))
        read_models = await stack.enter_async_context(pool(homes.elsewhere)) if homes.elsewhere else None
        yield Homes(ledger, read_models), lambda projection: _log_for(projection, settings, ledger, wakeups)


async def _tune_for_api(connection: AsyncConnection) -> None:
    await tune(connection)
    await become_api(connection)


def _of_this_ledger(
    configure: Callable[[AsyncConnection], Awaitable[None]], ledger_id: Callable[[], Awaitable[str]]
) -> Callable[[AsyncConnection], Awaitable[None]]:
    """Each new connection is asked whose it is: while a database is away, anything may be put in its place."""

    async def configured(connection: AsyncConnection) -> None:
        await configure(connection)
        await read_database.must_be_of(connection, await ledger_id())

    return configured


def _pool(
    url: str,
    settings: Settings,
    least: int,
    most: int,
    configure: Callable[[AsyncConnection], Awaitable[None]] = tune,
) -> Pool:
    """Connections for those who share them: a bounded number waits for a bounded time, and none gets a dead one."""
    return AsyncConnectionPool(
        url,
        connection_class=BoundedConnection,
        kwargs={"connect_timeout": schema.CONNECT_SECONDS},
        min_size=least,
        max_size=most,
        max_waiting=settings.read_queue,
        timeout=schema.CONNECT_SECONDS,
        # The pool doubles its pause after each failure until it gives up, and begins anew with the next who asks: given
        # up early, it is back a second after the database, however long that was away.
        reconnect_timeout=2.0,
        configure=configure,
        check=still_there,
        open=False,
    )


@asynccontextmanager
async def opened_ledger(settings: Settings, url: str) -> AsyncIterator[Ledger]:
    """The ledger at this database, open until the block ends. Raises SettingsError without counterparties."""
    if not settings.sandbox:
        message = "SANDBOX: no payment gateway is configured; set SANDBOX=1 to work with the sandbox counterparties"
        raise SettingsError(message)
    pool = _pool(url, settings, 2, settings.database_connections)
    connect = partial(opened, url, schema.CONNECT_SECONDS)
    wakeups = Wakeups(connect)
    meters = Meters()
    writer = GroupCommit(connect, lambda _: wakeups.ring(EVENTS), settings.append_queue, on_call=meters.batch_written)
    provider = _provider(settings)
    api_url = settings.database_api_url.get_secret_value() if settings.database_api_url else url
    api_pool = _pool(api_url, settings, 2, settings.database_connections, _tune_for_api)
    # The sandbox is another company's system as far as the ledger is concerned: it has connections of its own.
    sandbox_pool = _pool(url, settings, 1, _SANDBOX_CONNECTIONS)
    async with pool, api_pool, sandbox_pool, _with_read_models(settings, url, pool, api_pool) as (pools, api_pools):
        wakeups.start()
        writer.start()
        try:
            yield _wired(settings, pools, api_pools, writer, wakeups, PostgresBooks(sandbox_pool), provider, meters)
        finally:
            if provider:
                await provider.close()
            await writer.stop()
            await wakeups.stop()


@asynccontextmanager
async def _with_read_models(
    settings: Settings, url: str, pool: Pool, api_pool: Pool
) -> AsyncIterator[tuple[Homes[Pool], Homes[Pool]]]:
    """The ways into both databases, of the application's role and of the API's."""
    homes = homes_of(url, settings.read_database_url)
    if homes.elsewhere is None:
        yield Homes(pool), Homes(api_pool)
        return
    publication, known = Publication(pool), list[str]()

    async def ledger_id() -> str:
        if not known:
            known.append(await publication.ledger_id())
        return known[0]

    most = settings.database_connections
    async with (
        _pool(homes.elsewhere, settings, 1, most, _of_this_ledger(tune, ledger_id)) as read,
        _pool(homes.elsewhere, settings, 2, most, _of_this_ledger(_tune_for_api, ledger_id)) as api_read,
    ):
        yield Homes(pool, read), Homes(api_pool, api_read)


def _provider(settings: Settings) -> ClosableKeys | None:
    if settings.identity_jwks_url is None:
        return None
    # It loads an HTTP client, which the embedded default does not need at the start.
    from adapters.identity.provider_keys import ProviderKeys  # noqa: PLC0415

    try:
        tls = client_context(settings.identity_ca_file)
    except (OSError, ssl.SSLError) as error:
        message = f"IDENTITY_CA_FILE: no certificates can be read from it ({type(error).__name__})"
        raise SettingsError(message) from None
    return ProviderKeys(settings.identity_jwks_url, tls, settings.identity_keys_seconds)


def _relying_party(settings: Settings, provider: ClosableKeys | None, sandbox: SandboxIdentity) -> RelyingParty | None:
    """At the configured provider, or without one at the sandbox's; None where people can't sign in to pages."""
    back = settings.origin + CALLBACK
    if provider is None:
        accepted = Accepted(ISSUER, PAGES_CLIENT)
        here = Endpoints(
            f"{settings.origin}/sandbox/identity/authorise", f"http://127.0.0.1:{settings.port}/sandbox/identity/token"
        )

        async def known() -> Endpoints:
            return here

        return RelyingParty(PAGES_CLIENT, None, back, known, TokenChecker(accepted, sandbox))
    if settings.identity_client_id is None or settings.identity_issuer is None:
        return None
    client, secret = settings.identity_client_id, settings.identity_client_secret
    accepted = Accepted(
        settings.identity_issuer, client, settings.identity_algorithms, settings.identity_leeway_seconds
    )
    from adapters.identity.discovery import Discovery  # noqa: PLC0415 -- see _provider

    discovery = Discovery(settings.identity_issuer, client_context(settings.identity_ca_file))
    plain = secret.get_secret_value() if secret else None
    checker = TokenChecker(accepted, provider)
    return RelyingParty(client, plain, back, discovery, checker, settings.identity_ca_file)


def _tokens(settings: Settings, provider: ClosableKeys | None, sandbox: SandboxIdentity) -> TokenChecker:
    """Of the configured provider alone, or without one of the sandbox's."""
    accepted = Accepted(
        settings.identity_issuer or ISSUER,
        settings.identity_audience,
        settings.identity_algorithms,
        settings.identity_leeway_seconds,
    )
    return TokenChecker(accepted, provider or sandbox)


def _wired(
    settings: Settings,
    pools: Homes[Pool],
    api_pools: Homes[Pool],
    writer: GroupCommit,
    wakeups: Wakeups,
    books: PostgresBooks,
    provider: ClosableKeys | None,
    meters: Meters,
) -> Ledger:
    pool, api_pool = pools.ledger, api_pools.ledger
    clock = MovableClock(books) if settings.movable_clock else SystemClock()
    sandbox = Sandbox(
        books=books,
        identity=SandboxIdentity(books),
        payments=SandboxPayments(
            books, clock, action_url=f"http://localhost:{settings.port}/sandbox/bank/{{intent_id}}"
        ),
        admin_directory=SandboxAdminDirectory(books),
        provisioning=SandboxProvisioning(books),
        mailer=SandboxMailer(books, clock, settings.seller_email),
    )
    # What is done in a caller's name reads as the API's role, which sees his accounts only.
    events, vault = PostgresEventStore(api_pool, writer, settings.partitions), PostgresVault(api_pool)
    vat_ids, rules = StdnumVatIds(), settings.quoting_rules
    log, publication = DirectLog(pool, wakeups), Publication(pool)
    owner = owner_name()
    payments = timed(sandbox.payments, "payments", meters)
    provisioning = timed(sandbox.provisioning, "provisioning", meters)
    accounts = Accounts(events, vault, payments)
    return Ledger(
        settings=settings,
        events=events,
        writer=writer,
        vault=vault,
        queries=PortalQueries(api_pools, wakeups, events),
        clock=clock,
        tokens=_tokens(settings, provider, sandbox.identity),
        accounts=accounts,
        importing=Importing(accounts, events, vault, payments, vat_ids),
        quoting=Quoting(events, vat_ids, rules),
        ordering=Ordering(events, vault, payments, provisioning, vat_ids, rules, settings.terms_version),
        renewing=Renewing(events),
        sandbox=sandbox,
        card_form=SandboxCardForm(),
        pool=pool,
        pools=pools,
        api_pools=api_pools,
        log=log,
        wakeups=wakeups,
        publication=publication,
        relay=_relay(settings, publication, wakeups, owner),
        projections=[
            ProjectionWorker(
                each,
                _log_for(each, settings, pool, wakeups),
                pools.of(each.name),
                wakeups,
                owner,
                breath=_BREATHS[each.name],
            )
            for each in PROJECTIONS
        ],
        access_log=PostgresAccessLog(api_pool),
        sessions=PostgresSessions(api_pool),
        relying_party=_relying_party(settings, provider, sandbox.identity),
        caller_rate=Rate(settings.requests_per_second),
        refused_rate=Rate(settings.refused_per_second),
        meters=meters,
        workers=_workers(settings, writer, clock, sandbox, pool, wakeups, owner, meters),
    )


# What must act reads the store, always: orders are carried out while the brokers are away.
_ALWAYS_DIRECT = {fulfilment_todo.name, timers.name}
_NOT_FOR_LONG = {receipts_todo.name, notices_todo.name}


def _log_for(projection: Projection, settings: Settings, pool: Pool, wakeups: Wakeups) -> EventLog:
    """The log that a projection is built from."""
    direct, access = DirectLog(pool, wakeups), settings.kafka
    if access is None or projection.name in _ALWAYS_DIRECT:
        return direct
    from adapters.log.kafka_reader import KafkaLog  # noqa: PLC0415 -- half a second that only those pay who use it

    publication = Publication(pool)
    kafka = KafkaLog(access, settings.ledger, settings.partitions, publication)
    if projection.name in _NOT_FOR_LONG:
        return FallingBack(kafka, direct, publication, settings.receipts_lag_seconds)
    return kafka


def _relay(settings: Settings, publication: Publication, wakeups: Wakeups, owner: str) -> "KafkaRelay | None":
    if settings.kafka is None:
        return None
    from adapters.log.kafka_relay import KafkaRelay  # noqa: PLC0415

    return KafkaRelay(settings.kafka, settings.ledger, settings.partitions, publication, wakeups, owner)


def check_log(settings: Settings) -> None:
    """Raise LogRefused if the brokers are there and something must be put right first: login, or the topic's settings.

    Brokers that are away are no reason not to start: orders are taken, and the log catches up.
    """
    if settings.kafka is None:
        return
    from adapters.log.kafka_topic import look, must_be_set_right  # noqa: PLC0415

    try:
        topic = look(settings.kafka)
    except LogUnavailable as error:
        _log.warning("%s: starting all the same, orders are taken and the log waits", error)
        return
    if topic.id is not None:
        must_be_set_right(topic, settings.kafka, settings.partitions)


def _workers(
    settings: Settings,
    writer: GroupCommit,
    clock: Clock,
    sandbox: Sandbox,
    pool: Pool,
    wakeups: Wakeups,
    owner: str,
    meters: Meters,
) -> dict[str, Worker]:
    events, vault = PostgresEventStore(pool, writer, settings.partitions), PostgresVault(pool)
    templates = ReceiptTemplates(settings.seller), CreditNoteTemplates(settings.seller)
    receipts = Receipts(events, vault, clock, *templates, settings.seller_time_zone)
    mail = events, vault, clock, timed(sandbox.mailer, "mail", meters), settings.mail_domain
    outside = Counterparties(
        timed(sandbox.payments, "payments", meters),
        timed(sandbox.admin_directory, "admin_directory", meters),
        timed(sandbox.provisioning, "provisioning", meters),
    )
    log = DirectLog(pool, wakeups)
    pace = Pace(at_once=settings.workers_at_once)
    work: dict[str, Work] = {
        fulfilment_todo.name: Fulfilment(events, vault, clock, outside, receipts),
        receipts_todo.name: ReceiptMail(*mail),
        notices_todo.name: NoticeMail(*mail, NoticeTemplates(settings.seller)),
        timers.name: Timers(events, clock),
    }
    return {
        name: Worker(PostgresWorkList(name, pool, log, wakeups, clock), each, owner, pace)
        for name, each in work.items()
    }


@asynccontextmanager
async def projecting(ledger: Ledger) -> AsyncIterator[None]:
    """Publish the events where the log is Kafka, and keep the read models up to date while the block runs."""
    if ledger.relay:
        ledger.relay.start()
    for projection in ledger.projections:
        projection.start()
    try:
        yield
    finally:
        await asyncio.gather(*(projection.stop() for projection in ledger.projections))
        if ledger.relay:
            await ledger.relay.stop()


@asynccontextmanager
async def working(ledger: Ledger) -> AsyncIterator[None]:
    """Carry orders out and mail receipts while the block runs."""
    tasks = [asyncio.create_task(worker.run(), name=name) for name, worker in ledger.workers.items()]
    try:
        yield
    finally:
        await ended(*tasks)
