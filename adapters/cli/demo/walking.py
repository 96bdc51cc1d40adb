"""The help article's steps over HTTP, as the billing admin's browser would take them, and every book there is."""

import json
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any, Final

import httpx2
from rich.console import Console

from adapters.documents.languages import Language

LOGIN: Final = "anna.weber"
PRODUCT: Final = "goto_meeting"
SEATS_TO_ADD: Final = 2
ADMIN: Final = {"name": "Jonas Keller", "email": "jonas.keller@lindner.example", "phone": "+492211234567"}
PO_NUMBER: Final = "PO-2026-0815"

Answer = dict[str, Any]

_GERMAN: Final = Language("de")
_MOST: Final = 200  # items of a page


class WalkFailed(Exception):
    """A step was refused: {step}: {said}."""

    def __init__(self, step: str, said: str) -> None:
        """`step` of the article, and what the service said."""
        super().__init__(f"{step}: {said}")


@dataclass(slots=True)
class Walk:
    """What the service answered at each step, the events as they came, and the position of the last one seen."""

    token: str = ""
    account: Answer = field(default_factory=dict)
    subscription: Answer = field(default_factory=dict)
    preview: Answer = field(default_factory=dict)
    stored_by_preview: int = -1
    quote: Answer = field(default_factory=dict)
    prepared: Answer = field(default_factory=dict)
    reviewed: Answer = field(default_factory=dict)
    placed: Answer = field(default_factory=dict)
    events: list[Answer] = field(default_factory=list)
    position: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Who calls."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it lies in the inbox."""

    message_id: str
    recipient: str
    header_to: str
    subject: str
    language: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Books:
    """What everybody says when the order is over: the API, the inbox and each counterparty."""

    account: Answer
    subscription: Answer
    quote: Answer
    order: Answer
    timeline: list[Answer]
    receipt: Answer
    receipt_text: str
    receipt_html: str
    mails: list[ReceivedMail]
    movements: list[Answer]
    provisioned: list[Answer]
    admins: list[Answer]


async def walked(client: httpx2.AsyncClient, out: Console) -> Walk:
    """Take the steps in German, printing each and the events as they happen. Raises WalkFailed."""
    walk = Walk()
    walk.token = (await _got(client, "Anmelden", f"/sandbox/token/{LOGIN}")).text
    await _subscriptions(client, walk, out)
    await _add_seats(client, walk, out)
    await _service_order(client, walk, out)
    await _place(client, walk, out)
    return walk


async def _subscriptions(client: httpx2.AsyncClient, walk: Walk, out: Console) -> None:
    step = _heading(out, "Abonnements")
    listed = (await _got(client, step, "/v1/accounts", walk.headers)).json()["items"]
    (walk.account,) = listed
    subscriptions = (await _got(client, step, f"{_account(walk)}/subscriptions", walk.headers)).json()["items"]
    walk.subscription = next(each for each in subscriptions if each["product"] == PRODUCT)
    name, card = walk.account["legal_name"], walk.account["payment_method"]
    _fact(out, f"{name}, Konto {walk.account['number']}, {card['brand']} …{card['last_four']}")
    for each in subscriptions:
        price = _money(each["unit_price"])
        _fact(out, f"{each['product_title']}: {each['seats']} Sitze zu {price}, bis {each['term_end']}")
    step = _heading(out, "Angebote")
    open_quotes = (await _got(client, step, f"{_account(walk)}/quotes", walk.headers)).json()["items"]
    _fact(out, f"{sum(each['state'] == 'Open' for each in open_quotes)} offen")


async def _add_seats(client: httpx2.AsyncClient, walk: Walk, out: Console) -> None:
    step = _heading(out, "Sitze hinzufügen")
    today = walk.subscription["seats"]
    _fact(out, f"New Seat Qty {SEATS_TO_ADD}: {today} + {SEATS_TO_ADD} = {today + SEATS_TO_ADD}")
    before = await _timeline(client, step, walk)
    cart = [{"subscription_id": walk.subscription["id"], "seats_to_add": SEATS_TO_ADD}]
    preview = await client.post(f"{_account(walk)}/quotes/preview", headers=walk.headers, json={"lines": cart})
    walk.preview = _accepted(step, preview).json()
    walk.stored_by_preview = len(await _timeline(client, step, walk)) - len(before)
    walk.position = before[-1]["position"]

    step = _heading(out, "Warenkorb speichern und Überprüfen")
    issued = await client.post(
        f"{_account(walk)}/quotes",
        headers={**walk.headers, "Idempotency-Key": "demo-quote"},
        json={"lines": cart, "replaces": None},
    )
    walk.quote = _accepted(step, issued).json()
    net, tax, gross = (_money(walk.quote[name]) for name in ("net", "tax", "gross"))
    _fact(out, f"Angebot {walk.quote['number']}: netto {net}, USt. {tax}, gesamt {gross}")
    await _new_events(client, step, walk, issued, out)


async def _service_order(client: httpx2.AsyncClient, walk: Walk, out: Console) -> None:
    step = _heading(out, "Fortfahren zur Zahlung")
    prepared = await client.post(
        f"/v1/quotes/{walk.quote['id']}/orders", headers={**walk.headers, "Idempotency-Key": "demo-order"}
    )
    walk.prepared = _accepted(step, prepared).json()
    card, address = walk.prepared["payment_method"], walk.prepared["billing_address"]
    _fact(out, f"Zahlungsweise: {card['brand']} …{card['last_four']}")
    _fact(out, f"Rechnungsadresse: {address['street']}, {address['postal_code']} {address['city']}")
    await _new_events(client, step, walk, prepared, out)

    step = _heading(out, "Speichern und Fortfahren zum Serviceauftrag")
    changed = await client.put(
        f"/v1/orders/{walk.prepared['id']}/admin-contact",
        headers={**walk.headers, "If-Match": prepared.headers["ETag"]},
        json=ADMIN,
    )
    walk.reviewed = _accepted(step, changed).json()
    _fact(out, f"Administratorkontakt: {ADMIN['name']}, {ADMIN['email']}")
    await _new_events(client, step, walk, changed, out)


async def _place(client: httpx2.AsyncClient, walk: Walk, out: Console) -> None:
    step = _heading(out, "Service-Bestellung aufgeben")
    order = f"/v1/orders/{walk.prepared['id']}"
    current = await _got(client, step, order, walk.headers)
    placed = await client.post(
        f"{order}/place",
        headers={**walk.headers, "Idempotency-Key": "demo-place", "If-Match": current.headers["ETag"]},
        json={"terms_version": "2026-01", "po_number": PO_NUMBER},
    )
    walk.placed = _accepted(step, placed).json()
    _fact(out, f"Bestellung {walk.placed['number']} aufgegeben")
    following = {**walk.headers, "Last-Event-ID": str(walk.position)}
    async with client.stream("GET", f"{order}/progress", headers=following) as progress:
        async for line in progress.aiter_lines():
            if line.startswith("data: "):
                _event(out, walk, json.loads(line.removeprefix("data: ")))


async def gathered(client: httpx2.AsyncClient, walk: Walk) -> Books:
    """Ask everybody what he has written down. Raises WalkFailed if somebody doesn't answer."""
    step, order = "Quittung", f"/v1/orders/{walk.prepared['id']}"

    async def read(path: str, **headers: str) -> httpx2.Response:
        return await _got(client, step, path, {**walk.headers, **headers})

    subscriptions = (await read(f"{_account(walk)}/subscriptions")).json()["items"]
    messages = (await read("/sandbox/inbox.json")).json()["messages"]
    return Books(
        account=(await read(_account(walk))).json(),
        subscription=next(each for each in subscriptions if each["id"] == walk.subscription["id"]),
        quote=(await read(f"/v1/quotes/{walk.quote['id']}")).json(),
        order=(await read(order)).json(),
        timeline=await _timeline(client, step, walk),
        receipt=(await read(f"{order}/receipt")).json(),
        receipt_text=(await read(f"{order}/receipt", Accept="text/plain")).text,
        receipt_html=(await read(f"{order}/receipt", Accept="text/html")).text,
        mails=[_mail(each, (await read(f"/sandbox/inbox/{each['number']}/raw")).content) for each in messages],
        movements=(await read("/sandbox/books/payments")).json()["movements"],
        provisioned=(await read("/sandbox/books/provisioning")).json()["subscriptions"],
        admins=(await read("/sandbox/books/admin-directory")).json()["admins"],
    )


def _mail(heading: Answer, raw: bytes) -> ReceivedMail:
    parsed = message_from_bytes(raw, policy=policy.SMTP)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return ReceivedMail(
        message_id=heading["message_id"],
        recipient=heading["recipient"],
        header_to=str(parsed["To"]),
        subject=str(parsed["Subject"]),
        language=str(parsed["Content-Language"]),
        text=str(text.get_content()).replace("\r\n", "\n") if text else "",
        html=str(html.get_content()).replace("\r\n", "\n") if html else "",
    )


def _account(walk: Walk) -> str:
    return f"/v1/accounts/{walk.account['id']}"


async def _timeline(client: httpx2.AsyncClient, step: str, walk: Walk, wait_for: str | None = None) -> list[Answer]:
    headers = {**walk.headers, **({"Seatledger-Wait-For": wait_for} if wait_for else {})}
    answer = await _got(client, step, f"{_account(walk)}/timeline?limit={_MOST}", headers)
    return list(answer.json()["items"])


async def _new_events(
    client: httpx2.AsyncClient, step: str, walk: Walk, command: httpx2.Response, out: Console
) -> None:
    for item in await _timeline(client, step, walk, command.headers["Seatledger-Position"]):
        if item["position"] > walk.position:
            _event(out, walk, item)


async def _got(
    client: httpx2.AsyncClient, step: str, path: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return _accepted(step, await client.get(path, headers=headers))


def _accepted(step: str, answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    try:
        said = f"{answer.json()['code']}: {answer.json()['title']}"
    except (ValueError, KeyError, TypeError):
        said = f"HTTP {answer.status_code}"
    raise WalkFailed(step, said)


def _money(amount: Answer) -> str:
    return _GERMAN.money(amount["amount"], amount["currency"])


def _heading(out: Console, step: str) -> str:
    out.print(f"\n{step}", style="bold", highlight=False)
    return step


def _fact(out: Console, said: str) -> None:
    out.print(f"  {said}", markup=False, highlight=False)


def _event(out: Console, walk: Walk, item: Answer) -> None:
    walk.events.append(item)
    walk.position = item["position"]
    name, version = item["type"].partition(".")[::2]
    out.print(
        f"    [dim]{item['position']:>5}[/dim]  [cyan]{name}[/cyan] [dim]{version}  {item['actor_role']}[/dim]",
        highlight=False,
    )
