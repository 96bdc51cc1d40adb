"""No secret, card number, name or address of a request turns up in a log, a problem, an event or a read model."""

import pytest

from tests.system.canaries import Canaries, logged, said_in
from tests.system.test_bad_input import opened_world

pytestmark = pytest.mark.system

REQUESTS = 400  # `make chaos NAME=canaries` sends 10,000


async def test_nothing_of_a_request_turns_up_where_it_must_not(ledger_url: str) -> None:
    with logged() as log:
        async with opened_world(ledger_url, requests_per_second=100_000) as world:
            canaries = Canaries(world, seed=17)
            await canaries.send(REQUESTS)
            assert canaries.told == []
            assert await canaries.found() == []
    assert said_in(log.getvalue()) == []
    successes = sum(count for status, count in canaries.statuses.items() if status < 300)
    assert successes > REQUESTS // 20, canaries.statuses
    assert {401, 422} <= set(canaries.statuses)
