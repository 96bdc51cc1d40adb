"""`seatledger care`: the list of Corporate Account Services, oldest first."""

from contextlib import AsyncExitStack
from typing import Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from adapters.bootstrap import check_schema
from adapters.cli.terminal import as_json_text
from adapters.http.api.representations import CareView
from adapters.postgres.homes import Homes
from adapters.postgres.read_models import PAGE_AT_MOST, CareEntry, care_page
from adapters.settings import Settings

_INSTANT: Final = "%Y-%m-%d %H:%M UTC"


async def print_care(settings: Settings, urls: Homes[str], out: Console, *, as_json: bool) -> None:
    """Print what happened, since when, and what to do."""
    check_schema(urls.ledger, settings)
    entries = await _listed(urls)
    if as_json:
        out.print_json(as_json_text([CareView.of(entry).model_dump(mode="json") for entry in entries]))
        return
    for view in map(CareView.of, entries):
        subject = view.subject_number or view.subject_id
        out.print(
            Text.assemble(
                (f"{subject}", "bold"), f" of {view.account_number or view.account_id}, ", (view.care, "red")
            ),
            Text(f"since {view.since:{_INSTANT}}", "dim"),
        )
        out.print(Padding(Text(f"{view.happened} ({view.detail})\n{view.to_do}"), (0, 0, 1, 2)))
    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}" if entries else "Nothing"
    out.print(f"{count} on the care list.", highlight=False)


def _pool(url: str) -> AsyncConnectionPool[AsyncConnection]:
    return AsyncConnectionPool(url, min_size=1, max_size=1, open=False, timeout=5)


async def _listed(urls: Homes[str]) -> list[CareEntry]:
    entries: list[CareEntry] = []
    cursor: str | None = None
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(_pool(urls.ledger))
        pools = Homes(pool, await stack.enter_async_context(_pool(urls.elsewhere)) if urls.elsewhere else None)
        while True:
            page = await care_page(pools, PAGE_AT_MOST, cursor)
            entries += page.items
            if page.next is None:
                return entries
            cursor = page.next
