"""The commands with which operators see to read models and to what is parked."""

from typing import Annotated, Final

import typer

projections: Final = typer.Typer(help="Read models and to-do lists: list, rebuild, compare.", no_args_is_help=True)
parked: Final = typer.Typer(help="Events that a projection could not take: list, show, retry.", no_args_is_help=True)

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
