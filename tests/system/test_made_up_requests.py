"""Whatever schemathesis makes up from the OpenAPI document is answered as the document says, and never with a 5xx."""

import pytest

from tests.system.made_up_requests import answered

pytestmark = pytest.mark.system

CASES = 217  # `make chaos NAME=http` tries 20,000


def test_no_made_up_request_gets_an_answer_that_the_document_does_not_know(ledger_url: str) -> None:
    told = answered(ledger_url, CASES, seed=7)
    assert not told.wrong, "\n".join(f"{what}: {said}" for what, said in told.wrong.items())
    assert told.statuses.total() > CASES // 2
    assert {200, 401, 403, 404, 422} <= set(told.statuses)
