"""The demo passes on what is right, and each of its kinds of check fails when that very thing is wrong."""

import asyncio
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from adapters.cli.demo import checks, demonstrated, looked_up, walked
from adapters.cli.demo.checking import Check
from adapters.cli.demo.stage import Stage
from adapters.cli.demo.ways import WAYS, Way
from adapters.cli.demo.ways.confirmed import Confirmed
from adapters.cli.demo.ways.declined import DeclinedCard
from adapters.cli.demo.ways.expired import Expired
from adapters.cli.demo.ways.in_part import InPart
from adapters.cli.demo.ways.ineligible import Ineligible
from adapters.cli.demo.ways.refunded import Refunded
from adapters.cli.demo.ways.straight import StraightWay
from adapters.cli.demo.ways.stuck import Stuck
from adapters.cli.demo.ways.superseded import Superseded
from adapters.cli.demo.ways.unknown import OutcomeUnknown
from adapters.clock import SystemClock
from adapters.payments.sandbox import SandboxPayments
from adapters.postgres import embedded
from adapters.postgres.sandbox_books import PostgresBooks
from tests.system.processes import Running, environment

pytestmark = pytest.mark.system

Walked = TypeVar("Walked")

_COPIED = (
    "portal.accounts",
    "portal.quotes",
    "portal.orders",
    "portal.subscriptions",
    "portal.timeline",
    "portal.receipts",
    "care.entries",
    "sandbox.books",
)


@dataclass(frozen=True)
class Demo:
    """A demo that has walked, the instance that it walked on, and who may tamper with that one's books."""

    ways: list[Way]
    base: str
    tampering_url: str

    def way(self, kind: type[Walked]) -> Walked:
        """The one of this kind."""
        (way,) = (each for each in self.ways if isinstance(each, kind))
        return way

    def failed(self) -> list[tuple[str, str, str]]:
        """The ways, steps and sentences of the checks that fail now, read anew from everybody."""
        return [(title, check.step, check.sentence) for title, check in self.checked() if not check.holds]

    def checked(self) -> list[tuple[str, Check]]:
        async def main() -> list[tuple[str, Check]]:
            async with httpx2.AsyncClient(base_url=self.base, timeout=30) as client:
                stage = Stage(client, Console(file=io.StringIO()))
                return list(checks(self.ways, await looked_up(stage, self.ways)))

        return asyncio.run(main())

    def notices(self, way: type[Way], step: str, sentence: str) -> bool:
        """Whether the check with this beginning fails now, in this way."""
        return any((title, at) == (way.title, step) and said.startswith(sentence) for title, at, said in self.failed())

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
    async def walk(base: str) -> list[Way]:
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            return await walked(Stage(client, Console(file=io.StringIO())))

    with instance() as (base, folder):
        yield Demo(asyncio.run(walk(base)), base, embedded.start(folder).url("postgres", "seatledger"))


def test_nothing_is_wrong_on_any_way(demo: Demo) -> None:
    found = demo.checked()
    assert [(title, check) for title, check in found if not check.holds] == []
    assert {title for title, _ in found} == {*(way.title for way in WAYS), "Alle Wege"}
    assert len(found) > 180


def of(account: str) -> str:
    """A condition: a row of this account."""
    return f"account_id = (SELECT account_id FROM portal.accounts WHERE number = '{account}')"


def paid_by(account: str) -> str:
    """A condition: an intent of this account on which money moved."""
    orders = f"SELECT order_id::text FROM portal.orders WHERE {of(account)}"
    moved = "jsonb_array_length(document->'movements') > 0"
    return f"book = 'payments.ledger' AND document->>'order_id' IN ({orders}) AND {moved}"


def book(path: str, value: str, condition: str) -> str:
    """A counterparty's book with another value there."""
    return f"UPDATE sandbox.books SET document = jsonb_set(document, '{path}', '{value}') WHERE {condition}"


def mailed(before: str, after: str, recipient: str) -> str:
    """An inbox in which mail to this recipient says something else."""
    changed = f"to_jsonb(replace(document->>'raw', '{before}', '{after}'))"
    to = f"document->>'recipient' = '{recipient}' AND document->>'raw' LIKE '%{before}%'"
    return f"UPDATE sandbox.books SET document = jsonb_set(document, '{{raw}}', {changed}) WHERE {to}"


def seats_of(account: str) -> str:
    """A condition: what the provisioning system knows of this account's subscriptions."""
    ids = f"SELECT subscription_id::text FROM portal.subscriptions WHERE {of(account)}"
    return f"book = 'provisioning.subscriptions' AND document->>'subscription_id' IN ({ids})"


@pytest.mark.parametrize(
    ("statement", "step", "sentence"),
    [
        pytest.param(
            f"UPDATE portal.orders SET net = net + 1, gross = gross + 1 WHERE {of('A-10001')}",
            "Bestellung",
            "the order says net 377,29\N{NO-BREAK SPACE}€, tax 71,69\N{NO-BREAK SPACE}€",
            id="an amount of the order",
        ),
        pytest.param(
            f"UPDATE portal.orders SET captured = captured - 1 WHERE {of('A-10001')}",
            "Bestellung",
            "the order is complete, and all was charged",
            id="the amount that was charged",
        ),
        pytest.param(
            book("{movements,1,amount}", "44899", paid_by("A-10001")),
            "Bücher der anderen",
            "payment gateway: held once and charged once, the order's gross",
            id="an amount in the gateway's book",
        ),
        pytest.param(
            f"UPDATE portal.orders SET lines = jsonb_set(lines, '{{0,tax_rate_basis_points}}', '1600')"
            f" WHERE {of('A-10001')}",
            "Bestellung",
            "the order is taxed at Germany's 19 %",
            id="a tax rate",
        ),
        pytest.param(
            f"UPDATE portal.orders SET state = 'Captured' WHERE {of('A-10001')}",
            "Bestellung",
            "the order is complete, and all was charged",
            id="a status",
        ),
        pytest.param(
            "UPDATE sandbox.books SET document = jsonb_set(document, '{recipient}', '\"somebody@else.example\"')"
            " WHERE book = 'mail.inbox'",
            "Quittung",
            "one mail, in German, to the billing contact",
            id="the mail's recipient",
        ),
        pytest.param(
            mailed("377,29", "377,30", "anna.weber@lindner.example"),
            "Quittung",
            "its text is the receipt that is kept",
            id="an amount in the mail",
        ),
        pytest.param(
            f"DELETE FROM portal.timeline WHERE topic = 'PaymentCaptured.v1' AND {of('A-10001')}",
            "Ereignisse",
            "the history shows what was seen",
            id="a missing event",
        ),
        pytest.param(
            book("{seats}", "14", seats_of("A-10001")),
            "Bücher der anderen",
            "seat provisioning: 12 seats, asked once",
            id="seats that nobody ordered",
        ),
        pytest.param(
            "UPDATE portal.receipts SET document_digest = repeat('0', 64)",
            "Quittung",
            "its bytes are those that the event proves",
            id="a receipt that is not the one in the event",
        ),
    ],
)
def test_a_fault_on_the_straight_way_is_noticed_and_gone_when_it_is_mended(
    demo: Demo, statement: str, step: str, sentence: str
) -> None:
    with demo.planted(statement):
        assert demo.notices(StraightWay, step, sentence)
    assert demo.failed() == []


@pytest.mark.parametrize(
    ("way", "statement", "step", "sentence"),
    [
        pytest.param(
            Superseded,
            f"UPDATE portal.quotes SET superseded_by = NULL WHERE {of('A-10017')} AND superseded_by IS NOT NULL",
            "Angebote",
            "A and B name each other",
            id="half a lineage",
        ),
        pytest.param(
            Superseded,
            f"UPDATE portal.quotes SET gross = gross - 1 WHERE {of('A-10017')} AND state = 'Declined'",
            "Angebote",
            "B says net",
            id="a price of the second quote",
        ),
        pytest.param(
            DeclinedCard,
            book("{movements,0,attempt}", "1", paid_by("A-10012")),
            "Bücher der anderen",
            "payment gateway: card …4242, at the second attempt",
            id="money held on the declined card",
        ),
        pytest.param(
            DeclinedCard,
            mailed("eine andere Karte", "dieselbe Karte", "emil.faller@sw-uhren.example"),
            "E-Mail",
            "Zahlung für Bestellung",
            id="a notice that says the wrong thing",
        ),
        pytest.param(
            Confirmed,
            mailed("/sandbox/bank/", "/sandbox/elsewhere/", "georg.wagner@altmuehl-stein.example"),
            "E-Mail",
            "Bitte bestätigen Sie die Zahlung",
            id="a link that leads elsewhere",
        ),
        pytest.param(
            InPart,
            book("{movements,1,amount}", "556255", paid_by("A-10002")),
            "Bücher der anderen",
            "payment gateway: held",
            id="charged for seats that were not delivered",
        ),
        pytest.param(
            InPart,
            f"UPDATE portal.orders SET outcomes = replace(outcomes::text, 'rejected', 'provisioned')::jsonb"
            f" WHERE {of('A-10002')}",
            "Bestellung",
            "one line was provisioned, the other rejected",
            id="a rejected line that passes for provisioned",
        ),
        pytest.param(
            OutcomeUnknown,
            f"UPDATE portal.orders SET attempts = 2 WHERE {of('A-10038')}",
            "Zahlung",
            "it was asked by the payment's id: one attempt, one payment",
            id="a second attempt",
        ),
        pytest.param(
            OutcomeUnknown,
            f"UPDATE portal.quotes SET lines = jsonb_set(lines, '{{0,tax_category}}', '\"standard\"')"
            f" WHERE {of('A-10038')}",
            "Angebot",
            "the quote is taxed at reverse charge",
            id="tax where the buyer owes it",
        ),
        pytest.param(
            Ineligible,
            "UPDATE portal.accounts SET restriction = NULL WHERE number = 'A-10003'",
            "Abonnements",
            "the account says that it pays by invoice",
            id="a restriction that is gone",
        ),
        pytest.param(
            Refunded,
            f"UPDATE portal.orders SET refunded = refunded - 1 WHERE {of('A-10005')}",
            "Bestellung",
            "356,81",
            id="the amount that went back",
        ),
        pytest.param(
            Refunded,
            mailed("SL-DE-CN-", "SL-DE-XX-", "katrin.schroeder@praxis-elbe.example"),
            "Rechnungskorrektur",
            "one mail, with the first number",
            id="a credit note without its number",
        ),
        pytest.param(
            Stuck,
            book("{seats}", "70", seats_of("A-10020")),
            "Bücher der anderen",
            "seat provisioning: 60 seats as before",
            id="seats of an order that was called off",
        ),
        pytest.param(
            Stuck,
            f"UPDATE portal.orders SET overdue = false WHERE {of('A-10020')}",
            "Bestellung",
            "it was overdue and called off",
            id="an order that passes for timely",
        ),
        pytest.param(
            Expired,
            f"UPDATE portal.quotes SET state = 'Open' WHERE {of('A-10030')}",
            "Angebote",
            "",
            id="a quote that stays open",
        ),
    ],
)
def test_a_fault_on_each_other_way_is_noticed_and_gone_when_it_is_mended(
    demo: Demo, way: type[Way], statement: str, step: str, sentence: str
) -> None:
    with demo.planted(statement):
        assert demo.notices(way, step, sentence)
    assert demo.failed() == []


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(
            book("{movements,0,order_id}", f'"{UUID(int=7)}"', paid_by("A-10016")),
            "payment gateway: no movement that is not for one of these orders",
            id="a charge for nobody's order",
        ),
        pytest.param(
            book("{movements,1,amount}", "1", paid_by("A-10020")),
            "what was held is charged or given back, to the cent",
            id="money that stays held",
        ),
        pytest.param(
            f"UPDATE portal.orders SET captured = captured + 1 WHERE {of('A-10016')}",
            "charged in all",
            id="a cent between the orders and the gateway",
        ),
        pytest.param(
            "UPDATE portal.receipts SET receipt_number = replace(receipt_number, '000003', '000009')"
            " WHERE receipt_number LIKE '%-000003'",
            "7 charges, 7 receipts, numbered without a gap",
            id="a receipt number that is missing",
        ),
        pytest.param(
            "INSERT INTO sandbox.books (book, key, document)"
            " SELECT book, key || ' again', document FROM sandbox.books WHERE book = 'mail.inbox'",
            "no mail came twice",
            id="mail that came twice",
        ),
        pytest.param(
            "INSERT INTO care.entries"
            " SELECT order_id, 'not_paid', account_id, order_id, 'ServiceOrder', now(), 1, ''"
            " FROM portal.orders LIMIT 1",
            "the care list is empty",
            id="something that nobody dealt with",
        ),
    ],
)
def test_a_fault_between_the_books_is_noticed(demo: Demo, statement: str, sentence: str) -> None:
    with demo.planted(statement):
        assert any(title == "Alle Wege" and said.startswith(sentence) for title, _, said in demo.failed())
    assert demo.failed() == []


@pytest.mark.parametrize(
    ("way", "seen", "wrong", "step", "sentence"),
    [
        (Superseded, "lost", {"state": "Open", "gross": {"amount": 1}}, "Sitze hinzufügen", "before, the portal shows"),
        (Superseded, "refusal", {"code": "CONFLICT"}, "Sitze hinzufügen", "without naming A, B is refused"),
        (DeclinedCard, "held_meanwhile", [{}], "Zahlung", "the first card was declined, and nothing is held"),
        (Confirmed, "page", "Confirm?", "Zahlung", "the bank's page asks for"),
        (InPart, "care_after", [{}], "Corporate Account Services", "and leaves it once it is closed"),
        (InPart, "care", [], "Corporate Account Services", "the rejected line is on the care list"),
        (OutcomeUnknown, "care", [{}], "Corporate Account Services", "neither is left on the care list"),
        (Ineligible, "history", [], "Sitze hinzufügen", "and nothing was stored"),
        (Stuck, "care", [[], [], [], []], "Corporate Account Services", "one entry at a time"),
    ],
)
def test_what_a_person_saw_on_the_way_is_checked(
    demo: Demo, way: type[Way], seen: str, wrong: Any, step: str, sentence: str
) -> None:
    walked_way = demo.way(way)
    right = getattr(walked_way, seen)
    setattr(walked_way, seen, wrong)
    try:
        assert demo.notices(way, step, sentence)
    finally:
        setattr(walked_way, seen, right)
    assert demo.failed() == []


def test_a_second_charge_is_noticed(demo: Demo) -> None:
    order = demo.way(StraightWay).prepared["id"]

    async def charge_again() -> None:
        async with AsyncConnectionPool(demo.tampering_url, kwargs={"autocommit": True}) as pool:
            payments = SandboxPayments(PostgresBooks(pool), SystemClock())
            intent = await payments.create_intent("again", UUID(order), 2, 44898, "EUR", "tok_visa")
            await payments.confirm(intent.id)
            await payments.capture(intent.id, 44898)

    with demo.planted("UPDATE sandbox.books SET book = book WHERE book = 'payments.ledger'"):
        asyncio.run(charge_again())
        noticed = "payment gateway: held once and charged once, the order's gross"
        assert demo.notices(StraightWay, "Bücher der anderen", noticed)
    assert demo.failed() == []


def test_an_event_that_never_came_is_noticed_on_every_way(demo: Demo) -> None:
    for way in demo.ways:
        events = way.customers[0].events
        if not events:
            assert isinstance(way, Ineligible)
            continue
        last = events.pop()
        assert demo.notices(type(way), "Ereignisse", "the history shows what was seen")
        events.append(last)
    assert demo.failed() == []


def test_an_event_that_came_twice_is_noticed(demo: Demo) -> None:
    events = demo.way(StraightWay).customer.events
    events.append(events[-1])
    assert demo.notices(StraightWay, "Ereignisse", "each event happened once, in this order")
    assert demo.notices(StraightWay, "Ereignisse", "and has an id of its own")
    events.pop()
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
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\nAll 1\d\d checks hold\.\n$", done.stdout)
    assert done.stdout.count("✗") == 0
    assert "377,29\N{NO-BREAK SPACE}€" in done.stdout
    assert list(tmp_path.iterdir()) == []
