"""The product as `make run` starts it, on a port and with data of its own, and the sandbox's books behind it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from adapters.postgres import embedded
from adapters.seeding.companies import Company
from adapters.settings import TERMS_VERSION
from domain.identifiers import account_id, subscription_id
from tests.system.processes import environment

SECONDS = 20.0


@dataclass(frozen=True)
class Mail:
    """A mail in the sandbox's inbox, as text."""

    number: int
    subject: str
    recipient: str
    text: str


class Product:
    """`seatledger dev` in a process of its own; what it logs is in a file."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder / "data"
        self.log = folder / "log"
        env = environment(DATA_FOLDER=str(self.folder), **settings)
        self.base = f"http://localhost:{env['PORT']}"
        self._client = httpx2.Client(base_url=self.base, timeout=SECONDS)
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "adapters.cli.main", "dev"]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in good order, and delete its data."""
        self._client.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            embedded.erase(self.folder)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]

    def logged(self) -> str:
        """All that it has logged."""
        return self.log.read_text()

    def owner_url(self) -> str:
        """Its database, as the role that owns everything."""
        return embedded.start(self.folder).url(embedded.SUPERUSER, "seatledger")

    def execute(self, statement: str) -> None:
        """Do something to its database behind its back."""
        with psycopg.connect(self.owner_url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def now(self) -> datetime:
        """Business time."""
        offset = "SELECT (document ->> 'microseconds')::bigint FROM sandbox.books WHERE book = 'clock'"
        with psycopg.connect(self.owner_url()) as connection:
            row = connection.execute(offset).fetchone()
        return datetime.now(UTC) + timedelta(microseconds=row[0] if row else 0)

    def happened(self, company: Company, event: str) -> int:
        """How often this has happened to the account, by the ledger's own books."""
        count = "SELECT count(*) FROM ledger.events WHERE account_id = %s AND topic = %s"
        with psycopg.connect(self.owner_url()) as connection:
            row = connection.execute(count, (account_id(company.opening.number), f"{event}.v1")).fetchone()
        assert row
        return int(row[0])

    def happens(self, company: Company, event: str) -> int:
        """The same, once a moment has passed in which it could have happened again."""
        time.sleep(1)
        return self.happened(company, event)

    def times_of(self, order: UUID) -> dict[int, float]:
        """When each event of the order was recorded, in milliseconds since 1970, by the order's version."""
        times = "SELECT originator_version, recorded_at FROM ledger.events WHERE originator_id = %s"
        with psycopg.connect(self.owner_url()) as connection:
            return {version: at.timestamp() * 1000 for version, at in connection.execute(times, (order,))}

    @contextmanager
    def broken(self, table: str) -> Iterator[None]:
        """Meanwhile the pages find no such table, as after a fault of ours."""
        schema, name = table.split(".")
        self.execute(f"ALTER TABLE {table} RENAME TO {name}_gone")
        try:
            yield
        finally:
            self.execute(f"ALTER TABLE {schema}.{name}_gone RENAME TO {name}")

    def token(self, login: str) -> str:
        """A bearer token of one of the sample people."""
        answer = self._client.get(f"/sandbox/token/{login}")
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def asked(self, login: str, path: str) -> Any:
        """What the API answers to this person's query."""
        answer = self._client.get(f"/v1/{path}", headers={"Authorization": f"Bearer {self.token(login)}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def commanded(
        self, login: str, path: str, body: Any = None, *, method: str = "POST", version: str | None = None
    ) -> Any:
        """What the API answers to this person's command, once the pages show its effect."""
        headers = {"Authorization": f"Bearer {self.token(login)}", "Idempotency-Key": str(uuid4())}
        headers |= {"If-Match": version} if version else {}
        answer = self._client.request(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201, 202}, answer.text
        position = {"Seatledger-Wait-For": answer.headers["Seatledger-Position"]}
        waited = self._client.get("/v1/accounts", headers={**headers, **position})
        assert waited.status_code == 200, waited.text
        return answer.json()

    def quoted(self, company: Company, replaces: str | None, seats: int = 2, subscriptions: int = 1) -> str:
        """Issue a quote for the account's first so many subscriptions: its id."""
        ids = [str(subscription_id(each.number)) for each in company.subscriptions[:subscriptions]]
        lines = [{"subscription_id": each, "seats_to_add": seats} for each in ids]
        path = f"accounts/{account_id(company.opening.number)}/quotes"
        return str(self.commanded(company.login, path, {"lines": lines, "replaces": replaces})["id"])

    def placed(self, company: Company, quote: str) -> str:
        """Place the quote's service order: its id."""
        order = self.commanded(company.login, f"quotes/{quote}/orders")["id"]
        self.commanded(company.login, f"orders/{order}/place", {"terms_version": TERMS_VERSION}, version='"1"')
        return str(order)

    def planned(self, point: str, behaviour: str, moment: str = "before", **more: Any) -> None:
        """Have a counterparty do something wrong; see adapters.sandbox_script."""
        body = {"point": point, "moment": moment, "behaviour": behaviour, **more}
        answer = self._client.post("/sandbox/script", json=body)
        assert answer.status_code == 204, answer.text

    def unplanned(self, point: str) -> None:
        """Have it behave again, and let go what is paused there."""
        assert self._client.delete(f"/sandbox/script/{point}").status_code == 204

    def pass_hours(self, hours: int) -> None:
        """Let business time go on by this."""
        headers = {"Authorization": f"Bearer {self.token('max.operator')}", "Idempotency-Key": str(uuid4())}
        answer = self._client.post("/v1/clock", json={"seconds": hours * 3600}, headers=headers)
        assert answer.status_code == 200, answer.text

    def orders(self, company: Company) -> list[Any]:
        """The account's orders that were placed."""
        found = self.asked(company.login, f"accounts/{account_id(company.opening.number)}/orders?limit=200")["items"]
        return [each for each in found if each["state"] != "Prepared"]

    def until(self, company: Company, order: str | UUID, *states: str) -> Any:
        """The order, as soon as it is in one of these states."""
        give_up_at = time.monotonic() + SECONDS
        while (found := self.asked(company.login, f"orders/{order}"))["state"] not in states:
            if time.monotonic() > give_up_at:
                pytest.fail(f"the order stayed {found['state']} for {SECONDS:g} s")
            time.sleep(0.05)
        return found

    def until_happened(self, company: Company, event: str, times: int = 1) -> None:
        """Go on as soon as this has happened to the account so often."""
        give_up_at = time.monotonic() + SECONDS
        while self.happened(company, event) < times:
            if time.monotonic() > give_up_at:
                pytest.fail(f"there was no {event} for {SECONDS:g} s")
            time.sleep(0.05)

    def mail_to(self, recipient: str, about: str) -> Mail:
        """The newest mail to this address whose text names this, as soon as it is in the inbox."""
        give_up_at = time.monotonic() + SECONDS
        while time.monotonic() < give_up_at:
            numbers = re.findall(r'href="/sandbox/inbox/(\d+)"', self._client.get("/sandbox/inbox").text)
            for number in numbers[:20]:
                mail = self._mail(int(number))
                if mail.recipient == recipient and about in mail.text:
                    return mail
            time.sleep(0.1)
        pytest.fail(f"no mail about {about} came within {SECONDS:g} s")

    def _mail(self, number: int) -> Mail:
        raw = message_from_bytes(self._client.get(f"/sandbox/inbox/{number}/raw").content, policy=policy.default)
        body = raw.get_body(("plain",))
        assert body is not None
        return Mail(number, str(raw["Subject"]), str(raw["To"]), body.get_content())

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + 90
        while time.monotonic() < give_up_at and self.process.poll() is None:
            try:
                if self._client.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        self.process.kill()
        pytest.fail(f"it did not start: {self.logged()[-3000:]}")
