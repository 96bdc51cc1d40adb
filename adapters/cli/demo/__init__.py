"""`seatledger demo`: every way an order can go, in German, on an instance that is thrown away."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import httpx2
from rich.console import Console

from adapters.cli.demo.balancing import balanced
from adapters.cli.demo.books import Books, gathered
from adapters.cli.demo.checking import Check
from adapters.cli.demo.instance import throw_away_instance
from adapters.cli.demo.stage import Stage, WalkFailed, indented
from adapters.cli.demo.ways import WAYS, Way
from adapters.cli.loop import run


def run_demo(out: Console, kafka: str | None = None) -> bool:
    """Walk and check; False if a check failed. Raises SettingsError if no instance could be started.

    `kafka`: brokers to have the log on, which is then compared with the store.
    """
    with throw_away_instance(out, kafka) as (base, settings):
        return demonstrated(base, out) and (kafka is None or _all_is_on_the_topic(settings))


def _all_is_on_the_topic(settings: dict[str, str]) -> bool:
    """`seatledger log verify`, as an operator runs it."""
    command = [sys.executable, "-m", "adapters.cli.main", "log", "verify"]
    done = subprocess.run(command, env={**os.environ, **settings}, check=False)  # noqa: S603 -- it is this program
    return done.returncode == 0


def demonstrated(base: str, out: Console) -> bool:
    """The same against an instance of `seatledger dev` at this address that nobody has ordered from."""
    began, found = time.monotonic(), dict[str, list[Check]]()

    async def main() -> None:
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            stage = Stage(client, out)
            ways = await walked(stage)
            for title, check in checks(ways, await looked_up(stage, ways)):
                found.setdefault(title, []).append(check)

    try:
        run(main)
    except WalkFailed as failure:
        out.print()
        indented(out, f"✗ {failure}", 0, "red")
        return False
    return _reported(found, out, time.monotonic() - began)


async def walked(stage: Stage) -> list[Way]:
    """Walk all ways, one after the other. Raises WalkFailed."""
    ways: list[Way] = []
    for number, way in enumerate(WAYS, 1):
        stage.way(f"{number}/{len(WAYS)}  {way.title}")
        ways.append(await way.walked(stage))
    return ways


async def looked_up(stage: Stage, ways: Sequence[Way]) -> Books:
    """What everybody says now. Raises WalkFailed if somebody doesn't answer."""
    return await gathered(stage, [customer for way in ways for customer in way.customers])


def checks(ways: Sequence[Way], books: Books) -> Iterator[tuple[str, Check]]:
    """Every check with its way's title."""
    for way in ways:
        yield from ((way.title, check) for check in way.checks(books))
    yield from (("Alle Wege", check) for check in balanced(ways, books))


def _reported(found: dict[str, list[Check]], out: Console, seconds: float) -> bool:
    out.print()
    out.rule("[bold]Checked from the API, the mail and the counterparties' own books", align="left")
    for title, its in found.items():
        out.print(f"\n{title}", style="bold", markup=False, highlight=False)
        step = ""
        for check in its:
            if check.step != step:
                step = check.step
                out.print(f"  {step}", markup=False, highlight=False)
            _print_check(check, out)
    every = [check for its in found.values() for check in its]
    failed = sum(not check.holds for check in every)
    out.print(f"\n{len(found) - 1} ways in {seconds:.0f} s.", highlight=False)
    said = f"{failed} of {len(every)} checks failed." if failed else f"All {len(every)} checks hold."
    out.print(said, style="bold red" if failed else "bold green", highlight=False)
    return not failed


def _print_check(check: Check, out: Console) -> None:
    mark, style = ("✓", "green") if check.holds else ("✗", "red")
    indented(out, f"{mark} {check.sentence}", 4, style)
    if not check.holds:
        indented(out, f"expected {check.expected!r}\nfound    {check.found!r}", 6)
