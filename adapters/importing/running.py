"""Carries an import through: files in portions to the service, verdicts to the report, counts to whoever watches."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from adapters.importing.csv_files import CsvFile, Record, opened
from adapters.importing.report import Report
from adapters.importing.rows import AccountCsvRow, CsvRow, SubscriptionCsvRow
from adapters.importing.rows_seen import RowsSeen, rows_seen
from services.importing import Fate, Importing, Problem, Verdict
from services.ports import Clock

_PORTION: Final = 256  # rows whose commands run at the same time, so that group commit writes them together

Row = TypeVar("Row", bound=CsvRow)


@dataclass(slots=True)
class Tally:
    """How many rows of a file met which fate."""

    counts: Counter[Fate] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """All of them so far."""
        return self.counts.total()

    @property
    def all_in(self) -> bool:
        """Whether no row was refused and none differs."""
        return not self.counts[Fate.REFUSED] and not self.counts[Fate.DIFFERENT]


class Files:
    """The files of one import, opened and found to be the right ones."""

    def __init__(self, stack: ExitStack, accounts: Path | None, subscriptions: Path | None) -> None:
        """Open them for as long as the stack is. Raises UnusableFile."""
        self.accounts = stack.enter_context(_opened(accounts, AccountCsvRow)) if accounts else None
        self.subscriptions = stack.enter_context(_opened(subscriptions, SubscriptionCsvRow)) if subscriptions else None


class Import:
    """One import. `advanced` is called after each portion with the file and its tally."""

    def __init__(
        self,
        importing: Importing,
        clock: Clock,
        report: Report,
        advanced: Callable[[CsvFile, Tally], None],
        *,
        dry_run: bool,
    ) -> None:
        """Report to this."""
        self._importing, self._clock, self._report = importing, clock, report
        self._advanced, self._dry_run = advanced, dry_run
        self.accounts, self.subscriptions = Tally(), Tally()

    async def run(self, files: Files) -> None:
        """All accounts, then all subscriptions. May raise StoreUnavailable and UnusableFile: begin again then."""
        with rows_seen() as seen:
            if files.accounts:
                for portion in _portions(files.accounts):
                    await self._take_accounts(files.accounts, portion, seen)
            if files.subscriptions:
                for portion in _portions(files.subscriptions):
                    await self._take_subscriptions(files.subscriptions, portion, seen)

    async def _take_accounts(self, file: CsvFile, portion: Sequence[Record], seen: RowsSeen) -> None:
        good, verdicts = _sorted(portion, AccountCsvRow, seen.account)
        commands = [row.command for row in good.values()]
        decided = await self._importing.accounts(commands, await self._clock.now(), dry_run=self._dry_run)
        for (line, row), verdict in zip(good.items(), decided, strict=True):
            verdicts[line] = verdict
            if verdict.fate is not Fate.REFUSED:
                seen.accepted(row.number, row.currency)
        self._note(file, verdicts, self.accounts)

    async def _take_subscriptions(self, file: CsvFile, portion: Sequence[Record], seen: RowsSeen) -> None:
        good, verdicts = _sorted(portion, SubscriptionCsvRow, seen.subscription)
        rows = [row.asked for row in good.values()]
        in_file = seen.accounts(row.account_number for row in rows)
        decided = await self._importing.subscriptions(rows, in_file, await self._clock.now(), dry_run=self._dry_run)
        verdicts.update(zip(good, decided, strict=True))
        self._note(file, verdicts, self.subscriptions)

    def _note(self, file: CsvFile, verdicts: dict[int, Verdict], tally: Tally) -> None:
        for line, verdict in sorted(verdicts.items()):
            tally.counts[verdict.fate] += 1
            for problem in verdict.problems:
                self._report.add(file.path, line, verdict.fate, problem)
        self._advanced(file, tally)


def _opened(path: Path, row: type[CsvRow]) -> AbstractContextManager[CsvFile]:
    return opened(path, row.columns(), row.required())


def _portions(file: Iterable[Record]) -> Iterator[list[Record]]:
    records = iter(file)
    while portion := list(islice(records, _PORTION)):
        yield portion


def _sorted(
    portion: Iterable[Record], kind: type[Row], first_line: Callable[[str, int], int]
) -> tuple[dict[int, Row], dict[int, Verdict]]:
    """The rows to ask the service about, by line, and the verdicts on the others."""
    good: dict[int, Row] = {}
    verdicts: dict[int, Verdict] = {}
    for record in portion:
        row = record.cells if isinstance(record.cells, Problem) else kind.read(record.cells)
        problems = [row] if isinstance(row, Problem) else list(row) if isinstance(row, tuple) else []
        if not isinstance(record.cells, Problem) and all(problem.field != "number" for problem in problems):
            first = first_line(record.cells["number"], record.line)
            if first != record.line:
                wrong, remedy = f"stands in line {first} as well", "Leave one of the two; the first one counts."
                problems.insert(0, Problem("number", wrong, remedy))
        if problems:
            verdicts[record.line] = Verdict(Fate.REFUSED, tuple(problems))
        else:
            assert isinstance(row, kind)
            good[record.line] = row
    return good, verdicts
