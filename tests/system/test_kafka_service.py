"""The service with its log in Kafka: before there is a broker, with one, and after the topic was published again."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner, Result

from adapters.bootstrap import opened_ledger
from adapters.cli.main import app
from adapters.ledger import Ledger
from adapters.settings import Settings
from ops.kafka.brokers import Cluster, cluster
from tests.brokers import required
from tests.system.processes import Running, scraped
from tests.system.walks import Effects, all_receipts_sent, effects_of, portal, walks_of

pytestmark = pytest.mark.system

METRICS = "m-0123456789abcdef"


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Cluster]:
    """One that is not started."""
    required()
    made = cluster(tmp_path / "kafka")
    yield made
    made.erase()


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened_ledger(Settings(sandbox=True), ledger_url) as opened:
        yield opened


def _log(service: Running) -> dict[str, object]:
    answer = httpx2.get(f"{service.base}/readyz")
    assert answer.status_code == 200, answer.text
    log: dict[str, object] = answer.json()["log"]
    return log


async def test_orders_are_carried_out_without_a_broker_and_the_log_catches_up(
    ledger: Ledger, ledger_url: str, brokers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"KAFKA_BOOTSTRAP_SERVERS": brokers.bootstrap_servers, "DATABASE_URL": ledger_url}
    walks, token = await walks_of(ledger, 3)
    service = Running("serve", "--workers", SANDBOX="1", RECEIPTS_LAG_SECONDS="1", METRICS_TOKEN=METRICS, **settings)
    try:
        service.ready()
        async with portal(service, token) as client:
            await asyncio.gather(*(walk.go(client) for walk in walks))
            async with asyncio.timeout(60):
                while len(await ledger.sandbox.mailer.messages()) < 3:
                    await asyncio.sleep(0.1)
            assert int(str(_log(service)["events_behind"])) > 50
            async with asyncio.timeout(60):
                while "no broker answers" not in str(_log(service)["trouble"]):
                    await asyncio.sleep(0.1)
            assert scraped(service, METRICS)["seatledger_relay_events_behind"] > 50
            assert scraped(service, METRICS)["seatledger_relay_stands_still"] == 1
            brokers.start(dies_with_us=True)
            await all_receipts_sent(client, walks, within=60)
            async with asyncio.timeout(60):
                while _log(service)["events_behind"]:
                    await asyncio.sleep(0.1)
            figures = scraped(service, METRICS)
            assert figures["seatledger_relay_events_total"] > 50
            assert (figures["seatledger_relay_events_behind"], figures["seatledger_relay_leads"]) == (0, 1)
        owner_url = ledger_url.replace("seatledger_app@", "postgres@", 1)
        for name, value in {**settings, "DATABASE_OWNER_URL": owner_url}.items():
            monkeypatch.setenv(name, value)
        assert "each as it is in the store and in order by account" in _told("log", "verify").output
        status = json.loads(_told("log", "status", "--json").output)
        assert (status["trouble"], status["events_behind"], len(status["partitions"])) == (None, 0, 12)
        assert "The log in Kafka is up to date" in _told("log", "status").output
        assert "The log in Kafka is up to date" in _told("status").output
        order = str(walks[0].answered["orders"])
        seen = _told("log", "tail", "--beginning", "--no-follow", "--json", "--order", order).output.splitlines()
        assert {"OrderPlaced.v1", "ReceiptIssued.v1", "ReceiptSent.v1"} <= {json.loads(each)["topic"] for each in seen}
        by_account = _told("log", "tail", "--beginning", "--no-follow", "--account", walks[0].number).output
        assert by_account.count("AccountOpened") == 1
        assert "--even-if-well" in _told("log", "rebuild", code=1).output
        assert "readers go on" in _told("log", "rebuild", "--even-if-well").output
        assert json.loads(_told("log", "verify", "--json").output)["well"]
        assert json.loads(_told("projections", "compare", "portal", "--json").output)[0]["comparison"]["rows"] > 0
        for walk, effects in zip(walks, await effects_of(ledger, walks), strict=True):
            assert effects == Effects.once(walk)
    finally:
        service.killed()


def _told(*arguments: str, code: int = 0) -> Result:
    with ThreadPoolExecutor(1) as thread:  # the command has an event loop of its own
        done = thread.submit(lambda: CliRunner().invoke(app, list(arguments))).result()
    assert done.exit_code == code, done.output
    return done


def test_the_log_commands_say_where_there_is_no_kafka(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert "the store itself is the log" in _told("log", "status", code=2).output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "localhost"}, "KAFKA_BOOTSTRAP_SERVERS: names brokers as host:port"),
        ({"LEDGER": "Not This"}, "LEDGER"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_USERNAME, KAFKA_PASSWORD: SASL_SSL wants both"),
        ({"KAFKA_CA_FILE": "/nowhere.pem"}, "KAFKA_CA_FILE: there is no such file"),
        ({"KAFKA_MIN_INSYNC_REPLICAS": "2"}, "KAFKA_MIN_INSYNC_REPLICAS: is more than KAFKA_REPLICATION"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(
    settings: dict[str, str], said: str, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DATABASE_URL": ledger_url, **settings}.items():
        monkeypatch.setenv(name, value)
    assert said in _told("log", "status", code=2).output
