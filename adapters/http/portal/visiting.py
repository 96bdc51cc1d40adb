"""Somebody at a page: signed in, permitted by the table, with the account that the page is about."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from adapters.http.api.bodies import PositionToken
from adapters.http.callers import (
    WAIT_SECONDS,
    AskedRoute,
    Command,
    Permission,
    TheLedger,
    carried_out,
    looked_at,
    permission_of,
)
from adapters.http.portal.forms import Sent, must_be_current
from adapters.http.portal.refusals import REFUSED, Complaint, complaint_about
from adapters.http.portal.trouble import trouble
from adapters.http.portal.viewing import page
from adapters.http.portal.words import Reader, reader_of
from adapters.http.signing_in.session import TheSession
from adapters.ledger import Ledger
from adapters.postgres.sessions import Session
from domain.refusals import CommandInProgress, NotFound, NotPermitted
from projections.portal import AccountRow
from services.authorisation import PERMITTED, SEES, Operation, Sight
from services.ports import Outcome, Position

_SEE_OTHER = 303
_LOOK_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0
_PAGE_SECONDS = 14.0
"""Less than adapters.http.application's own time, after which no page but a problem is answered."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page by somebody who may make it; `billed` is the account that the page is about, if there is."""

    request: Request
    ledger: Ledger
    session: Session
    permission: Permission
    billed: AccountRow | None
    reader: Reader

    @property
    def account(self) -> AccountRow:
        """The account, on pages whose address names one or something of one."""
        assert self.billed is not None
        return self.billed

    @property
    def may(self) -> frozenset[Operation]:
        """What the visitor's role may ask for; pages offer nothing else."""
        role = self.session.caller.actor.role
        return frozenset(each for each, roles in PERMITTED.items() if role in roles)

    def page(self, template: str, status: int = 200, *, forms_to: str = "", **values: Any) -> Response:
        """A page in the frame that knows who is signed in and which account he looks at."""
        framed: dict[str, Any] = {"account": self.billed, "csrf_token": self.session.csrf_token, "may": self.may}
        framed["staff"] = is_staff(self.session)
        return page(self.request, template, self.reader, status, forms_to=forms_to, **(framed | values))

    async def looked(self, operation: Operation, kind: str, *subjects: UUID) -> None:
        """Note that the visitor is shown personal data of these subjects of the account, before he is."""
        account_id = self.account.account_id
        await looked_at(self.ledger, self.permission, operation, kind, [(each, account_id) for each in subjects])

    async def carried_out(self, sent: Sent, command: Command) -> Outcome:
        """What comes of a form's command; of the same form sent again, what came of it then.

        Raises FormOutdated, and whatever the command is refused with.
        """
        must_be_current(self.request, self.session, sent)
        give_up_at = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while True:
            try:
                return await carried_out(self.request, self.ledger, self.permission, sent.key, command)
            except CommandInProgress:  # the first click; the second shows what came of it
                if asyncio.get_running_loop().time() > give_up_at:
                    raise
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def attempted(self, sent: Sent, command: Command) -> Outcome | Complaint:
        """The outcome, or why there is none in the visitor's words, to be shown beside what he typed."""
        try:
            return await self.carried_out(sent, command)
        except (NotFound, NotPermitted):
            raise  # a page of its own says so
        except REFUSED as error:
            return complaint_about(error, self.reader)


def is_staff(session: Session) -> bool:
    """Whether somebody looks at accounts that are not his own company's."""
    return SEES[session.caller.actor.role] is not Sight.NAMED


def after(path: str, outcome: Outcome | None) -> str:
    """The address of a page of the portal, which waits until it can show the outcome."""
    if not (outcome and outcome.position.position):
        return f"/portal{path}"
    return f"/portal{path}{'&' if '?' in path else '?'}after={outcome.position}"


def see(path: str, outcome: Outcome | None = None) -> Response:
    """Send the browser on to a page of the portal, which waits until it can show the outcome."""
    return RedirectResponse(after(path, outcome), _SEE_OTHER, {"Cache-Control": "no-store"})


async def admitted(
    request: Request,
    ledger: TheLedger,
    session: TheSession,
    after: Annotated[PositionToken | None, Query()] = None,
) -> Visit:
    """Who asks for the page and what about; waits for the position `after`, so that people read their own writes.

    Raises SignInNeeded, TooManyRequests, what `permission_of` raises, and NotThatFar.
    """
    ledger.caller_rate.take(session.caller.actor.id)
    account: AccountRow | None = None

    async def territory(account_id: UUID) -> str | None:
        nonlocal account
        account = await ledger.queries.account(account_id)
        return account.territory if account else None

    permission = await permission_of(request, ledger, session.caller, territory)
    if after:
        partition, position = (int(part) for part in after.split("."))
        await ledger.queries.reached(Position(position, partition), WAIT_SECONDS)
    if permission.account_id.int and (after or account is None):
        account = await ledger.queries.account(permission.account_id)
        if account is None:
            raise NotFound(kind="BillingAccount", id=permission.account_id)
    reader = reader_of(request, account, staff=is_staff(session))
    return Visit(request, ledger, session, permission, account, reader)


AVisit = Annotated[Visit, Depends(admitted)]


class PortalRoute(AskedRoute):
    """A page, or a form's address: asks the table by the session, and says what went wrong with a page."""

    asking: ClassVar[Callable[..., Awaitable[Any]]] = staticmethod(admitted)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with a designed page for every way that it fails."""
        answered = super().get_route_handler()

        async def answered_with_a_page(request: Request) -> Response:
            try:
                async with asyncio.timeout(_PAGE_SECONDS):
                    return await answered(request)
            except Exception as error:  # noqa: BLE001 -- logged with a reference that the page shows
                return await trouble(request, error)

        return answered_with_a_page
