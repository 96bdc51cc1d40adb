"""`seatledger import` as its users run it: whole files, ugly files, killed half way, and with little memory."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.importing.rows import AccountCsvRow, CsvRow, SubscriptionCsvRow
from adapters.postgres import embedded
from tests.system.import_files import accounts, subscriptions, written
from tests.system.processes import Running, environment, free_port

pytestmark = pytest.mark.system

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
EVENTS = "SELECT topic, count(*) FROM ledger.events GROUP BY topic"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the files."""
    made = Path(tempfile.mkdtemp(prefix="sl-import-"))
    yield made
    embedded.erase(made / "data")
    shutil.rmtree(made, ignore_errors=True)


def run(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """An import to its end."""
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", "import", *map(str, arguments)],
        env=environment(DATABASE_URL=url, SANDBOX="1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def told(url: str, *arguments: str | Path, expected: int) -> dict[str, Any]:
    """What an import with --json says."""
    done = run(url, "--json", *arguments)
    assert done.returncode == expected, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def stored(url: str) -> dict[str, int]:
    """How many events of each name there are."""
    with psycopg.connect(url) as connection:
        return {topic.removesuffix(".v1"): count for topic, count in connection.execute(EVENTS)}


def test_the_example_files_of_the_how_to_are_imported_and_again_change_nothing(ledger_url: str, folder: Path) -> None:
    files = "--accounts", HOW_TO / "accounts.example.csv", "--subscriptions", HOW_TO / "subscriptions.example.csv"
    would = told(ledger_url, *files, "--dry-run", expected=0)
    assert (would["dry_run"], would["accounts"]["added"], would["subscriptions"]["added"]) == (True, 3, 4)
    assert stored(ledger_url) == {}
    done = told(ledger_url, *files, expected=0)
    assert (done["accounts"]["added"], done["subscriptions"]["added"]) == (3, 4)
    before = stored(ledger_url)
    assert before == {"AccountOpened": 3, "PaymentMethodSelected": 2, "SubscriptionStarted": 4}
    again = told(ledger_url, *files, "--report", folder / "report.csv", expected=0)
    assert (again["accounts"]["unchanged"], again["subscriptions"]["unchanged"]) == (3, 4)
    assert stored(ledger_url) == before
    assert len((folder / "report.csv").read_text(encoding="utf-8").splitlines()) == 1
    with psycopg.connect(ledger_url) as connection:
        states = connection.execute("SELECT string_agg(encode(state, 'escape'), '') FROM ledger.events").fetchone()
    assert states
    assert "Hansen" not in states[0]


@pytest.mark.parametrize("kind", [AccountCsvRow, SubscriptionCsvRow])
def test_the_how_to_describes_each_column_as_the_program_does(kind: type[CsvRow]) -> None:
    text = (HOW_TO / "import-accounts.md").read_text(encoding="utf-8")
    for name, field in kind.model_fields.items():
        needed = "required" if field.is_required() else "optional"
        assert f"| `{name}` | {needed} | {field.description} |" in text


def test_a_german_excel_file_is_imported_and_its_bad_rows_are_reported(ledger_url: str, folder: Path) -> None:
    header, *rows = accounts(4)
    lines = [header, *rows]
    lines[2] = lines[2].replace(",DE,EUR", ",DE,CHF")
    lines[3] = lines[3].replace("Firma 2 GmbH", "4242 4242 4242 4242")
    text = "\r\n".join(lines).replace(",", ";")
    (folder / "konten.csv").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n" + b"A-9;K\xf6ln" + b";x" * 14)
    report = folder / "report.csv"
    done = run(ledger_url, "--accounts", folder / "konten.csv", "--report", report)
    assert done.returncode == 1, done.stderr
    assert stored(ledger_url) == {"AccountOpened": 2, "PaymentMethodSelected": 2}
    with report.open(encoding="utf-8", newline="") as source:
        found = list(csv.DictReader(source))
    assert [(each["line"], each["field"], each["fate"]) for each in found][:2] == [
        ("3", "currency", "refused"),
        ("4", "legal_name", "refused"),
    ]
    assert found[0]["file"].endswith("konten.csv")
    assert {each["line"] for each in found[2:]} == {"6"}
    assert "is not UTF-8" in {each["wrong"] for each in found[2:]}
    for personal in ("Anna", "Lindenstraße", "4242", "tok_visa"):
        assert personal not in done.stdout + done.stderr + report.read_text(encoding="utf-8")
    assert "konten.csv:3 refused currency: does not fit the country. For this country write EUR." in done.stdout


def test_a_row_that_differs_is_reported_and_nothing_is_changed(ledger_url: str, folder: Path) -> None:
    told(ledger_url, "--accounts", written(folder / "a.csv", accounts(3)), expected=0)
    before = stored(ledger_url)
    changed = written(folder / "b.csv", (line.replace("Lindenstraße 1", "Ring 1") for line in accounts(3)))
    said = told(ledger_url, "--accounts", changed, expected=1)
    assert (said["accounts"]["different"], said["accounts"]["unchanged"]) == (1, 2)
    assert [(each["line"], each["fate"], each["field"]) for each in said["findings"]] == [(3, "different", "street")]
    assert stored(ledger_url) == before


def test_wrong_use_is_one_plain_line_before_anything_is_done(folder: Path) -> None:
    nowhere = f"postgresql://app:tell-nobody@127.0.0.1:{free_port()}/seatledger"
    good = written(folder / "a.csv", accounts(1))
    (folder / "empty.csv").touch()
    for arguments, says in (
        ((), "--accounts FILE"),
        (("--accounts", folder / "none.csv"), "No such file"),
        (("--accounts", folder), "is a folder"),
        (("--accounts", folder / "empty.csv"), "is empty"),
        (("--subscriptions", good), "has no column"),
        (("--accounts", good, "--report", good), "is a file to import"),
        (("--accounts", good, "--report", folder), "can't be written"),
        (("--accounts", good), "does not answer"),
    ):
        done = run(nowhere, *arguments)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert says in done.stderr
        assert "tell-nobody" not in done.stderr
    assert good.read_text(encoding="utf-8").count("\n") == 2


def test_an_import_that_is_killed_twice_is_completed_by_the_third_without_doubles(
    ledger_url: str, folder: Path
) -> None:
    files = (
        *("--accounts", str(written(folder / "a.csv", accounts(1500)))),
        *("--subscriptions", str(written(folder / "s.csv", subscriptions(1500)))),
    )
    for topic in ("AccountOpened", "SubscriptionStarted"):
        running = Running("import", *files, DATABASE_URL=ledger_url, SANDBOX="1")
        give_up = time.monotonic() + 60
        while stored(ledger_url).get(topic, 0) < 300:
            assert running.process.poll() is None, running.process.communicate()[0]
            assert time.monotonic() < give_up
            time.sleep(0.01)
        running.killed()
    assert 300 <= stored(ledger_url)["SubscriptionStarted"] < 3000, "it was killed half way"
    said = told(ledger_url, *files, expected=0)
    assert said["accounts"] == {"rows": 1500, "added": 0, "unchanged": 1500, "different": 0, "refused": 0}
    assert said["subscriptions"]["added"] > 0
    assert stored(ledger_url) == {"AccountOpened": 1500, "PaymentMethodSelected": 1500, "SubscriptionStarted": 3000}
    assert told(ledger_url, *files, expected=0)["subscriptions"]["unchanged"] == 3000


def test_a_hundred_thousand_rows_take_no_more_memory_than_a_thousand(ledger_url: str, folder: Path) -> None:
    def peak(rows: int) -> int:
        """KiB resident at most (macOS: bytes)."""
        file = written(folder / "a.csv", accounts(rows, card=""))
        process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli.main", "import", "--dry-run", "--accounts", str(file)],
            env=environment(DATABASE_URL=ledger_url, SANDBOX="1"),
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        with process.stdout:
            assert f"{rows} rows in" in process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss

    assert peak(100_000) <= 1.1 * peak(1_000)


def test_on_the_embedded_server_an_import_needs_nothing_before_it(folder: Path) -> None:
    file = HOW_TO / "accounts.example.csv"
    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", "import", "--accounts", str(file)],
        env=environment(DATA_FOLDER=str(folder / "data")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Stored." in done.stdout
