"""Rates, headers and time limits around the application, and secrets that come from files."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from adapters.http import rates
from adapters.http.body_limit import BodyLimit
from adapters.http.portal.trouble import no_page
from adapters.http.rates import BURST_SECONDS, Rate, TooManyRequests, network_of
from adapters.http.security_headers import SecurityHeaders
from adapters.settings import SettingsError, from_environment


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_caller_has_ten_seconds_worth_at_once_and_then_his_rate() -> None:
    clock = Clock()
    rate = Rate(5, clock)
    for _ in range(5 * BURST_SECONDS):
        rate.take("anna")
    with pytest.raises(TooManyRequests) as refused:
        rate.take("anna")
    assert refused.value.retry_after == 1
    rate.take("another")
    clock.now += 1.0
    for _ in range(5):
        rate.take("anna")
    with pytest.raises(TooManyRequests):
        rate.take("anna")
    clock.now += 1000
    for _ in range(5 * BURST_SECONDS):
        rate.take("anna")


def test_a_slow_rate_says_how_long_to_wait() -> None:
    rate = Rate(1 / BURST_SECONDS, Clock())
    rate.take("anna")
    with pytest.raises(TooManyRequests) as refused:
        rate.take("anna")
    assert refused.value.retry_after == BURST_SECONDS


def test_no_more_callers_are_counted_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 3)
    rate = Rate(1, Clock())
    for number in range(100):
        rate.take(f"p-{number}")
    assert len(rate._full_at) == 3


def test_an_address_of_version_six_counts_by_its_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")
    assert network_of("testclient") == "testclient"


async def _answered(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("well", headers={"Content-Security-Policy": "default-src 'self'"})


def _headers(answer: httpx2.Response) -> Mapping[str, str]:
    return answer.headers


async def test_every_answer_has_the_headers_and_a_page_keeps_its_own() -> None:
    app = SecurityHeaders(Starlette(routes=[Route("/", _answered)]))
    for base in ("http://ledger.example", "https://ledger.example"):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=base) as client:
            page, missing = _headers(await client.get("/")), _headers(await client.get("/nothing"))
        assert page["Content-Security-Policy"] == "default-src 'self'"
        assert missing["Content-Security-Policy"].startswith("default-src 'none'")
        for headers in (page, missing):
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"
            assert ("Strict-Transport-Security" in headers) == base.startswith("https")


async def test_a_body_that_does_not_come_to_an_end_is_given_up() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": []}
    async with asyncio.timeout(20):
        await BodyLimit(Starlette(), limit=1_000_000, seconds=0.1, page=no_page)(scope, receive, send)
    assert sent[0]["status"] == 408
    assert b"BODY_TOO_SLOW" in sent[1]["body"]


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://app:hunter2@db/ledger\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    found = from_environment()
    assert found.database_url
    assert found.database_url.get_secret_value() == "postgresql://app:hunter2@db/ledger"
    assert "hunter2" not in repr(found)
    monkeypatch.setenv("DATABASE_URL", "postgresql://other")
    with pytest.raises(SettingsError, match="DATABASE_URL_FILE, too"):
        from_environment()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"mysql://db"], ids=["missing", "no text", "no such database"])
def test_a_file_without_the_secret_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("DATABASE_OWNER_URL_FILE", str(file))
    with pytest.raises(SettingsError, match="DATABASE_OWNER_URL") as refused:
        from_environment()
    assert "mysql" not in str(refused.value)


def test_only_secrets_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORT_FILE", str(tmp_path / "nothing"))
    assert from_environment().port == 8080
