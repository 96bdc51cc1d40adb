"""What somebody does to the sandbox's counterparties: tells them what to do wrong, or confirms at the bank."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, StrictInt

from adapters.http.callers import TheLedger
from adapters.http.sandbox_pages.access import from_own_pages, from_this_machine
from adapters.http.sandbox_pages.viewing import page
from adapters.ledger import Ledger
from adapters.payments.sandbox import PaymentRefused
from adapters.sandbox_script import Behaviour, Moment, Script
from services.ports import PaymentIntent

steering = APIRouter(include_in_schema=False, dependencies=[Depends(from_this_machine), Depends(from_own_pages)])

Intent = Annotated[str, Path(pattern=r"^pi_[0-9a-f]{24}$")]

_SEE_OTHER: Final = 303


class PlanBody(BaseModel):
    """See adapters.sandbox_script.Script.plan; `times` null: for all calls until the plan is removed."""

    model_config = ConfigDict(extra="forbid")

    point: str
    moment: Moment
    behaviour: Behaviour
    times: StrictInt | None = 1
    seconds: float = 0.0


@steering.post("/sandbox/script", status_code=204)
async def plan(body: PlanBody, ledger: TheLedger) -> Response:
    """Plan what a counterparty does wrong at its next calls."""
    try:
        await _script(ledger).plan(**body.model_dump())
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return Response(status_code=204)


@steering.get("/sandbox/script")
async def paused(ledger: TheLedger) -> Response:
    """Where calls are paused now."""
    return JSONResponse({"paused": await _script(ledger).paused()})


@steering.delete("/sandbox/script/{point}", status_code=204)
async def unplan(point: str, ledger: TheLedger) -> Response:
    """Remove what is planned at a point; calls that are paused there go on."""
    await _script(ledger).clear(point)
    return Response(status_code=204)


@steering.get("/sandbox/bank/{intent_id}")
async def bank(intent_id: Intent, ledger: TheLedger) -> Response:
    """The bank's page for the card's holder."""
    return page("bank", {"intent": await _intent(ledger, intent_id)}, forms=True)


@steering.post("/sandbox/bank/{intent_id}/confirm")
async def confirm(intent_id: Intent, ledger: TheLedger) -> Response:
    """The holder confirms the payment."""
    return await _acted(ledger, intent_id, approve=True)


@steering.post("/sandbox/bank/{intent_id}/refuse")
async def refuse(intent_id: Intent, ledger: TheLedger) -> Response:
    """The holder doesn't know the payment."""
    return await _acted(ledger, intent_id, approve=False)


async def _acted(ledger: Ledger, intent_id: str, *, approve: bool) -> Response:
    await _intent(ledger, intent_id)
    try:
        await ledger.sandbox.payments.complete_action(intent_id, approve=approve)
    except PaymentRefused as error:
        raise HTTPException(409, f"The bank does not wait for this any more ({error.code})") from None
    return RedirectResponse(f"/sandbox/bank/{intent_id}", _SEE_OTHER)


async def _intent(ledger: Ledger, intent_id: str) -> PaymentIntent:
    intent = await ledger.sandbox.payments.look(intent_id)
    if intent is None:
        raise HTTPException(404)
    return intent


def _script(ledger: Ledger) -> Script:
    return Script(ledger.sandbox.books)
