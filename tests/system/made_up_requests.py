"""Requests that schemathesis makes up from the OpenAPI document, right ones and wrong ones; answers are held to it."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.test_bad_input import CALLERS, OWN, World, opened_world

CHECKS: Final = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WITHOUT_AN_END: Final = "GET /v1/orders/{order_id}/progress"
"""With an id of our own its answer has no end before the order's."""

_A_POSITION: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,18}")
_REACHED: Final = "0.0"  # any other would be waited for, until the answer is 503


@dataclass
class Answered:
    """How many answers of each status there were, and what was wrong with some: no two alike."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)


def answered(url: str, cases: int, seed: int) -> Answered:
    """So many requests, spread over all operations and callers, to the application over this empty ledger."""
    told = Answered()
    with asyncio.Runner() as runner:
        opened = opened_world(url, requests_per_second=1_000_000, refused_per_second=1_000_000)
        world = runner.run(opened.__aenter__())
        try:
            schema = schemathesis.openapi.from_dict(world.app.openapi())
            operations: list[Any] = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
            # Some operations have few different requests: what they leave of their share is tried on all again.
            while (left := cases - told.statuses.total()) > 0:
                for operation in operations:
                    _tried(runner, world, operation, -(-left // len(operations)), seed, told)
                seed += 1
        finally:
            runner.run(opened.__aexit__(None, None, None))
    return told


def _tried(
    runner: asyncio.Runner,
    world: World,
    operation: Any,
    count: int,
    seed: int,
    told: Answered,
) -> None:
    ids = {name: str(id) for name, id in OWN.items() if f"{{{name}}}" in operation.path}
    modes = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    if ids and operation.label != WITHOUT_AN_END:
        modes.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=ids))
        modes.append(operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=ids))
    callers = [*CALLERS.values(), "anna", "care", None, "expired"]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.one_of(modes), st.sampled_from(callers))
    def one(case: Any, caller: str | None) -> None:
        response = runner.run(_sent(world, case, caller))
        told.statuses[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failure:
            told.wrong.setdefault(f"{operation.label} {response.status_code}", str(failure)[:2000])

    one()


async def _sent(world: World, case: Any, caller: str | None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {world.tokens[caller]}"} if caller else {}
    sent: dict[str, Any] = case.as_transport_kwargs(base_url="http://ledger.example", headers=headers)
    sent = {
        name: value for name, value in sent.items() if name in {"method", "url", "params", "json", "data", "headers"}
    }
    if isinstance(sent.get("data"), bytes | str):
        sent["content"] = sent.pop("data")
    sent["headers"] = [
        (name.encode("latin-1"), (_REACHED if _A_POSITION.fullmatch(value) else value).encode("latin-1"))
        for name, value in sent["headers"].items()
    ]
    async with world.client() as client:
        return await client.request(**sent)
