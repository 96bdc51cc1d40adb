"""GET /metrics: for the operator's Prometheus, which shows a token of its own, and for nobody else."""

import hmac
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from adapters.http.callers import TheLedger
from adapters.http.rates import network_of
from adapters.identity.tokens import TokenRefused
from adapters.metrics.state import exposition

metrics: Final = APIRouter(include_in_schema=False)
_bearer: Final = HTTPBearer(auto_error=False)


async def _scraper(
    request: Request,
    ledger: TheLedger,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Raise unless it shows the token; without METRICS_TOKEN there is nothing here for anybody."""
    wanted = ledger.settings.metrics_token
    if wanted is None:
        raise HTTPException(404)
    shown = credentials.credentials if credentials else ""
    if not hmac.compare_digest(shown.encode(), wanted.get_secret_value().encode()):
        ledger.refused_rate.take(network_of(request.client.host if request.client else ""))
        raise TokenRefused(reason="it is not METRICS_TOKEN" if shown else "none was sent")


@metrics.get("/metrics", dependencies=[Depends(_scraper)])
async def scrape(ledger: TheLedger) -> Response:
    """Figures in Prometheus' text format."""
    return Response(await exposition(ledger), media_type=CONTENT_TYPE_PLAIN_0_0_4)
