"""Shows how far seeding is."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from adapters.ledger import Ledger
from adapters.seeding.sample_accounts import seed


async def seeding_with_progress(ledger: Ledger, out: Console) -> None:
    """Seed the ledger, with a bar where somebody watches, and say what was added."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("Sample accounts", total=None)
        added = await seed(ledger, lambda done, total: progress.update(task, completed=done, total=total))
    out.print(f"Added {added} sample accounts." if added else "The sample accounts are there.", highlight=False)
