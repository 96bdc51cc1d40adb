"""`seatledger orders`: one order looked at from all sides, and what Corporate Account Services does about one."""

from typing import Annotated

import typer

from adapters.cli.database import database
from adapters.cli.loop import run
from adapters.cli.terminal import out, plain_errors
from adapters.settings import from_environment

orders = typer.Typer(name="orders", help="Look at an order, and help one that is stuck.", no_args_is_help=True)

Order = Annotated[str, typer.Argument(metavar="ORDER", help="the order's id, or its number (O-XXXXX-XXXXX)")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would happen")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
ActingAs = Annotated[
    str, typer.Option("--as", metavar="STAFF-ID", help="who is recorded as having done it: an opaque id, never a name")
]


@orders.command()
def show(order: Order, as_json: AsJson = False) -> None:
    """How far the order is, whose turn it is, who works on it, and all that happened."""
    from adapters.cli.orders.looking import show_order  # noqa: PLC0415 -- see adapters.cli.main

    with plain_errors():
        settings = from_environment()
        with database(settings, stop_after=False) as found:
            run(lambda: show_order(settings, found.homes, order, out, as_json=as_json))


@orders.command()
def retry(order: Order, as_json: AsJson = False) -> None:
    """Let the workers take the order up at once: ends the rest after a failed try, and takes nothing from a worker."""
    from adapters.cli.orders.looking import retry_order  # noqa: PLC0415

    with plain_errors():
        settings = from_environment()
        with database(settings, stop_after=False) as found:
            run(lambda: retry_order(settings, found.homes, order, out, as_json=as_json))


@orders.command()
def cancel(
    order: Order,
    reason: Annotated[
        str,
        typer.Option(metavar="CODE", help="customer_request, duplicate, fraud_suspected or contract_change"),
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
    acting_as: ActingAs = "cli",
    as_json: AsJson = False,
) -> None:
    """Call the order off: what has seats is charged, the rest is given up. Says what will happen and asks first."""
    from adapters.cli.orders.acting import Cancelling, act  # noqa: PLC0415

    with plain_errors():
        step, settings = Cancelling(reason), from_environment()
        with database(settings, stop_after=False) as found:
            act(settings, found, order, step, out, acting_as, dry_run=dry_run, yes=yes, as_json=as_json)


@orders.command()
def release(
    order: Order,
    subscription: Annotated[str, typer.Option(metavar="ID|NUMBER", help="whose seats nobody waits for any more")],
    dry_run: DryRun = False,
    yes: Yes = False,
    acting_as: ActingAs = "cli",
    as_json: AsJson = False,
) -> None:
    """Give up waiting for a subscription's seats: nobody pays for them. Says what will happen and asks first."""
    from adapters.cli.orders.acting import Releasing, act  # noqa: PLC0415

    with plain_errors():
        step, settings = Releasing(subscription), from_environment()
        with database(settings, stop_after=False) as found:
            act(settings, found, order, step, out, acting_as, dry_run=dry_run, yes=yes, as_json=as_json)
