"""The web application over an open ledger."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adapters.http import problems
from adapters.http.api.documentation import document_with_examples
from adapters.http.api.recovery_routes import recovery
from adapters.http.api.routes import router
from adapters.http.api.settings_routes import account_settings
from adapters.http.body_limit import BodyLimit
from adapters.http.callers import TheLedger
from adapters.http.deadline import Deadline
from adapters.http.metrics import metrics
from adapters.http.portal.application import portal
from adapters.http.portal.trouble import no_page
from adapters.http.security_headers import SecurityHeaders
from adapters.http.signing_in import SignInNeeded, signing_in, to_sign_in
from adapters.http.unknown_at_first import UnknownAtFirst
from adapters.ledger import Ledger
from adapters.metrics.requests import Timed
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.homes import MAY_LIVE_ELSEWHERE
from services.ports import StoreUnavailable

ROUTES = (router, recovery, account_settings)
"""All operations of /v1."""

_ANSWER_SECONDS = 15.0

_DESCRIPTION = """
Order processing behind the Corporate Billing Portal: quote, payment, seats, receipt.

Money is in minor units with its currency. Every POST carries an Idempotency-Key. A command answers with
Seatledger-Position; a query with Seatledger-Wait-For answers once its read model is that far. ETags are stream
versions. Refusals are RFC 9457 problems with a stable `code`.
"""


def application(ledger: Ledger) -> FastAPI:
    """The API with health checks; pages of the sandbox are added by who serves the embedded default."""
    app = FastAPI(
        title="Seatledger",
        version="0.1.0",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
    )
    app.state.ledger = ledger
    app.openapi = lambda: document_with_examples(app)  # type: ignore[method-assign]
    problems.install(app)
    app.add_middleware(UnknownAtFirst)
    app.add_middleware(Deadline, seconds=_ANSWER_SECONDS)
    at_most, within = ledger.settings.body_bytes, ledger.settings.body_seconds
    app.add_middleware(BodyLimit, limit=at_most, seconds=within, page=no_page)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Timed, meters=ledger.meters)
    for routes in ROUTES:
        app.include_router(routes)

    app.include_router(signing_in)
    app.mount("/portal", portal(ledger))

    @app.get("/portal", include_in_schema=False)
    async def to_the_portal() -> Response:
        """Whoever asks for the portal begins with the accounts that he may see."""
        return RedirectResponse("/portal/accounts", 303)

    app.add_exception_handler(SignInNeeded, to_sign_in)

    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], responses={503: {"description": "not ready"}})
    async def readyz(ledger: TheLedger) -> Response:
        """The store can be written and read, and no projection stands still.

        `log` says how far Kafka is behind the store: that holds up nobody who orders, and so is no trouble here. Nor is
        it if a database of the read models' own is away: `read_models` says so, and commands are taken.
        """
        failures = {each.projection.name: each.failure for each in ledger.projections if each.failure}
        away = await _read_models_away(ledger)
        trouble = {name: failure for name, failure in failures.items() if not (away and name in MAY_LIVE_ELSEWHERE)}
        if ledger.writer.trouble:
            trouble["writer"] = ledger.writer.trouble
        try:
            await ledger.log.ends()
        except StoreUnavailable as error:
            trouble["store"] = str(error)
        said: dict[str, Any] = {"ready": not trouble, "trouble": trouble}
        if ledger.pools.are_two:
            said["read_models"] = {"trouble": away}
        if ledger.relay and "store" not in trouble:
            said["log"] = await _log(ledger)
        return JSONResponse(said, 503 if trouble else 200)

    app.include_router(metrics)
    return app


def only_metrics(ledger: Ledger) -> FastAPI:
    """What a process has that serves nobody else: its figures."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.ledger = ledger
    problems.install(app)
    app.add_middleware(Deadline, seconds=_ANSWER_SECONDS)
    app.add_middleware(SecurityHeaders)
    app.include_router(metrics)
    return app


async def _read_models_away(ledger: Ledger) -> str | None:
    """Why the read models' own database can't be reached, if they have one."""
    if ledger.pools.elsewhere is None:
        return None
    try:
        async with reporting_unavailability(), ledger.pools.elsewhere.connection(timeout=1.0) as connection:
            await connection.execute("SELECT")
    except StoreUnavailable as error:
        return str(error)
    return None


async def _log(ledger: Ledger) -> dict[str, Any]:
    """How far the log in Kafka is behind, and why; the rate is this process's, if it is the one that publishes."""
    assert ledger.relay is not None
    try:
        state = await ledger.publication.state()
    except StoreUnavailable as error:
        return {"trouble": {"store": str(error)}}
    readers = {each.projection.name: each.log_trouble for each in ledger.projections if each.log_trouble}
    return {
        "events_behind": state.events_behind,
        "seconds_behind": round(state.seconds_behind, 3),
        "position": state.position,
        "published_by": state.owner if state.led else None,
        "events_per_second": round(ledger.relay.rate) if ledger.relay.leads else None,
        "trouble": {**({"relay": ledger.relay.trouble} if ledger.relay.trouble else {}), **readers},
    }
