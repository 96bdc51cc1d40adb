"""`seatledger log`: the log in Kafka followed, looked at, published again, and verified against the store."""

import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import typer
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.bootstrap import check_schema, owner_name
from adapters.cli.database import database
from adapters.cli.loop import run
from adapters.cli.orders.naming import order_named
from adapters.cli.projections import Speed
from adapters.cli.status import log_line
from adapters.cli.terminal import Refused, log_plainly, out, plain_errors
from adapters.log.event_log import LogRecord, LogRefused, LogUnavailable
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_relay import RelayLeaseLost
from adapters.log.kafka_topic import last_messages, look, must_be_set_right, recognise, source_of_ledger
from adapters.log.republishing import NothingToRebuild, republished
from adapters.log.tailing import Tail, tailed
from adapters.log.verifying import Verified, verified
from adapters.postgres.homes import Homes, connected
from adapters.postgres.projection_status import state_of
from adapters.postgres.publishing import Publication
from adapters.settings import Settings, SettingsError, from_environment
from domain.identifiers import account_id
from projections.catalogue import PROJECTIONS

Result = TypeVar("Result")


def access_of(settings: Settings) -> KafkaAccess:
    """Where the log is. Raises SettingsError where the store itself is the log."""
    if settings.kafka is None:
        message = "KAFKA_BOOTSTRAP_SERVERS: is not set, so the store itself is the log, and always right"
        raise SettingsError(message)
    return settings.kafka


def _with_publication(
    work: Callable[[Settings, KafkaAccess, Publication, Homes[AsyncConnection]], Awaitable[Result]],
) -> Result:
    """Do it on an open database; ends the command in plain words."""
    results: list[Result] = []
    with plain_errors():
        settings = from_environment()
        access = access_of(settings)
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, read_models=False)

            async def main() -> None:
                pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
                    found.application_url, kwargs={"autocommit": True}, min_size=1, max_size=4, open=False
                )
                async with pool, connected(found.homes) as connections:
                    results.append(await work(settings, access, Publication(pool), connections))

            run(main)
    return results[0]


def tail(account: str | None, order: str | None, *, beginning: bool, follow: bool, as_json: bool) -> None:
    """`log tail`."""

    async def wanted(
        _: Settings, access: KafkaAccess, __: Publication, homes: Homes[AsyncConnection]
    ) -> tuple[KafkaAccess, UUID | None, UUID | None]:
        order_id = None if order is None else await order_named(homes, order)
        return access, None if account is None else _account(account), order_id

    access, account_wanted, order_wanted = _with_publication(wanted)
    wants = Tail(account_wanted, order_wanted, beginning=beginning, follow=follow)
    with plain_errors():
        try:
            for record in tailed(access, wants):
                if as_json:
                    out.print(json.dumps(_as_json(record)), markup=False, highlight=False, soft_wrap=True)
                else:
                    out.print(_line(record), markup=False, highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            return


def _account(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        return account_id(said)


def _line(record: LogRecord) -> str:
    at = f"{record.recorded_at:%Y-%m-%d %H:%M:%S}"
    where = f"{record.position:>8} p{record.partition:<3} {at}"
    what = f"{record.topic.partition('.')[0]:<28} stream {record.originator_id} v{record.originator_version}"
    return f"{where} {what} account {record.account_id} by {record.actor_role}"


def _as_json(record: LogRecord) -> dict[str, Any]:
    known = {name: str(value) if isinstance(value, UUID) else value for name, value in record._asdict().items()}
    del known["state"]
    try:
        known["data"] = json.loads(record.state)
    except ValueError:
        known["data_base64"] = base64.b64encode(record.state).decode()
    return {**known, "recorded_at": record.recorded_at.isoformat(), "effective_at": record.effective_at.isoformat()}


def print_status(*, as_json: bool) -> None:
    """`log status`."""

    async def look_at(
        settings: Settings, access: KafkaAccess, publication: Publication, homes: Homes[AsyncConnection]
    ) -> dict[str, Any]:
        state = await publication.state()
        said: dict[str, Any] = {"topic": access.topic, "bootstrap_servers": access.bootstrap_servers, **asdict(state)}
        trouble, ends = None, dict[int, int]()
        try:
            topic = look(access)
            must_be_set_right(topic, access, settings.partitions) if topic.id else None
            lasts = last_messages(access, settings.partitions) if topic.id else {}
            ends = {partition: last.end for partition, last in lasts.items()}
            source = source_of_ledger(settings.ledger, state.ledger_id)
            await recognise(topic, lasts, state, publication, source)
        except (LogUnavailable, LogRefused) as error:
            trouble = str(error)
        store, reached = await publication.lasts(state.head), await publication.lasts(state.position)
        readers = [await state_of(homes, each) for each in PROJECTIONS]
        said["trouble"] = trouble
        said["partitions"] = [
            {
                "partition": partition,
                "store": store[partition],
                "published": reached[partition],
                "messages": ends.get(partition, 0),
                **{
                    each.name: next((it.position for it in each.checkpoints if it.partition == partition), None)
                    for each in readers
                },
            }
            for partition in sorted(store)
        ]
        said["line"] = log_line(state)
        return said

    found = _with_publication(look_at)
    line = found.pop("line")
    if as_json:
        out.print_json(json.dumps(found, default=str))
    else:
        out.print(f"Topic {found['topic']} at {found['bootstrap_servers']}.", highlight=False, soft_wrap=True)
        out.print(line, highlight=False, soft_wrap=True)
        table = Table(box=None)
        for heading in found["partitions"][0]:
            table.add_column(heading, justify="right")
        for each in found["partitions"]:
            table.add_row(*("-" if value is None else str(value) for value in each.values()))
        out.print(table)
        if found["spoilt"]:
            out.print(
                f"{found['spoilt']} messages could not be read and are kept in projecting.spoilt.", style="yellow"
            )
        if found["trouble"]:
            out.print(found["trouble"], style="red", markup=False, highlight=False, soft_wrap=True)
    if found["trouble"]:
        raise typer.Exit(1)


def rebuild(*, even_if_well: bool, as_json: bool) -> None:
    """`log rebuild`."""
    log_plainly()

    async def publish(
        settings: Settings, access: KafkaAccess, publication: Publication, _: Homes[AsyncConnection]
    ) -> dict[str, Any]:
        with _bar("publishing", quiet=as_json) as told:
            try:
                done = await republished(
                    access,
                    settings.ledger,
                    settings.partitions,
                    publication,
                    f"rebuild:{owner_name()}",
                    told,
                    even_if_well=even_if_well,
                )
            except NothingToRebuild:
                message = "the topic has every event already; to publish all of it again all the same: --even-if-well"
                raise Refused(message) from None
            except RelayLeaseLost:
                message = "another process took the relay over; run it again"
                raise Refused(message) from None
        return asdict(done)

    done = _with_publication(publish)
    if as_json:
        out.print_json(json.dumps(done))
        return
    if done["was"]:
        out.print(f"It was wrong: {done['was']}.", markup=False, highlight=False, soft_wrap=True)
    rate = done["events"] / max(done["seconds"], 0.001)
    out.print(f"{done['events']} events published again, {rate:,.0f} a second; readers go on.", highlight=False)


def verify(*, as_json: bool) -> None:
    """`log verify`."""

    async def compare(
        settings: Settings, access: KafkaAccess, publication: Publication, _: Homes[AsyncConnection]
    ) -> Verified:
        with _bar("verifying", quiet=as_json) as told:
            return await verified(access, settings.ledger, settings.partitions, publication, told)

    found = _with_publication(compare)
    if as_json:
        out.print_json(json.dumps({**asdict(found), "well": found.well}))
    else:
        print_verified(found)
    if not found.well:
        raise typer.Exit(1)


def print_verified(found: Verified) -> None:
    """What was found, in a few lines."""
    if found.well:
        line = f"All {found.events} events are on the topic, each as it is in the store and in order by account"
        out.print(
            f"{line}; {found.duplicates} duplicates, which readers skip.",
            style="green",
            highlight=False,
            soft_wrap=True,
        )
        return
    wrong = ", ".join(
        f"{count} {what}"
        for what, count in (
            ("lost", found.lost),
            ("out of order", found.out_of_order),
            ("different from the store", found.different),
            ("not readable", found.spoilt),
            ("not of this store", found.foreign),
        )
        if count
    )
    out.print(f"Of {found.messages} messages and {found.events} events: {wrong}.", style="red", highlight=False)
    for each in found.first:
        out.print(f"  {each}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn()
    with Progress(*columns, console=out, transient=True, disable=quiet or not out.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
