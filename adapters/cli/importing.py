"""`seatledger import`: accounts and subscriptions from CSV files, with progress, a report and a dry run."""

import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.bootstrap import check_schema, opened_ledger
from adapters.cli.database import database, migrated
from adapters.cli.loop import run
from adapters.importing.csv_files import CsvFile
from adapters.importing.report import Report, reporting
from adapters.importing.running import Files, Import, Tally
from adapters.settings import Settings, SettingsError
from services.importing import Fate

_SHOWN, _SHOWN_AS_JSON = 20, 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options."""

    accounts: Path | None
    subscriptions: Path | None
    report: Path | None
    dry_run: bool
    as_json: bool


def run_import(settings: Settings, asked: Asked, out: Console, err: Console) -> bool:
    """Import and say what came of it; False if a row was refused or differs. Raises UnusableFile first of all."""
    inputs = [path for path in (asked.accounts, asked.subscriptions) if path]
    if not inputs:
        message = "import: name --accounts FILE, --subscriptions FILE or both"
        raise SettingsError(message)
    with ExitStack() as stack:
        files = Files(stack, asked.accounts, asked.subscriptions)
        report = stack.enter_context(reporting(asked.report, inputs, _SHOWN_AS_JSON if asked.as_json else _SHOWN))
        found = stack.enter_context(database(settings, stop_after=False))
        if found.is_embedded:
            migrated(found, settings)
        check_schema(found.application_url, settings)
        began = time.monotonic()
        done: list[Import] = []

        async def main() -> None:
            done.append(await _carried_through(settings, found.application_url, files, report, err, asked))

        run(main)
        return _said(done[0], report, asked, time.monotonic() - began, out)


async def _carried_through(
    settings: Settings, url: str, files: Files, report: Report, err: Console, asked: Asked
) -> Import:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeRemainingColumn(),
    )
    async with opened_ledger(settings, url) as ledger:
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
            tasks: dict[CsvFile, TaskID] = {
                file: progress.add_task(what, total=file.size or None, rows=0)
                for what, file in (("Accounts", files.accounts), ("Subscriptions", files.subscriptions))
                if file
            }

            def advanced(file: CsvFile, tally: Tally) -> None:
                progress.update(tasks[file], completed=file.bytes_read, rows=tally.rows)

            done = Import(ledger.importing, ledger.clock, report, advanced, dry_run=asked.dry_run)
            await done.run(files)
    return done


def _said(done: Import, report: Report, asked: Asked, seconds: float, out: Console) -> bool:
    all_in = done.accounts.all_in and done.subscriptions.all_in
    if asked.as_json:
        out.print_json(json.dumps(_as_json(done, report, asked, seconds)))
        return all_in
    _print_counts(done, asked, seconds, out)
    for found in report.kept:
        line = f"{found.file}:{found.line} {found.fate} {found.field}: {found.wrong}. {found.remedy}"
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.left_out:
        where = f"all are in {asked.report}" if asked.report else "--report FILE writes all"
        out.print(f"And {report.left_out} more: {where}.", markup=False, highlight=False, soft_wrap=True)
    return all_in


def _print_counts(done: Import, asked: Asked, seconds: float, out: Console) -> None:
    added = "would be added" if asked.dry_run else "added"
    table = Table(box=None)
    for heading in ("", "rows", added, "unchanged", "different", "refused"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, tally in (("accounts", done.accounts), ("subscriptions", done.subscriptions)):
        table.add_row(name, str(tally.rows), *(str(tally.counts[fate]) for fate in Fate))
    out.print(table)
    rows = done.accounts.rows + done.subscriptions.rows
    end = "Nothing was stored: this was a dry run." if asked.dry_run else "Stored. Importing again adds nothing twice."
    out.print(f"{rows} rows in {seconds:.1f} s. {end}", highlight=False)


def _as_json(done: Import, report: Report, asked: Asked, seconds: float) -> dict[str, Any]:
    tallies = {
        name: {"rows": tally.rows, **{fate.value: tally.counts[fate] for fate in Fate}}
        for name, tally in (("accounts", done.accounts), ("subscriptions", done.subscriptions))
    }
    return {
        "dry_run": asked.dry_run,
        **tallies,
        "findings": [asdict(found) for found in report.kept],
        "findings_left_out": report.left_out,
        "seconds": round(seconds, 3),
    }
