"""Refusals as RFC 9457 problems with a stable code: one table, and a test demands a row for each refusal."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from adapters.http.rates import TooManyRequests
from adapters.identity.tokens import IdentityUnavailable, TokenRefused
from adapters.postgres.read_models import CursorInvalid, NotThatFar
from domain import refusals
from services.ports import AppendTooLarge, CounterpartyError, CounterpartyRefused, StoreUnavailable

_log = logging.getLogger(__name__)

STATUS: Final[Mapping[type[refusals.Refusal], int]] = {
    refusals.NotFound: 404,
    refusals.NotPermitted: 403,
    refusals.NotBillingAdmin: 403,
    refusals.NotEligibleForSelfService: 409,
    refusals.NoAutomaticPaymentMethod: 409,
    refusals.OpenQuoteChanged: 409,
    refusals.SalesRepQuoteUnacknowledged: 409,
    refusals.QuoteNotOpen: 409,
    refusals.QuoteExpired: 410,
    refusals.QuoteChanged: 409,
    refusals.ValidityInvalid: 422,
    refusals.SeatChangePending: 409,
    refusals.SubscriptionEnding: 409,
    refusals.OrderNotPayable: 409,
    refusals.OrderNotInState: 409,
    refusals.RefundTooLarge: 422,
    refusals.TermInvalid: 422,
    refusals.ProductUnsupported: 422,
    refusals.QuantityInvalid: 422,
    refusals.CartInvalid: 422,
    refusals.CardNumberRefused: 422,
    refusals.TermsVersionUnknown: 422,
    refusals.StaleVersion: 412,
    refusals.Conflict: 409,
    refusals.IdempotencyKeyReused: 422,
    refusals.CommandInProgress: 409,
}

HELP: Final = {"name": "Corporate Account Services", "url": "https://seatledger.example/corporate-account-services"}
"""Where a problem sends somebody who can't help himself."""

RETRY_AFTER_SECONDS: Final = 1

_IS_JSON: Final = re.compile(r"application/(json|[^;]+\+json) *(;|$)", re.IGNORECASE)


PROBLEM_CODE: Final = "seatledger.problem"
"""Where a request's scope has the code of the problem that it was answered with."""


def problem(
    status: int,
    code: str,
    title: str,
    facts: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response. `facts` become members of the problem."""
    body = {"type": f"urn:seatledger:problem:{code.lower()}", "title": title, "status": status, "code": code}
    content = {**jsonable_encoder(dict(facts or {})), **body}
    response = _Problem(content, status, media_type="application/problem+json", headers=dict(headers or {}))
    response.code = code
    return response


class _Problem(JSONResponse):
    code: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the code where whoever counts problems finds it."""
        scope[PROBLEM_CODE] = self.code
        await super().__call__(scope, receive, send)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, refusals.Refusal)
    facts = {**error.facts, **({"help": HELP} if error.ends_self_service else {})}
    return problem(STATUS[type(error)], error.code, str(error), facts)


async def _unauthenticated(request: Request, error: Exception) -> JSONResponse:
    challenge = 'Bearer error="invalid_token"' if request.headers.get("Authorization") else "Bearer"
    return problem(
        401, "UNAUTHENTICATED", f"Send a valid bearer token ({error})", headers={"WWW-Authenticate": challenge}
    )


async def _nobody_known(_: Request, __: Exception) -> JSONResponse:
    return problem(
        503,
        "IDENTITY_UNAVAILABLE",
        "The identity provider can't be reached, so nobody can be told from anybody. Send the same request again.",
        headers={"Retry-After": "5"},
    )


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong: Sequence[Any] = error.errors()
    if any(each["loc"][0] == "body" for each in wrong) and not _IS_JSON.match(request.headers.get("Content-Type", "")):
        return problem(415, "MEDIA_TYPE_UNSUPPORTED", "Send the body as application/json.")
    if any(each["type"] == "json_invalid" for each in wrong):
        return problem(400, "MALFORMED_BODY", "The body is not JSON in UTF-8.")
    missing = {each["loc"][-1] for each in wrong if each["type"] == "missing" and each["loc"][0] == "header"}
    if "Idempotency-Key" in missing:
        return problem(400, "IDEMPOTENCY_KEY_MISSING", "Send an Idempotency-Key with every POST.")
    if "If-Match" in missing:
        return problem(428, "PRECONDITION_REQUIRED", "Send If-Match with the ETag that you read.")
    errors = [{"field": _place(each), "message": each["msg"]} for each in wrong]
    if any(each["loc"][0] == "path" for each in wrong):
        return problem(404, "NOT_FOUND", "There is nothing with this id.")
    return problem(422, "VALIDATION_FAILED", "Some fields are not as they must be.", {"errors": errors})


def _place(error: Mapping[str, Any]) -> str:
    """Where the mistake is. The name of an unknown member is not told: it is the client's text, whatever it holds."""
    known = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return ".".join(str(part) for part in known)


async def _plain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {400: "MALFORMED_BODY", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 406: "NOT_ACCEPTABLE"}
    title = {400: "The body is not JSON in UTF-8.", 404: "There is nothing here."}
    return problem(
        error.status_code,
        code.get(error.status_code, "HTTP_ERROR"),
        title.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )


def unavailable() -> JSONResponse:
    """What is answered while the ledger can't do it; whether it did it all the same is unknown."""
    return problem(
        503,
        "UNAVAILABLE",
        "The ledger can't be reached at the moment. Send the same request, with the same Idempotency-Key, again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


async def _away(_: Request, __: Exception) -> JSONResponse:
    return unavailable()


async def _not_that_far(_: Request, __: Exception) -> JSONResponse:
    return problem(
        503,
        "NOT_THAT_FAR",
        "What was asked to wait for is not visible yet. Ask again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


async def _cursor_invalid(_: Request, __: Exception) -> JSONResponse:
    return problem(400, "CURSOR_INVALID", "This list never gave that cursor.")


async def _too_many(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooManyRequests)
    return problem(
        429,
        "RATE_LIMITED",
        "You send more requests than one caller may. Wait, then send the same request again.",
        headers={"Retry-After": str(error.retry_after)},
    )


async def _too_large(_: Request, __: Exception) -> JSONResponse:
    return problem(413, "TOO_LARGE", "The command would make an event larger than the ledger stores.")


async def _counterparty_refused(_: Request, error: Exception) -> JSONResponse:
    return problem(422, "COUNTERPARTY_REFUSED", f"A partner's system refused it: {error}")


async def _counterparty_away(_: Request, __: Exception) -> JSONResponse:
    return problem(
        503,
        "COUNTERPARTY_UNAVAILABLE",
        "A partner's system does not answer, and nothing was changed. Try again.",
        headers={"Retry-After": "5"},
    )


async def _failed(_: Request, error: Exception) -> JSONResponse:
    _log.error("a request failed", exc_info=error)
    return problem(500, "INTERNAL", "This is our fault. It has been noted.")


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    for error, handler in (
        (refusals.Refusal, _refused),
        (TokenRefused, _unauthenticated),
        (IdentityUnavailable, _nobody_known),
        (TooManyRequests, _too_many),
        (RequestValidationError, _invalid),
        (HTTPException, _plain),
        (StoreUnavailable, _away),
        (NotThatFar, _not_that_far),
        (CursorInvalid, _cursor_invalid),
        (AppendTooLarge, _too_large),
        (CounterpartyRefused, _counterparty_refused),
        (CounterpartyError, _counterparty_away),
        (Exception, _failed),
    ):
        app.add_exception_handler(error, handler)
