"""The commands. Exit 0: done; 1: refused or found wrong; 2: wrong use or settings."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import operating
from adapters.cli.asking import asking
from adapters.cli.database import database, migrated, must_be_external
from adapters.cli.loop import collect_seldom, run
from adapters.cli.orders import orders
from adapters.cli.terminal import err, log_plainly, out, plain_errors
from adapters.postgres.embedded import erase
from adapters.settings import Settings, SettingsError, from_environment

app = typer.Typer(
    name="seatledger",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(operating.projections, name="projections")
app.add_typer(operating.parked, name="parked")
app.add_typer(operating.log, name="log")
app.add_typer(orders, name="orders")


@app.callback()
def before_all() -> None:
    """Order processing behind the Corporate Billing Portal."""
    collect_seldom()  # before the imports of the commands, which make the most


@app.command()
def dev() -> None:
    """Everything in one terminal: embedded PostgreSQL, sample accounts, API, workers, inbox."""
    from adapters.cli.dev import run_dev  # noqa: PLC0415 -- each command imports what it needs: starting is felt

    log_plainly()
    with plain_errors():
        run_dev(_sandboxed(from_environment()), out)


@app.command()
def demo(
    kafka: Annotated[bool, typer.Option("--kafka", help="with the log on KAFKA_BOOTSTRAP_SERVERS")] = False,
) -> None:
    """Walk every way an order can go, in German on a throw-away instance, and check each from all books there are."""
    from adapters.cli.demo import run_demo  # noqa: PLC0415

    with plain_errors():
        brokers = from_environment().kafka_bootstrap_servers if kafka else None
        if kafka and brokers is None:
            message = "KAFKA_BOOTSTRAP_SERVERS: name the brokers, or run `make demo KAFKA=1`"
            raise SettingsError(message)
        if not run_demo(out, brokers):
            raise typer.Exit(1)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """How far everything is: log, projections, to-do lists, orders."""
    from adapters.cli.status import print_status  # noqa: PLC0415

    with plain_errors():
        settings = from_environment()
        with database(settings, stop_after=False) as found:
            if not print_status(settings, found.homes, out, as_json=as_json):
                raise typer.Exit(1)


@app.command()
def care(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """What Corporate Account Services has to look at: what happened, since when, and what to do."""
    from adapters.cli.care import print_care  # noqa: PLC0415

    with plain_errors():
        settings = from_environment()
        with database(settings, stop_after=False) as found:
            run(lambda: print_care(settings, found.homes, out, as_json=as_json))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Check everything that a start needs, one line each, with what to do where something is missing."""
    from adapters.cli.doctor import diagnose  # noqa: PLC0415

    if not diagnose(out, as_json=as_json):
        raise typer.Exit(2)


@app.command()
def serve(
    workers: Annotated[bool, typer.Option(help="work off the to-do lists in this process, too")] = False,
    projections: Annotated[bool, typer.Option(help="keep the read models up to date in this process, too")] = True,
) -> None:
    """Serve the API on a migrated database (DATABASE_URL)."""
    from adapters.bootstrap import check_log, check_schema  # noqa: PLC0415
    from adapters.cli.serving import listening_socket, serve_api  # noqa: PLC0415

    log_plainly()
    with plain_errors():
        settings = from_environment()
        must_be_external(settings)
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, waits=True)
            check_log(settings)
            listener = listening_socket(settings)
            run(
                lambda: serve_api(
                    settings, found.application_url, listener, with_workers=workers, with_projections=projections
                )
            )


@app.command()
def work() -> None:
    """Carry out orders and mail receipts (DATABASE_URL)."""
    from adapters.bootstrap import check_log, check_schema  # noqa: PLC0415
    from adapters.cli.serving import listening_socket, work_only  # noqa: PLC0415

    log_plainly()
    with plain_errors():
        settings = from_environment()
        must_be_external(settings)
        with database(settings, stop_after=False) as found:
            check_schema(found.application_url, settings, waits=True)
            check_log(settings)
            port = settings.metrics_port
            listener = listening_socket(settings, port, "METRICS_PORT") if port else None
            run(lambda: work_only(settings, found.application_url, listener))


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date (DATABASE_OWNER_URL, else DATABASE_URL, else the embedded server).

    And that of the read models' own database, if READ_DATABASE_URL names one.
    """
    from adapters.postgres import read_database, schema  # noqa: PLC0415

    with plain_errors():
        settings = from_environment()
        to_rebuild: list[str] = []
        with database(settings, stop_after=False) as found:
            before, read_before = migrated(found, settings)
            for url, residents in found.owners.residents():
                to_rebuild += schema.read_models_to_rebuild(url, residents)
        _say_revision("The schema", before, schema.HEAD)
        if found.owners.are_two:
            _say_revision("The schema of READ_DATABASE_URL", read_before, read_database.HEAD)
        for line in to_rebuild:
            out.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


@app.command()
def seed() -> None:
    """Put about 50 sample accounts into the ledger; again, it adds nothing."""
    from adapters.bootstrap import opened_ledger, projecting  # noqa: PLC0415
    from adapters.cli.progress import seeding_with_progress  # noqa: PLC0415

    with plain_errors():
        settings = _sandboxed(from_environment())
        with database(settings, stop_after=False) as found:

            async def main() -> None:
                async with opened_ledger(settings, found.application_url) as ledger, projecting(ledger):
                    await seeding_with_progress(ledger, out)
                    for each in ledger.projections:
                        await each.caught_up()  # or `status` would call it behind

            run(main)


@app.command("import")
def import_files(
    accounts: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV file of accounts")] = None,
    subscriptions: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV file of subscriptions")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, store nothing")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="write each bad row to this CSV file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Add accounts and subscriptions from CSV files; what is there already is left alone."""
    from adapters.cli.importing import Asked, run_import  # noqa: PLC0415

    with plain_errors():
        settings = from_environment()
        settings = settings if settings.database_url else _sandboxed(settings)
        if not run_import(settings, Asked(accounts, subscriptions, report, dry_run, as_json), out, err):
            raise typer.Exit(1)


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete the embedded server's data of this checkout: every event of it is lost."""
    with plain_errors():
        settings = from_environment()
        if not settings.data_folder.exists():
            out.print("Nothing to delete.")
            return
        if not yes and not typer.confirm(f"Delete all data in {settings.data_folder}?"):
            raise typer.Exit(1)
        erase(settings.data_folder)
        out.print("Deleted. The next `make run` begins anew.")


def _say_revision(what: str, before: str | None, now: str) -> None:
    out.print(f"{what} is at {now}" + (" as before." if before == now else f" (was {before or 'empty'})."))


def _sandboxed(settings: Settings) -> Settings:
    return settings.model_copy(update={"sandbox": True})


asking(app)

if __name__ == "__main__":
    app()
