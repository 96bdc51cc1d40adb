"""An import of files into a ledger in memory: what gets in, what is reported, and what is not said."""

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from adapters.importing.report import COLUMNS, reporting
from adapters.importing.rows import AccountCsvRow, SubscriptionCsvRow
from adapters.importing.running import Files, Import
from adapters.importing.unusable_file import UnusableFile
from domain.identifiers import account_id
from services.importing import Fate
from tests.world import World

GOOD = "A-{},DE,EUR,de,Europe/Berlin,dach,Firma {} GmbH,Anna Weber,anna@firma.example,Weg 1,50674,Köln,,,,tok_visa"
STARTED = "S-{},A-{},goto_meeting,10,228.00,2026-01-01,2027-01-01"


class Done(NamedTuple):
    """What came of an import: fates by file, and the report's rows without the file names."""

    accounts: dict[Fate, int]
    subscriptions: dict[Fate, int]
    report: list[tuple[str, str, str, str]]


async def imported(
    world: World,
    folder: Path,
    accounts: list[str] | None = None,
    subscriptions: list[str] | None = None,
    *,
    dry_run: bool = False,
) -> Done:
    """Import these rows under the right first line."""
    paths: list[Path | None] = []
    for name, kind, rows in (("a.csv", AccountCsvRow, accounts), ("s.csv", SubscriptionCsvRow, subscriptions)):
        paths.append(folder / name if rows is not None else None)
        (folder / name).write_text("\n".join([",".join(kind.columns()), *(rows or [])]), "utf-8", "surrogateescape")
    report = folder / "report.csv"
    with ExitStack() as stack, reporting(report, [], keep=0) as kept:
        done = Import(world.importing, world.clock, kept, lambda *_: None, dry_run=dry_run)
        await done.run(Files(stack, *paths))
    with report.open(encoding="utf-8", newline="") as source:
        first, *findings = csv.reader(source)
    assert tuple(first) == COLUMNS
    assert len(findings) == kept.left_out
    found = [(Path(file).name, line, fate, field) for file, line, fate, field, _, _ in findings]
    return Done(dict(done.accounts.counts), dict(done.subscriptions.counts), found)


def account(which: int, **changed: str) -> str:
    cells = dict(zip(AccountCsvRow.columns(), GOOD.format(which, which).split(","), strict=True))
    return ",".join({**cells, **changed}.values())


def subscription(which: int, owner: int, **changed: str) -> str:
    cells = dict(zip(SubscriptionCsvRow.columns(), STARTED.format(which, owner).split(","), strict=True))
    return ",".join({**cells, **changed}.values())


@pytest.fixture
def world() -> World:
    return World()


async def test_rows_in_many_portions_all_get_in_and_once(world: World, tmp_path: Path) -> None:
    rows = [account(each) for each in range(300)], [subscription(each, each % 300) for each in range(600)]
    assert await imported(world, tmp_path, *rows) == ({Fate.ADDED: 300}, {Fate.ADDED: 600}, [])
    before = len(world.events.recorded)
    assert await imported(world, tmp_path, *rows) == ({Fate.UNCHANGED: 300}, {Fate.UNCHANGED: 600}, [])
    assert len(world.events.recorded) == before == 300 * 2 + 600


async def test_a_bad_row_is_reported_by_line_and_field_and_loses_nothing_else(world: World, tmp_path: Path) -> None:
    accounts = [
        account(1),
        account(2, country="Germany"),
        account(3, vat_id="DE136695977"),
        account(4, currency="USD"),
        account(5, city="K\udcf6ln"),
        account(6, payment_token="tok_nobody"),
        account(7, legal_name="4242424242424242"),
        account(1, city="Bonn"),
        account(8, city='"Köln\n"'),
        account(9, city='"Köln\nSüd"'),
        account(10),
        account(11) + ",more",
    ]
    subscriptions = [
        subscription(1, 1),
        subscription(2, 2),
        subscription(3, 99),
        subscription(1, 10),
        subscription(4, 10),
    ]
    done = await imported(world, tmp_path, accounts, subscriptions)
    assert done.accounts == {Fate.ADDED: 3, Fate.REFUSED: 9}
    assert done.subscriptions == {Fate.ADDED: 2, Fate.REFUSED: 3}
    assert done.report == [
        ("a.csv", "3", "refused", "country"),
        ("a.csv", "4", "refused", "vat_id"),
        ("a.csv", "5", "refused", "currency"),
        ("a.csv", "6", "refused", "city"),
        ("a.csv", "7", "refused", "payment_token"),
        ("a.csv", "8", "refused", "legal_name"),
        ("a.csv", "9", "refused", "number"),
        ("a.csv", "12", "refused", "city"),
        ("a.csv", "15", "refused", "(row)"),
        ("s.csv", "3", "refused", "account_number"),
        ("s.csv", "4", "refused", "account_number"),
        ("s.csv", "5", "refused", "number"),
    ]
    report = (tmp_path / "report.csv").read_text(encoding="utf-8")
    for personal in ("Anna", "anna@", "Weg 1", "GmbH", "tok_", "136695977", "4242"):
        assert personal not in report, personal


async def test_a_second_row_of_a_refused_number_is_a_double_as_well(world: World, tmp_path: Path) -> None:
    done = await imported(world, tmp_path, [account(1, country="XX"), account(1)])
    assert done.report == [("a.csv", "2", "refused", "country"), ("a.csv", "3", "refused", "number")]
    assert not world.events.recorded


async def test_a_number_that_can_not_be_read_is_no_double(world: World, tmp_path: Path) -> None:
    done = await imported(world, tmp_path, [account(1, number=""), account(2, number=""), account(3, number="\udcf6")])
    assert [field for _, _, _, field in done.report] == ["number", "number", "number"]


async def test_a_subscription_goes_to_a_stored_account_whatever_its_row_says(world: World, tmp_path: Path) -> None:
    await imported(world, tmp_path, [account(1)])
    done = await imported(world, tmp_path, [account(1, city="Bonn")], [subscription(1, 1)])
    assert (done.accounts, done.subscriptions) == ({Fate.DIFFERENT: 1}, {Fate.ADDED: 1})
    assert done.report == [("a.csv", "2", "different", "city")]


async def test_subscriptions_alone_go_to_accounts_of_an_earlier_import(world: World, tmp_path: Path) -> None:
    await imported(world, tmp_path, [account(1)])
    assert (await imported(world, tmp_path, None, [subscription(1, 1)])).subscriptions == {Fate.ADDED: 1}


async def test_a_dry_run_says_what_an_import_would_and_stores_nothing(world: World, tmp_path: Path) -> None:
    accounts = [account(1), account(2, country="XX"), account(3, payment_token="tok_nobody")]
    subscriptions = [subscription(each, each) for each in (1, 2, 3, 4)] + [subscription(5, 1, unit_price="1.005")]
    would = await imported(world, tmp_path, accounts, subscriptions, dry_run=True)
    assert not world.events.recorded
    assert await imported(world, tmp_path, accounts, subscriptions) == would
    assert would.subscriptions == {Fate.ADDED: 1, Fate.REFUSED: 4}


async def test_an_import_that_ended_half_way_is_completed_by_the_next(world: World, tmp_path: Path) -> None:
    rows = [account(each) for each in range(10)], [subscription(each, each) for each in range(10)]
    await imported(world, tmp_path, rows[0][:4], rows[1][:2])
    done = await imported(world, tmp_path, *rows)
    assert done == ({Fate.UNCHANGED: 4, Fate.ADDED: 6}, {Fate.UNCHANGED: 2, Fate.ADDED: 8}, [])
    assert world.types().count("PaymentMethodSelected.v1") == 10


async def test_a_formula_is_stored_as_text(world: World, tmp_path: Path) -> None:
    assert (await imported(world, tmp_path, [account(1, legal_name="=1+1")])).accounts == {Fate.ADDED: 1}
    assert await world.events.account_of(account_id("A-1"))


@pytest.mark.parametrize("name", ["=cmd.csv", "+1.csv", "-1.csv", "@x.csv"])
async def test_the_report_holds_no_formula(
    world: World, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(",".join(AccountCsvRow.columns()) + "\n" + account(1, country="XX"), encoding="utf-8")
    with ExitStack() as stack, reporting(Path("report.csv"), [], keep=5) as kept:
        await Import(world.importing, world.clock, kept, lambda *_: None, dry_run=True).run(
            Files(stack, Path(name), None)
        )
    rows = list(csv.reader((tmp_path / "report.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[1][0] == f"'{name}"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert [each.file for each in kept.kept] == [name]


def test_a_report_over_an_input_or_to_nowhere_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("precious", encoding="utf-8")
    for path, says in (
        (source, "is a file to import"),
        (tmp_path, "can't be written"),
        (tmp_path / "no/r", "can't be"),
    ):
        with pytest.raises(UnusableFile, match=says), reporting(path, [source], keep=1):
            pass
    assert source.read_text(encoding="utf-8") == "precious"
