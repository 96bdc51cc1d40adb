"""The commands with which operators see to read models and to what is parked."""

from typing import Annotated, Final

import typer

projections: Final = typer.Typer(help="Read models and to-do lists: list, rebuild, compare.", no_args_is_help=True)
parked: Final = typer.Typer(help="Events that a projection could not take: list, show, retry.", no_args_is_help=True)

log: Final = typer.Typer(help="The log in Kafka: follow, look, publish again, verify.", no_args_is_help=True)

Name = Annotated[str | None, typer.Argument(help="a projection's name; without it, all in turn")]
ForProjection = Annotated[str | None, typer.Argument(metavar="[PROJECTION]", help="of this projection only")]
ForAccount = Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", help="of this account only: number or id")]
EvenIfParked = Annotated[bool, typer.Option(help="even if accounts would be parked that the live one has whole")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@projections.command("list")
def list_projections(name: Name = None, as_json: AsJson = False) -> None:
    """Version, checkpoint of each partition, events behind, what is parked, rows."""
    from adapters.cli.projections import print_projections  # noqa: PLC0415 -- starting is felt

    print_projections(name, as_json=as_json)


@projections.command()
def rebuild(name: Name = None, as_json: AsJson = False, even_if_parked: EvenIfParked = False) -> None:
    """Build it from the log beside the live one, compare, and put it in its place; the service goes on meanwhile."""
    from adapters.cli.projections import rebuild_projections  # noqa: PLC0415

    rebuild_projections(name, as_json=as_json, even_if_parked=even_if_parked)


@projections.command()
def compare(name: Name = None, as_json: AsJson = False) -> None:
    """Build it beside the live one, name each row that differs, and drop it again. Exit 1 if one does."""
    from adapters.cli.projections import compare_projections  # noqa: PLC0415

    compare_projections(name, as_json=as_json)


@parked.command("list")
def list_parked(projection: ForProjection = None, account: ForAccount = None, as_json: AsJson = False) -> None:
    """Each account that is parked, with the event that it is stopped at."""
    from adapters.cli.parked import print_parked  # noqa: PLC0415

    print_parked(projection, account, as_json=as_json)


@parked.command()
def show(projection: ForProjection = None, account: ForAccount = None, as_json: AsJson = False) -> None:
    """The parked events with their bytes, at most 100 an account. Exit 1 if there are none."""
    from adapters.cli.parked import print_events  # noqa: PLC0415

    print_events(projection, account, as_json=as_json)


@parked.command()
def retry(projection: ForProjection = None, account: ForAccount = None, as_json: AsJson = False) -> None:
    """Fold parked events in order; an account goes on once all of its are in. Exit 1 if one is still parked."""
    from adapters.cli.parked import retry_parked  # noqa: PLC0415

    retry_parked(projection, account, as_json=as_json)


@log.command()
def tail(
    account: Annotated[str | None, typer.Option(help="events of this account only: number or id")] = None,
    order: Annotated[str | None, typer.Option(help="events of this order only: number or id")] = None,
    beginning: Annotated[bool, typer.Option("--beginning", help="from the first event on, not only new ones")] = False,
    follow: Annotated[bool, typer.Option(help="wait for more")] = True,
    as_json: AsJson = False,
) -> None:
    """Follow the events on the topic until Ctrl-C."""
    from adapters.cli.log import tail as tail_log  # noqa: PLC0415

    tail_log(account, order, beginning=beginning, follow=follow, as_json=as_json)


@log.command()
def status(as_json: AsJson = False) -> None:
    """Positions and lag of each partition, and who publishes. Exit 1 if the topic is not as it must be."""
    from adapters.cli.log import print_status  # noqa: PLC0415

    print_status(as_json=as_json)


@log.command("rebuild")
def rebuild_log(
    even_if_well: Annotated[bool, typer.Option("--even-if-well", help="also a topic that has all it should")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the topic and publish every event again from the store; services and readers go on meanwhile."""
    from adapters.cli.log import rebuild as rebuild_topic  # noqa: PLC0415

    rebuild_topic(even_if_well=even_if_well, as_json=as_json)


@log.command()
def verify(as_json: AsJson = False) -> None:
    """Compare the topic with the store, event by event. Exit 1 if one is lost, out of order or different."""
    from adapters.cli.log import verify as verify_log  # noqa: PLC0415

    verify_log(as_json=as_json)
