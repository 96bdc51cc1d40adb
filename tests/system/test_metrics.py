"""GET /metrics: who may read it, that its figures move with an order, and that no label names anybody."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from adapters.bootstrap import opened_ledger
from adapters.ledger import Ledger
from adapters.memory.clock import StandingClock
from adapters.metrics.meters import Meters
from adapters.metrics.outside import timed
from adapters.metrics.state import exposition
from adapters.payments.sandbox import SandboxPayments
from adapters.sandbox_books import MemoryBooks
from adapters.settings import Settings
from services.ports import CounterpartyRefused
from tests.system.processes import Running, figures_in, free_port, scraped
from tests.system.walks import all_receipts_sent, portal, walks_of
from tests.world import NOON

pytestmark = pytest.mark.system

TOKEN = "m-0123456789abcdef"
WITH_KAFKA = {
    "seatledger_relay_events_total",
    "seatledger_relay_leads",
    "seatledger_relay_led",
    "seatledger_relay_events_behind",
    "seatledger_relay_seconds_behind",
    "seatledger_relay_stands_still",
    "seatledger_spoilt_messages",
}
UUIDS = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}", re.IGNORECASE)


def _explained() -> set[str]:
    """The figures that the page names whole."""
    page = Path("docs/how-to/watch-it-with-prometheus.md").read_text("utf-8").split("## What to be woken for")[0]
    return set(re.findall(r"`(seatledger_[a-z_]+)`", page))


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened_ledger(Settings(sandbox=True), ledger_url) as opened:
        yield opened


@pytest.fixture
def service(ledger_url: str) -> Iterator[Running]:
    started = Running("serve", "--workers", DATABASE_URL=ledger_url, SANDBOX="1", METRICS_TOKEN=TOKEN)
    started.ready()
    yield started
    started.killed()


async def test_the_figures_move_when_an_order_goes_through_and_name_nobody(ledger: Ledger, service: Running) -> None:
    walks, token = await walks_of(ledger, 2)
    before = scraped(service, TOKEN)
    async with portal(service, token) as client:
        await walks[0].go(client)
        await all_receipts_sent(client, walks[:1])
        (line,) = [{"subscription_id": str(walks[1].subscriptions[0]), "seats_to_add": 0}]
        body = {"lines": [line], "replaces": None}
        path = f"/v1/accounts/{walks[1].account}/quotes"
        assert (await client.post(path, json=body, headers={"Idempotency-Key": "wrong"})).status_code == 422
        assert (await client.get("/nothing/0123456789")).status_code == 404
    after = scraped(service, TOKEN)

    def moved(name: str) -> float:
        return after[name] - before.get(name, 0)

    placing = "method=POST,route=/v1/orders/{order_id}/place,status=2xx"
    assert moved(f"seatledger_request_seconds_count{{{placing}}}") == 1
    assert moved(f"seatledger_request_seconds_sum{{{placing}}}") > 0
    refused = "method=POST,route=/v1/accounts/{account_id}/quotes,status=4xx"
    assert moved(f"seatledger_request_seconds_count{{{refused}}}") == 1
    assert moved("seatledger_request_seconds_count{method=GET,route=none,status=4xx}") == 1
    assert moved("seatledger_problems_total{code=QUANTITY_INVALID}") == 1
    assert moved("seatledger_problems_total{code=NOT_FOUND}") >= 1
    assert moved("seatledger_appends_total{outcome=stored}") > 10
    assert moved("seatledger_append_batch_size_count") > 5
    assert moved("seatledger_append_seconds_sum") > 0
    for call in ("port=payments", "port=provisioning", "port=admin_directory", "port=mail"):
        assert any(moved(each) > 0 for each in after if each.startswith("seatledger_outside") and call in each), call
    assert moved("seatledger_outside_call_seconds_count{call=capture,outcome=answered,port=payments}") == 1
    assert moved("seatledger_projected_events_total{projection=portal}") > 20
    assert moved("seatledger_position") > 20
    assert after["seatledger_orders{state=Completed}"] == 1
    assert after["seatledger_orders_overdue"] == 0
    assert after["seatledger_projection_partitions_held{projection=portal}"] == 12
    assert after["seatledger_projection_accounts_parked{projection=portal}"] == 0
    assert after["seatledger_todo_open{list=fulfilment_todo}"] == 0
    assert after["seatledger_pool_connections_at_most{pool=api}"] == 10
    assert after["process_resident_memory_bytes"] > 2**20
    assert {name for name in after if name.startswith("seatledger_up")} == {
        "seatledger_up{part=read_models}",
        "seatledger_up{part=work}",
    }
    here = {name.partition("{")[0] for name in after}
    assert {each for each in _explained() - WITH_KAFKA if not {each, f"{each}_count"} & here} == set()
    told = "\n".join(after)
    assert not UUIDS.search(told)
    for word in (walks[0].number, "anna", "jonas", "tok_visa", token, "0123456789"):
        assert word not in told


async def test_only_who_shows_the_token_may_read_them(ledger: Ledger, service: Running, ledger_url: str) -> None:
    _, portals = await walks_of(ledger, 1)

    def status(bearer: str | None) -> int:
        headers = {b"Authorization": f"Bearer {bearer}".encode("latin-1")} if bearer else {}
        return httpx2.get(f"{service.base}/metrics", headers=headers).status_code

    assert [status(each) for each in (TOKEN, None, "m-0123456789abcdeg", portals, "é")] == [200, 401, 401, 401, 401]
    without = Running("serve", DATABASE_URL=ledger_url, SANDBOX="1")
    try:
        without.ready()
        assert httpx2.get(f"{without.base}/metrics", headers={"Authorization": "Bearer anything"}).status_code == 404
    finally:
        without.killed()
    with pytest.raises(ValidationError):
        Settings(metrics_token=SecretStr("short"))


async def test_workers_that_serve_nothing_else_have_their_figures_at_a_port_of_their_own(ledger_url: str) -> None:
    port = free_port()
    settings = {"DATABASE_URL": ledger_url, "SANDBOX": "1", "METRICS_TOKEN": TOKEN, "METRICS_PORT": str(port)}
    work = Running("work", **settings)
    work.base = f"http://127.0.0.1:{port}"
    async with asyncio.timeout(30):
        while True:
            try:
                figures = scraped(work, TOKEN)
                break
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
    assert "seatledger_projected_events_total{projection=fulfilment_todo}" in figures
    assert {httpx2.get(work.base + path).status_code for path in ("/v1/accounts", "/openapi.json", "/")} == {404}
    assert "METRICS_PORT: 127.0.0.1" in Running("work", **settings).process.communicate(timeout=30)[0]
    work.ended_by()
    with pytest.raises(ValidationError):
        Settings(metrics_port=port)


async def test_what_can_not_be_told_now_is_left_out_and_said(ledger: Ledger) -> None:
    well = figures_in((await exposition(ledger)).decode())
    assert (well["seatledger_up{part=work}"], well["seatledger_up{part=read_models}"]) == (1, 1)
    await ledger.pool.close()
    away = figures_in((await exposition(ledger)).decode())
    assert (away["seatledger_up{part=work}"], away["seatledger_up{part=read_models}"]) == (0, 0)
    assert "seatledger_position" not in away
    assert away["seatledger_stands_still{part=writer}"] == 0


async def test_a_call_outside_is_counted_by_what_came_of_it() -> None:
    meters = Meters()
    payments = timed(SandboxPayments(MemoryBooks(), StandingClock(NOON)), "payments", meters)
    await payments.card("tok_visa")
    for _ in range(2):
        with pytest.raises(CounterpartyRefused):
            await payments.card("tok_nobody")
    counted = meters.registry.get_sample_value
    labels = {"port": "payments", "call": "card"}
    assert counted("seatledger_outside_call_seconds_count", {**labels, "outcome": "answered"}) == 1
    assert counted("seatledger_outside_call_seconds_count", {**labels, "outcome": "refused"}) == 2
