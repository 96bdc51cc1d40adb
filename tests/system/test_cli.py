"""The commands as their users run them: in a process of their own, with an environment and a data folder."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from adapters.postgres import embedded
from tests.system.processes import Running, environment, free_port

pytestmark = pytest.mark.system


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that is erased at the end."""
    made = Path(tempfile.mkdtemp(prefix="sl-"))
    yield made
    embedded.erase(made)
    shutil.rmtree(made, ignore_errors=True)


def run(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", *arguments],
        env=environment(DATA_FOLDER=str(folder), **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def plain_refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command printed."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "many"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"PARTITIONS": "0"}, "PARTITIONS"),
        ({"DATABASE_URL": "mysql://somewhere/else"}, "DATABASE_URL"),
        ({"SELLER_COUNTRY": "Germany"}, "SELLER_COUNTRY"),
        ({"SANDBOX": "perhaps"}, "SANDBOX"),
    ],
)
def test_a_wrong_setting_is_one_plain_line_that_names_it(folder: Path, settings: dict[str, str], named: str) -> None:
    assert plain_refusal(run("serve", folder=folder, **settings)).startswith(f"seatledger: {named}: ")


@pytest.mark.parametrize("command", ["dev", "serve", "work", "seed", "import", "status", "migrate", "reset"])
def test_every_command_refuses_wrong_settings_before_it_does_anything(folder: Path, command: str) -> None:
    assert plain_refusal(run(command, folder=folder, PARTITIONS="none")).startswith("seatledger: PARTITIONS: ")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "work"])
def test_without_a_database_nothing_is_served_or_worked_on(folder: Path, command: str) -> None:
    assert "DATABASE_URL" in plain_refusal(run(command, folder=folder))


def test_a_database_that_does_not_answer_is_said_without_its_password(folder: Path) -> None:
    url = f"postgresql://app:tell-nobody@127.0.0.1:{free_port()}/seatledger"
    said = plain_refusal(run("serve", folder=folder, DATABASE_URL=url, SANDBOX="1"))
    assert "does not answer" in said
    assert "tell-nobody" not in said


def test_an_empty_database_is_told_to_be_migrated_and_one_that_is_needs_counterparties(folder: Path) -> None:
    server = embedded.start(folder)
    url = server.url("postgres", "seatledger")
    assert "run `seatledger migrate`" in plain_refusal(run("serve", folder=folder, DATABASE_URL=url, SANDBOX="1"))
    for expected in ("was empty", "as before"):
        done = run("migrate", folder=folder, DATABASE_URL=url)
        assert (done.returncode, expected in done.stdout) == (0, True), done.stderr
    assert "SANDBOX" in plain_refusal(run("work", folder=folder, DATABASE_URL=url))
    said = plain_refusal(run("migrate", folder=folder, DATABASE_URL=url, PARTITIONS="24"))
    assert "12 partitions for ever" in said
    done = run("status", "--json", folder=folder, DATABASE_URL=url)
    assert (done.returncode, json.loads(done.stdout)["position"]) == (0, 0), done.stderr


def test_a_port_in_use_is_said_before_anything_is_started(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port} can't be used" in plain_refusal(run("dev", folder=folder, PORT=port))
    assert not (folder / "data").exists()


def test_a_broken_data_folder_is_said_with_what_to_do(folder: Path) -> None:
    server = embedded.start(folder)
    server.stop()
    (server.data / "PG_VERSION").unlink()
    assert "make reset" in plain_refusal(run("dev", folder=folder))


def test_the_doctor_says_what_is_well_and_what_is_not(folder: Path) -> None:
    done = run("doctor", "--json", folder=folder)
    assert done.returncode == 0, done.stdout
    assert {each["check"] for each in json.loads(done.stdout)} == {"Python", "settings", "port", "disk", "PostgreSQL"}
    assert run("doctor", folder=folder, PORT="0").returncode == 2
    assert "wrong" in run("doctor", folder=folder, DATABASE_URL="postgresql://127.0.0.1:1/x").stdout


def test_reset_deletes_the_data_only_when_told_to(folder: Path) -> None:
    server = embedded.start(folder)
    assert run("reset", folder=folder).returncode == 1
    assert server.data.exists()
    assert "Deleted" in run("reset", "--yes", folder=folder).stdout
    assert not server.data.exists()
    shutil.rmtree(folder)
    assert "Nothing" in run("reset", folder=folder).stdout


def test_the_embedded_default_starts_is_stopped_and_goes_on_with_the_same_data(folder: Path) -> None:
    first = Running("dev", DATA_FOLDER=str(folder))
    first.ready()
    login = httpx2.get(f"{first.base}/sandbox/people").json()[0]["login"]
    token = httpx2.get(f"{first.base}/sandbox/token/{login}").text
    listed = httpx2.get(f"{first.base}/v1/accounts", headers={"Authorization": f"Bearer {token}"})
    assert listed.status_code == 200
    said = first.ended_by()
    for expected in ("Idempotency-Key", "/sandbox/inbox", "Who can sign in", "Stopped. The data stays"):
        assert expected in said
    assert "Traceback" not in said

    second = Running("dev", DATA_FOLDER=str(folder))
    second.ready()
    assert second.processor_seconds <= 5.0, "the second start, everything installed; the bench has the seconds"
    again = httpx2.get(f"{second.base}/v1/accounts", headers={"Authorization": f"Bearer {token}"})
    assert again.json() == listed.json()
    assert "Traceback" not in second.ended_by()


def test_the_printed_curl_line_quotes_two_seats(folder: Path) -> None:
    dev = Running("dev", DATA_FOLDER=str(folder))
    dev.ready()
    try:
        printed = ""
        assert dev.process.stdout is not None
        for line in dev.process.stdout:
            printed += line
            if "Ready after" in line:
                break
        script = printed[printed.index("TOKEN=") : printed.index("Ready after")].replace("localhost", "127.0.0.1")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)
        answer = json.loads(done.stdout)
        assert (answer["state"], answer["net"]) == ("Open", {"amount": 37729, "currency": "EUR"}), answer
    finally:
        dev.ended_by()
