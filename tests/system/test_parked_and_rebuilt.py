"""What operators do about poison and about read models: the commands in processes of their own, on a live service."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from adapters.postgres import embedded
from adapters.postgres.embedded import EmbeddedServer
from tests.system.processes import Running, environment

pytestmark = pytest.mark.system

OPENED = "SELECT notification_id, account_id FROM ledger.events WHERE topic = %s ORDER BY 1 LIMIT 1"


class Site:
    """A seeded ledger and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.server: EmbeddedServer = embedded.start(folder)
        self.owner = self.server.url("postgres", "seatledger")
        self.settings = {
            "DATA_FOLDER": str(folder),
            "DATABASE_URL": self.server.url("seatledger_app", "seatledger"),
            "DATABASE_OWNER_URL": self.owner,
            "SANDBOX": "1",
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; it must end with this code."""
        command = [sys.executable, "-m", "adapters.cli.main", *arguments]
        env = environment(**self.settings)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same for programs."""
        return json.loads(self.run(*arguments, "--json", code=code))

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As a role that may do everything."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    made = Site(folder)
    made.run("migrate")
    made.run("seed")
    yield made
    embedded.erase(folder)
    shutil.rmtree(folder, ignore_errors=True)


def care(service: Running) -> list[dict[str, Any]]:
    """The care list, as somebody of Corporate Account Services sees it."""
    people = httpx2.get(f"{service.base}/sandbox/people").json()
    login = next(each["login"] for each in people if each["role"] == "account_services")
    token = httpx2.get(f"{service.base}/sandbox/token/{login}").text
    answer = httpx2.get(f"{service.base}/v1/care", headers={"Authorization": f"Bearer {token}"})
    return list(answer.json()["items"])


def test_a_poisoned_account_is_said_everywhere_and_goes_on_once_it_is_mended_and_tried_again(site: Site) -> None:
    assert "Nothing is parked" in site.run("parked", "list")
    assert "Nothing is parked" in site.run("parked", "show", code=1)
    ((position, account),) = site.sql(OPENED, "AccountOpened.v1")
    site.sql("UPDATE ledger.events SET topic = 'AccountTeleported.v1' WHERE notification_id = %s", position)
    refused = site.run("projections", "rebuild", "portal", code=1)
    assert "1 accounts would be parked that portal has whole" in refused
    site.run("projections", "rebuild", "--even-if-parked")

    (one, *others) = site.json("parked", "list", "portal")
    assert others == []
    assert (one["account_id"], one["position"], one["error"]) == (
        str(account),
        position,
        "UnknownEvent: AccountTeleported.v1",
    )
    (shown,) = site.json("parked", "show", "portal", str(account))
    assert json.loads(shown["parked"][0]["state"])["originator_id"] == str(account)
    text = site.run("parked", "show", "portal")
    assert "AccountTeleported.v1" in text
    assert "waits behind the one before it" in text
    assert {each["projection"] for each in site.json("parked", "list")} == {
        "portal", "fulfilment_todo", "receipts_todo", "notices_todo", "timers", "care"
    }  # fmt: skip
    assert "run `seatledger parked list`" in site.run("status", code=1)
    assert site.json("status", code=1)["projections"][0]["accounts_parked"] == 1

    service = Running("serve", **site.settings)
    try:
        service.ready()
        listed = care(service)
        assert {each["care"] for each in listed} == {"parked"}
        assert len(listed) == 6
        assert {each["account_id"] for each in listed} == {str(account)}
        assert "seatledger parked list" in httpx2.get(f"{service.base}/").text
        assert httpx2.get(f"{service.base}/readyz").json()["ready"]
        assert "still parked: UnknownEvent" in site.run("parked", "retry", "portal", str(account), code=1)
        for table, column in (("ledger.events", "notification_id"), ("projecting.parked", "position")):
            site.sql(f"UPDATE {table} SET topic = 'AccountOpened.v1' WHERE {column} = %s", position)
        assert "it goes on" in site.run("parked", "retry", "portal", str(account))
        assert len(care(service)) == 5
        assert all(each["left"] == 0 for each in site.json("parked", "retry"))
        assert care(service) == []
        assert "Nothing is parked" in site.run("parked", "retry")
    finally:
        service.ended_by()
    assert all(each["comparison"]["differing_rows"] == 0 for each in site.json("projections", "compare"))


def test_a_wrong_row_is_found_by_comparing_and_mended_by_rebuilding_under_a_live_service(site: Site) -> None:
    service = Running("serve", **site.settings)
    try:
        service.ready()
        site.sql("UPDATE portal.subscriptions SET seats = 4711 WHERE number = 'S-10001-1'")
        said = site.run("projections", "compare", "portal", code=1)
        assert "1 of" in said
        assert "4711" in said
        (found,) = site.json("projections", "compare", "portal", code=1)
        assert [(each["table"], each["column"], each["live"]) for each in found["comparison"]["differences"]] == [
            ("subscriptions", "seats", "4711")
        ]
        assert "version 2 is live" in site.run("projections", "rebuild", "portal")
        assert "are the same" in site.run("projections", "compare", "portal")
        site.run("seed")
        deadline = time.monotonic() + 20
        while any(each["events_behind"] for each in site.json("projections", "list")) and time.monotonic() < deadline:
            time.sleep(0.1)
        (portal,) = site.json("projections", "list", "portal")
        assert (portal["events_behind"], portal["version"], portal["building"]) == (0, 2, False)
        assert len(portal["checkpoints"]) == 12
        assert portal["rows"]["accounts"] == 51
        assert httpx2.get(f"{service.base}/readyz").status_code == 200
    finally:
        service.ended_by()
    assert "214 in all 12" in site.run("projections", "list")


@pytest.mark.parametrize("seconds", [1.5, 1.9, 2.3, 2.7])
def test_a_rebuild_that_is_killed_leaves_the_live_one_and_is_begun_anew(site: Site, seconds: float) -> None:
    before = site.sql("SELECT count(*) FROM timers.entries")  # `seed` may end before this one is up to date
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.cli.main", "projections", "rebuild"],
        env=environment(**site.settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    assert site.sql("SELECT count(*) FROM portal.accounts") == [(51,)]
    assert site.sql("SELECT count(*) FROM timers.entries") in (before, [(10,)])
    assert "version 2 is live" in site.run("projections", "rebuild")
    assert site.sql("SELECT count(*) FROM pg_namespace WHERE nspname ~ '_(v[0-9]+|old)$'") == [(0,)]
    site.run("projections", "compare")


def test_tables_of_another_version_are_said_at_start_with_what_to_do(site: Site) -> None:
    site.sql("UPDATE projecting.read_models SET version = 1 WHERE projection = 'portal'")
    wanted = "the read model portal is of version 1, this program needs 2: run `seatledger projections rebuild portal`"
    for command in ("serve", "work", "status"):
        assert wanted in site.run(command, code=2)
    assert wanted in site.run("migrate")
    assert "1, needs 2" in site.run("projections", "list")
    assert "not compared, since the live one was of version 1" in site.run("projections", "compare", "portal", code=1)
    assert "version 2 is live" in site.run("projections", "rebuild", "portal")
    site.run("status")


def test_the_embedded_default_rebuilds_what_is_of_another_version_by_itself(site: Site) -> None:
    site.sql("UPDATE projecting.read_models SET version = 1 WHERE projection = 'portal'")
    dev = Running("dev", DATA_FOLDER=site.settings["DATA_FOLDER"])
    dev.ready()
    assert "portal: 214 events read; not compared" in dev.ended_by()


def test_names_that_are_none_and_roles_that_may_not_are_told_so(site: Site) -> None:
    assert "there is no projection nope" in site.run("projections", "rebuild", "nope", code=2)
    assert "there is no projection nope" in site.run("parked", "list", "nope", code=2)
    del site.settings["DATABASE_OWNER_URL"]
    assert "DATABASE_OWNER_URL" in site.run("projections", "rebuild", "care", code=1)
