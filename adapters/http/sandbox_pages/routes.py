"""Where the pages of the sandbox are. They hand out tokens and show mail, so they answer to this machine alone."""

from email.message import EmailMessage
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Response
from fastapi.responses import JSONResponse
from pydantic import RootModel

from adapters.http.callers import TheLedger
from adapters.http.sandbox_pages.access import from_this_machine
from adapters.http.sandbox_pages.gateway import gateway
from adapters.http.sandbox_pages.identity import identity
from adapters.http.sandbox_pages.steering import steering
from adapters.http.sandbox_pages.viewing import ASSETS, mail_body, page, plain
from adapters.ledger import Ledger
from adapters.mail.sandbox import ReceivedMail
from adapters.payments.sandbox import Movement, MovementKind
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.ledger_status import latest_events, look

_EVENTS_SHOWN = 20


_router = APIRouter(include_in_schema=False, dependencies=[Depends(from_this_machine)])

MailNumber = Annotated[int, Path(ge=1)]


def add_sandbox_pages(app: FastAPI) -> None:
    """Add them to the application of a ledger whose counterparties are the sandbox's."""
    app.include_router(_router)
    app.include_router(steering)
    app.include_router(identity)
    app.include_router(gateway)


@_router.get("/")
async def status(ledger: TheLedger) -> Response:
    """Where everything is and how far."""
    async with reporting_unavailability(), ledger.pool.connection() as connection:
        now, events = await look(connection), await latest_events(connection, _EVENTS_SHOWN)
    numbers = await _account_numbers(ledger)
    people = await ledger.sandbox.identity.people()
    values = {
        "status": now,
        "events": events,
        "people": sorted(people, key=lambda person: (person.role.value == "billing_admin", person.login)),
        "numbers": numbers,
        "mails": len(await ledger.sandbox.mailer.messages()),
        "business_time": await ledger.clock.now(),
    }
    return page("status", values)


@_router.get("/sandbox/people")
async def people(ledger: TheLedger) -> Response:
    """Who can sign in."""
    return JSONResponse([person.model_dump(mode="json") for person in await ledger.sandbox.identity.people()])


@_router.get("/sandbox/token/{login}")
async def token(login: str, ledger: TheLedger) -> Response:
    """A bearer token for one of them, as plain text."""
    found = await ledger.sandbox.identity.token(login)
    if found is None:
        raise HTTPException(404)
    return plain(found)


@_router.get("/sandbox/books")
async def books(ledger: TheLedger) -> Response:
    """What the counterparties themselves have written down."""
    sandbox = ledger.sandbox
    movements = await sandbox.payments.movements()
    values = {
        "movements": movements[::-1],
        "totals": _totals(movements),
        "subscriptions": await sandbox.provisioning.subscriptions(),
        "admins": await sandbox.admin_directory.admins(),
        "numbers": await _account_numbers(ledger),
    }
    return page("books", values)


def _totals(movements: list[Movement]) -> dict[str, dict[MovementKind, int]]:
    totals: dict[str, dict[MovementKind, int]] = {}
    for each in movements:
        by_kind = totals.setdefault(each.currency, dict.fromkeys(MovementKind, 0))
        by_kind[each.kind] += each.amount
    return totals


@_router.get("/sandbox/books/payments")
async def payments(ledger: TheLedger) -> Response:
    """The gateway's ledger for programs."""
    return _json("movements", await ledger.sandbox.payments.movements())


@_router.get("/sandbox/books/provisioning")
async def provisioning(ledger: TheLedger) -> Response:
    """The provisioning system's subscriptions for programs."""
    return _json("subscriptions", await ledger.sandbox.provisioning.subscriptions())


@_router.get("/sandbox/books/admin-directory")
async def admin_directory(ledger: TheLedger) -> Response:
    """The Admin Center's admins for programs."""
    return _json("admins", await ledger.sandbox.admin_directory.admins())


def _json(name: str, entries: list[Any]) -> Response:
    return JSONResponse({name: RootModel[list[Any]](entries).model_dump(mode="json")})


@_router.get("/sandbox/inbox")
async def inbox(ledger: TheLedger) -> Response:
    """All mail that was sent, newest first."""
    numbered = enumerate(await ledger.sandbox.mailer.messages(), 1)
    return page("inbox", {"mails": [_heading(number, mail) for number, mail in numbered][::-1]})


@_router.get("/sandbox/inbox.json")
async def inbox_for_programs(ledger: TheLedger) -> Response:
    """All mail that was sent, oldest first."""
    numbered = enumerate(await ledger.sandbox.mailer.messages(), 1)
    messages = [_heading(number, mail) for number, mail in numbered]
    return JSONResponse({"messages": [{**each, "received_at": each["received_at"].isoformat()} for each in messages]})


@_router.get("/sandbox/inbox/{number}")
async def mail(number: MailNumber, ledger: TheLedger) -> Response:
    """One mail with its headers, as its reader would see it and as text."""
    found = await _mail(number, ledger)
    return page("mail", {"mail": _heading(number, found), "text": _part(found.parsed(), "plain")})


@_router.get("/sandbox/inbox/{number}/html")
async def mail_as_html(number: MailNumber, ledger: TheLedger) -> Response:
    """The mail's HTML part alone."""
    return mail_body(_part((await _mail(number, ledger)).parsed(), "html"))


@_router.get("/sandbox/inbox/{number}/raw")
async def mail_as_received(number: MailNumber, ledger: TheLedger) -> Response:
    """The mail byte for byte."""
    return plain((await _mail(number, ledger)).raw, "message/rfc822")


@_router.get("/sandbox/assets/{name}")
async def asset(name: str) -> Response:
    """Style, script and mark of these pages."""
    if name not in ASSETS:
        raise HTTPException(404)
    return plain(*ASSETS[name])


async def _account_numbers(ledger: Ledger) -> dict[str, str]:
    async with reporting_unavailability(), ledger.pool.connection() as connection:
        rows = await (await connection.execute("SELECT account_id, number FROM portal.accounts")).fetchall()
    return {str(id): number for id, number in rows}


async def _mail(number: int, ledger: Ledger) -> ReceivedMail:
    messages = await ledger.sandbox.mailer.messages()
    if number > len(messages):
        raise HTTPException(404)
    return messages[number - 1]


def _heading(number: int, mail: ReceivedMail) -> dict[str, Any]:
    parsed = mail.parsed()
    return {
        "number": number,
        "message_id": str(parsed["Message-ID"]),
        "sender": str(parsed["From"]),
        "recipient": mail.recipient,
        "subject": str(parsed["Subject"]),
        "language": str(parsed["Content-Language"]),
        "received_at": mail.received_at,
    }


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return str(body.get_content()) if body else ""
