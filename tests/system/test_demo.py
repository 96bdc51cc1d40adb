"""The demo passes on what is right, and each of its kinds of check fails when that very thing is wrong."""

import asyncio
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from adapters.cli.demo import demonstrated
from adapters.cli.demo.checking import Check, checks
from adapters.cli.demo.walking import Walk, gathered, walked
from adapters.clock import SystemClock
from adapters.payments.sandbox import SandboxPayments
from adapters.postgres import embedded
from adapters.postgres.sandbox_books import PostgresBooks
from tests.system.processes import Running, environment

pytestmark = pytest.mark.system

_COPIED = ("portal.orders", "portal.subscriptions", "portal.timeline", "portal.receipts", "sandbox.books")


@dataclass(frozen=True)
class Demo:
    """A demo that has walked, the instance that it walked on, and who may tamper with that one's books."""

    walk: Walk
    base: str
    tampering_url: str

    def failed(self) -> list[tuple[str, str]]:
        """The steps and sentences of the checks that fail now, read anew from everybody."""
        return [(check.step, check.sentence) for check in self.checked() if not check.holds]

    def checked(self) -> list[Check]:
        async def main() -> list[Check]:
            async with httpx2.AsyncClient(base_url=self.base, timeout=30) as client:
                return list(checks(self.walk, await gathered(client, self.walk)))

        return asyncio.run(main())

    @contextmanager
    def planted(self, *statements: str) -> Iterator[None]:
        """The instance with these faults in its books, and without them afterwards."""
        with psycopg.connect(self.tampering_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA kept")
            for table in _COPIED:
                connection.execute(f"CREATE TABLE kept.{table.partition('.')[2]} AS TABLE {table}")
            try:
                for statement in statements:
                    assert connection.execute(statement).rowcount > 0, statement
                yield
            finally:
                for table in _COPIED:
                    copy = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table.partition('.')[2]}"
                    connection.execute(f"TRUNCATE {table}")
                    connection.execute(copy)
                connection.execute("DROP SCHEMA kept CASCADE")


@contextmanager
def instance(**settings: str) -> Iterator[tuple[str, Path]]:
    """`seatledger dev` on a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    dev = Running("dev", DATA_FOLDER=str(folder), **settings)
    try:
        dev.ready()
        yield dev.base, folder
    finally:
        dev.ended_by()
        embedded.erase(folder)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    async def walk(base: str) -> Walk:
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            return await walked(client, Console(file=io.StringIO()))

    with instance() as (base, folder):
        yield Demo(asyncio.run(walk(base)), base, embedded.start(folder).url("postgres", "seatledger"))


def test_nothing_is_wrong_with_an_untouched_order(demo: Demo) -> None:
    found = demo.checked()
    assert [check for check in found if not check.holds] == []
    assert len(found) > 50


@pytest.mark.parametrize(
    ("statement", "noticed"),
    [
        pytest.param(
            "UPDATE portal.orders SET net = net + 1, gross = gross + 1",
            ("Bestellung", "the order says net 377,29\N{NO-BREAK SPACE}€, tax 71,69\N{NO-BREAK SPACE}€"),
            id="an amount of the order",
        ),
        pytest.param(
            "UPDATE portal.orders SET captured = captured - 1",
            ("Bestellung", "the order is complete, and all was charged"),
            id="the amount that was charged",
        ),
        pytest.param(
            "UPDATE sandbox.books SET document = jsonb_set(document, '{movements,1,amount}', '44899')"
            " WHERE book = 'payments.ledger'",
            ("Bücher der anderen", "payment gateway: held once and charged once, the order's gross, nothing else"),
            id="an amount in the gateway's book",
        ),
        pytest.param(
            "UPDATE portal.orders SET lines = jsonb_set(lines, '{0,tax_rate_basis_points}', '1600')",
            ("Bestellung", "the order is taxed at Germany's 19 %"),
            id="a tax rate",
        ),
        pytest.param(
            "UPDATE portal.orders SET state = 'Captured'",
            ("Bestellung", "the order is complete, and all was charged"),
            id="a status",
        ),
        pytest.param(
            "UPDATE sandbox.books SET document = jsonb_set(document, '{recipient}', '\"somebody@else.example\"')"
            " WHERE book = 'mail.inbox'",
            ("Quittung", "one mail, in German, to the billing contact"),
            id="the mail's recipient",
        ),
        pytest.param(
            "UPDATE sandbox.books SET document = jsonb_set(document, '{raw}',"
            " to_jsonb(replace(document->>'raw', '377,29', '377,30'))) WHERE book = 'mail.inbox'",
            ("Quittung", "its text is the receipt that is kept"),
            id="an amount in the mail",
        ),
        pytest.param(
            "DELETE FROM portal.timeline WHERE topic = 'PaymentCaptured.v1'",
            ("Ereignisse", "the history shows what was seen"),
            id="a missing event",
        ),
        pytest.param(
            "UPDATE sandbox.books SET document = jsonb_set(document, '{seats}', '14')"
            " WHERE book = 'provisioning.subscriptions'",
            ("Bücher der anderen", "seat provisioning: 12 seats, asked once"),
            id="seats that nobody ordered",
        ),
        pytest.param(
            "UPDATE portal.receipts SET document_digest = repeat('0', 64)",
            ("Quittung", "its bytes are those that the event proves"),
            id="a receipt that is not the one in the event",
        ),
    ],
)
def test_a_planted_fault_is_noticed_and_gone_when_it_is_mended(
    demo: Demo, statement: str, noticed: tuple[str, str]
) -> None:
    with demo.planted(statement):
        assert noticed in demo.failed()
    assert demo.failed() == []


def test_a_second_charge_is_noticed(demo: Demo) -> None:
    order = demo.walk.prepared["id"]

    async def charge_again() -> None:
        async with AsyncConnectionPool(demo.tampering_url, kwargs={"autocommit": True}) as pool:
            payments = SandboxPayments(PostgresBooks(pool), SystemClock())
            intent = await payments.create_intent("again", UUID(order), 2, 44898, "EUR", "tok_visa")
            await payments.confirm(intent.id)
            await payments.capture(intent.id, 44898)

    with demo.planted("UPDATE sandbox.books SET book = book WHERE book = 'payments.ledger'"):
        asyncio.run(charge_again())
        noticed = "payment gateway: held once and charged once, the order's gross, nothing else"
        assert ("Bücher der anderen", noticed) in demo.failed()
    assert demo.failed() == []


def test_an_event_that_never_came_is_noticed(demo: Demo) -> None:
    captured = next(each for each in demo.walk.events if each["type"] == "PaymentCaptured.v1")
    place = demo.walk.events.index(captured)
    demo.walk.events.remove(captured)
    assert ("Ereignisse", "each event happened once, in this order") in demo.failed()
    demo.walk.events[place:place] = [captured, captured]
    assert ("Ereignisse", "and has an id of its own") in demo.failed()
    demo.walk.events.remove(captured)
    assert demo.failed() == []


def test_a_wrong_tax_rule_fails_the_demo_from_end_to_end() -> None:
    said = io.StringIO()
    with instance(SELLER_COUNTRY="AT") as (base, _):  # reverse charge where 19 % is due
        assert not demonstrated(base, Console(file=said, width=200))
    assert "✗ the quote is taxed at Germany's 19 %" in said.getvalue()
    assert "checks failed." in said.getvalue()


def test_a_step_that_is_refused_ends_the_demo(demo: Demo) -> None:
    said = io.StringIO()
    assert not demonstrated(demo.base, Console(file=said, width=200)), "it has been walked on before"
    assert "✗ " in said.getvalue()


def test_the_command_walks_on_an_instance_of_its_own_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", "demo"],
        env=environment(
            TMPDIR=str(tmp_path), DATABASE_URL="postgresql://127.0.0.1:1/not-this-one", SELLER_COUNTRY="AT"
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 57 checks hold." in done.stdout
    assert "377,29\N{NO-BREAK SPACE}€" in done.stdout
    assert list(tmp_path.iterdir()) == []
