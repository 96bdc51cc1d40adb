"""A request that takes too long is answered all the same; an answer that has begun may take its time."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from adapters.http import problems
from adapters.http.deadline import Deadline
from services.ports import StoreUnavailable


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
async def client(ended: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Deadline, seconds=0.1)

    @app.get("/endless")
    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("endless")

    @app.get("/late")
    async def late() -> Response:
        """Answers although it was told to end."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise StoreUnavailable from None
        return Response()

    @app.get("/quick")
    async def quick() -> Response:
        return Response("done")

    @app.get("/of-its-own")
    async def of_its_own() -> None:
        raise TimeoutError

    @app.get("/long")
    async def long() -> Response:
        async def parts() -> AsyncIterator[str]:
            for _ in range(4):
                yield "part "
                await asyncio.sleep(0.1)

        return StreamingResponse(parts())

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as made:
        yield made


async def test_what_takes_too_long_is_answered_and_ended(client: httpx2.AsyncClient, ended: list[str]) -> None:
    began = time.monotonic()
    answer = await client.get("/endless")
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
    assert time.monotonic() - began < 5
    assert ended == ["endless"]


async def test_an_answer_given_at_the_last_moment_is_the_only_one(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/late")
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")


async def test_what_is_quick_or_has_begun_is_left_alone(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/quick")).text == "done"
    assert (await client.get("/long")).text == 4 * "part "


async def test_somebody_else_s_time_out_is_a_fault_as_ever(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/of-its-own")).status_code == 500


async def test_what_is_no_request_is_passed_on() -> None:
    seen = []

    async def app(*given: object) -> None:
        seen.append(given)

    given: Any = {"type": "lifespan"}, "receive", "send"
    await Deadline(app, 0.1)(*given)
    assert seen == [given]
