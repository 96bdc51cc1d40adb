"""Whatever is wrong with a request, it gets a 4xx with a stable code, nothing is stored, no card number comes back."""

import asyncio
import json
import re
import signal
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from adapters.bootstrap import opened_ledger, projecting
from adapters.http.application import application
from adapters.identity.accepted import AUDIENCE
from adapters.identity.sandbox import ISSUER
from adapters.ledger import Ledger
from adapters.settings import Settings
from domain.care import Care
from domain.envelope import Role
from domain.identifiers import command_id, order_id, quote_id
from services.authorisation import PERMITTED
from services.authorisation import Operation as Asked
from services.ports import Position
from tests.system.customers import ASSIST, FOREIGN, LEGACY, LINDNER, MEETING, STRANGER, _admitted, customers
from tests.system.processes import Running

pytestmark = pytest.mark.system

NOWHERE: Final = UUID("00000000-0000-4000-8000-000000000000")
QUOTE: Final = quote_id(command_id(LINDNER, "p-anna", "open"))
ORDER: Final = order_id(QUOTE)
FOREIGN_QUOTE: Final = quote_id(command_id(STRANGER, "p-stranger", "open"))
OWN: Final = {
    "account_id": LINDNER,
    "quote_id": QUOTE,
    "order_id": ORDER,
    "subscription_id": MEETING,
    "care": Care.ORDER_DELAYED.value,
}
FOREIGN_IDS: Final = {
    "account_id": STRANGER,
    "quote_id": FOREIGN_QUOTE,
    "order_id": order_id(FOREIGN_QUOTE),
    "subscription_id": FOREIGN,
}
TEN_MEGABYTES: Final = b'"' + b"x" * 10_000_000 + b'"'
JSON: Final = {"Content-Type": "application/json"}


class Refused(NamedTuple):
    status: int
    code: str


INVALID: Final = Refused(422, "VALIDATION_FAILED")
MALFORMED: Final = Refused(400, "MALFORMED_BODY")
CARD_REFUSED: Final = Refused(422, "CARD_NUMBER_REFUSED")
NOT_FOUND: Final = Refused(404, "NOT_FOUND")
STALE: Final = Refused(412, "PRECONDITION_FAILED")
UNAUTHENTICATED: Final = Refused(401, "UNAUTHENTICATED")
NOT_BILLING_ADMIN: Final = Refused(403, "NOT_BILLING_ADMIN")
NOT_PERMITTED: Final = Refused(403, "NOT_PERMITTED")
CURSOR: Final = Refused(400, "CURSOR_INVALID")
CART: Final = Refused(422, "CART_INVALID")
QUANTITY: Final = Refused(422, "QUANTITY_INVALID")
OTHER_QUOTE: Final = Refused(409, "OPEN_QUOTE_CHANGED")
NOT_IN_STATE: Final = Refused(409, "ORDER_STATE")
NOT_PAYABLE: Final = Refused(409, "ORDER_NOT_PAYABLE")
UNSUPPORTED: Final = Refused(415, "MEDIA_TYPE_UNSUPPORTED")
TOO_LARGE: Final = Refused(413, "BODY_TOO_LARGE")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation with a request that it takes, and what it is to the table of who may ask for what.

    `answered`: what comes of that request where there is nothing to be done yet. `more`: what is wrong in a field of
    this operation alone.
    """

    method: str
    path: str
    caller: str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    may: tuple[Asked, ...] = ()
    query: tuple[str, ...] = ()
    answered: Refused | None = None
    more: dict[str, "Wrong"] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def forbidden(self) -> Iterator[tuple[str, Refused]]:
        """Who may not ask for it at all, and what he is told."""
        permitted = {role for operation in self.may for role in PERMITTED[operation]}
        for role, who in CALLERS.items() if self.may else ():
            if role not in permitted:
                is_the_admins = Role.BILLING_ADMIN in permitted and self.ids
                yield who, NOT_BILLING_ADMIN if is_the_admins else NOT_PERMITTED


@dataclass(frozen=True, slots=True)
class Row:
    """The operation's request with one thing wrong. `aim`: what is wrong, as openapi.json names it."""

    aim: str
    what: object
    refused: Refused
    change: dict[str, Any]


CALLERS: Final = {
    Role.BILLING_ADMIN: "anna",
    Role.SALES_REP: "rep",
    Role.ACCOUNT_SERVICES: "care",
    Role.FINANCE: "finance",
    Role.INVESTIGATOR: "investigator",
    Role.OPERATOR: "operator",
    Role.SERVICE: "service",
}
KEYED: Final = {"Idempotency-Key": "a-new-key"}
MATCHED: Final = {"If-Match": '"1"'}
MATCHED_ACCOUNT: Final = {"If-Match": '"3"'}
CART_BODY: Final = {"lines": [{"subscription_id": str(MEETING), "seats_to_add": 2}]}
CONTACT: Final = {"name": "Jonas Keller", "email": "jonas.keller@lindner.example", "phone": "+4922155512345"}
ADDRESS: Final = {"street": "Domplatz 1", "postal_code": "50667", "city": "Köln", "region": "NRW", "country": "DE"}
CARD: Final = {"token": "tok_mastercard"}
DUPLICATE: Final = {"reason": "duplicate"}
LISTED: Final = ("limit", "cursor")


def _reading(path: str, *query: str, may: Asked = Asked.VIEW_ACCOUNTS, answered: Refused | None = None) -> Operation:
    caller = next(who for role, who in CALLERS.items() if role in PERMITTED[may])
    return Operation("GET", path, caller, query=query, may=(may,), answered=answered)


def _commanding(path: str, may: Asked, body: Any = None, answered: Refused | None = None) -> Operation:
    caller = next(who for role, who in CALLERS.items() if role in PERMITTED[may] and role is not Role.SALES_REP)
    return Operation("POST", path, caller, body, KEYED, (may,), answered=answered)


CARDS: Final = ("4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111", "\uff14" + 15 * "\uff11")
LONG: Final = "x" * 100_000
SURROGATE: Final = "half \ud83d"
NO_TEXT: Final[tuple[object, ...]] = (0, -1, 1.5, True, [], {})
NO_ID: Final = (*NO_TEXT, "", "not-an-id", LONG, "a\x00b", SURROGATE, *CARDS)
NO_NUMBER: Final[tuple[object, ...]] = (1.5, 3.0, "3", True, [], {}, LONG, float("nan"), float("inf"), *CARDS)
MISSING: Final = object()

Wrong = tuple[tuple[object, Refused], ...]


def _each(refused: Refused, *values: object) -> Wrong:
    return tuple((value, refused) for value in values)


OPTIONAL_TEXT: Final = (
    *_each(INVALID, *NO_TEXT, "", " \t ", LONG, "a\x00b", "two\nlines", SURROGATE),
    *_each(CARD_REFUSED, *CARDS, f"my card is {CARDS[0]}, thanks"),
)
TEXT: Final = (*_each(INVALID, MISSING, None), *OPTIONAL_TEXT)

NO_CODE: Final = _each(
    INVALID, MISSING, None, *NO_TEXT, "", "because", "DUPLICATE", " duplicate", LONG, "a\x00b", SURROGATE, *CARDS
)

# A field's name means the same in every body.
WRONG: Final[dict[str, Wrong]] = {
    "lines": (
        *_each(INVALID, MISSING, None, 5, "x", True, {}, [None], [[]], ["x"], CART_BODY["lines"] * 501),
        *_each(CART, [], CART_BODY["lines"] * 2),
    ),
    "lines.subscription_id": (
        *_each(INVALID, MISSING, None, *NO_ID),
        *_each(NOT_FOUND, str(NOWHERE), str(FOREIGN), str(LINDNER), str(QUOTE)),
        (str(LEGACY), Refused(422, "PRODUCT_UNSUPPORTED")),
    ),
    "lines.seats_to_add": (
        *_each(INVALID, MISSING, None, *NO_NUMBER),
        *_each(QUANTITY, 0, -1, 10_001, 10**12, -(10**12), 10**4000),
    ),
    "lines.unit_price": _each(INVALID, -1, 10**12 + 1, 10**4000, *NO_NUMBER),
    "replaces": (
        *_each(INVALID, MISSING, *NO_ID),
        *_each(OTHER_QUOTE, None, str(NOWHERE), str(FOREIGN_QUOTE), str(LINDNER), str(ORDER)),
    ),
    "acknowledge_sales_rep_quote": _each(INVALID, None, 0, 1, 2, -1, 1.5, "true", "perhaps", [], {}, *CARDS),
    "valid_until": _each(
        INVALID,
        *(*NO_TEXT, 1767225600, 10**12, "1767225600", "", "tomorrow", "2099-13-01T00:00:00Z", "2099-01-01T00:00:00"),
        *(LONG, "a\x00b", SURROGATE, *CARDS),
    )
    + _each(Refused(422, "VALIDITY_INVALID"), "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    "name": TEXT,
    "email": (
        *_each(
            INVALID, MISSING, None, *NO_TEXT, "", "nobody", "a@b", "a b@c.example", LONG, "a\x00@c.example", SURROGATE
        ),
        *_each(CARD_REFUSED, *(f"{card}@lindner.example" for card in CARDS[1:])),
        *_each(INVALID, CARDS[0]),
    ),
    "phone": _each(INVALID, *NO_TEXT, "", "0221 555", "+1", "+" + "1" * 16, LONG, "+49\x00", SURROGATE, *CARDS),
    "street": TEXT,
    "postal_code": (
        *_each(INVALID, MISSING, None, *NO_TEXT, "", "x" * 17, "a\x00b", SURROGATE),
        *_each(CARD_REFUSED, *CARDS),
    ),
    "city": TEXT,
    "region": OPTIONAL_TEXT,
    "country": _each(INVALID, MISSING, None, *NO_TEXT, "", "de", "DEU", LONG, "D\x00", SURROGATE, *CARDS),
    "token": (*TEXT, ("tok_unknown", Refused(422, "COUNTERPARTY_REFUSED"))),
    "terms_version": (*TEXT, ("1999-01", Refused(422, "TERMS_VERSION"))),
    "po_number": OPTIONAL_TEXT,
    "reason": NO_CODE,
    "language": (*NO_CODE, *_each(INVALID, "fr", "de-DE")),
    "time_zone": (*NO_CODE, *_each(INVALID, "Europe/Nowhere", "+01:00")),
    "restriction": tuple((value, refused) for value, refused in NO_CODE if value is not None),  # null lifts it
    "amount": _each(INVALID, 0, -1, 10**12 + 1, 10**4000, *NO_NUMBER),
    "unit_price": _each(INVALID, -1, 10**12 + 1, 10**4000, *NO_NUMBER),
    "subscription_id": _each(INVALID, MISSING, None, *NO_ID),
    "term_end": (
        *_each(INVALID, MISSING, None, *NO_TEXT, 4102444800, "4102444800", "", "tomorrow", LONG, SURROGATE, *CARDS),
        *_each(INVALID, "2099-13-01", "2099-02-30", "2099-1-1", "20990101", "2099-01-01T00:00:00Z", "2099-01-01\x00"),
        *_each(Refused(422, "TERM_INVALID"), "2020-01-01", "0001-01-01"),
    ),
    "seconds": _each(INVALID, MISSING, None, 0, -1, 366 * 86400 + 1, 10**12, 10**4000, *NO_NUMBER),
}

# What a sales representative may give: refused to an admin for who he is, so its values are tried as the other.
BY_REP: Final = {"lines.unit_price", "valid_until"}

OPERATIONS: Final = (
    _reading("/v1/accounts", *LISTED),
    _reading("/v1/accounts/{account_id}"),
    _reading("/v1/accounts/{account_id}/subscriptions", *LISTED),
    _reading("/v1/accounts/{account_id}/quotes", *LISTED),
    _reading("/v1/accounts/{account_id}/orders", *LISTED),
    _reading("/v1/accounts/{account_id}/timeline", *LISTED),
    _reading("/v1/quotes/{quote_id}"),
    _reading("/v1/orders/{order_id}"),
    _reading("/v1/orders/{order_id}/receipt", may=Asked.VIEW_RECEIPT, answered=NOT_FOUND),
    _reading("/v1/orders/{order_id}/progress"),
    _reading("/v1/care", *LISTED, may=Asked.VIEW_CARE),
    *(
        Operation("PUT", f"/v1/accounts/{{account_id}}/{what}", who, body, MATCHED_ACCOUNT, (may,))
        for what, who, body, may in (
            ("payment-method", "anna", CARD, Asked.CHANGE_ACCOUNT),
            ("billing-contact", "care", CONTACT, Asked.CHANGE_ACCOUNT),
            ("billing-address", "anna", ADDRESS, Asked.CHANGE_ACCOUNT),
            ("locale", "anna", {"language": "en", "time_zone": "Europe/Vienna"}, Asked.CHANGE_ACCOUNT),
            ("eligibility", "care", {"restriction": "payment_dispute"}, Asked.CHANGE_ELIGIBILITY),
        )
    ),
    _commanding("/v1/subscriptions/{subscription_id}/cancel", Asked.CANCEL_SUBSCRIPTION, DUPLICATE),
    _commanding(
        "/v1/subscriptions/{subscription_id}/renew",
        Asked.RENEW_SUBSCRIPTION,
        {"term_end": "2099-01-01", "unit_price": 24000},
    ),
    Operation("POST", "/v1/accounts/{account_id}/quotes/preview", "anna", CART_BODY, may=(Asked.PREVIEW_QUOTE,)),
    Operation(
        "POST",
        "/v1/accounts/{account_id}/quotes",
        "anna",
        {**CART_BODY, "replaces": str(QUOTE)},
        KEYED,
        may=(Asked.ISSUE_QUOTE, Asked.ISSUE_SALES_REP_QUOTE),
    ),
    _commanding("/v1/quotes/{quote_id}/decline", Asked.DECLINE_QUOTE),
    _commanding("/v1/quotes/{quote_id}/reissue", Asked.ISSUE_QUOTE, {"replaces": str(QUOTE)}),
    _commanding("/v1/quotes/{quote_id}/orders", Asked.PREPARE_ORDER),
    *(
        Operation("PUT", f"/v1/orders/{{order_id}}/{what}", "anna", body, MATCHED, (Asked.CHANGE_ORDER,), more=more)
        for what, body, more in (
            ("admin-contact", CONTACT, {}),
            ("billing-address", ADDRESS, {"country": _each(Refused(409, "QUOTE_CHANGED"), "FR", "XX")}),
            ("payment-method", CARD, {}),
        )
    ),
    Operation(
        "POST",
        "/v1/orders/{order_id}/place",
        "anna",
        {"terms_version": "2026-01", "po_number": "PO-2026-0815"},
        {**KEYED, **MATCHED},
        may=(Asked.PLACE_ORDER,),
    ),
    _commanding("/v1/orders/{order_id}/pay", Asked.PAY_ORDER, answered=NOT_PAYABLE),
    _commanding("/v1/orders/{order_id}/cancel", Asked.CANCEL_ORDER, DUPLICATE, NOT_IN_STATE),
    _commanding("/v1/orders/{order_id}/refund", Asked.REFUND_ORDER, {"amount": 1, "reason": "goodwill"}, NOT_IN_STATE),
    _commanding("/v1/orders/{order_id}/release", Asked.RELEASE_SEATS, {"subscription_id": str(MEETING)}, NOT_IN_STATE),
    _commanding("/v1/orders/{order_id}/receipt/resend", Asked.RESEND_RECEIPT, answered=NOT_IN_STATE),
    _commanding("/v1/orders/{order_id}/care/{care}/close", Asked.CLOSE_CARE_ENTRY),
    Operation("POST", "/v1/clock", "operator", {"seconds": 60}, may=(Asked.MOVE_CLOCK,)),
    Operation("GET", "/healthz"),
    Operation("GET", "/readyz"),
)

NO_PATH_ID: Final = ("not-an-id", "0", "-1", "1.5", "null", "%00", "%ED%A0%80", "x" * 5000)
CURSORS: Final = (
    "",
    "!",
    "x",
    "\u00fc",
    *(
        jwt.utils.base64url_encode(text.encode()).decode()
        for text in (
            *("null", "5", "[]", "[1]", "{}", "[null, null]", f'["a", "{LINDNER}", 1]', '["A-1", "x"]'),
            *(f'["\\u0000", "{LINDNER}"]', f'["\\ud800", "{LINDNER}"]', f'[[], "{LINDNER}"]', f'[NaN, "{LINDNER}"]'),
            *("[" * 300, "[" + "9" * 300 + f', "{LINDNER}"]', f'[Infinity, "{LINDNER}"]'),
        )
    ),
)
HEADERS: Final[dict[str, Wrong]] = {
    "Idempotency-Key": (
        *_each(INVALID, "", "two words", "k" * 201, "\u00fc", "a\x00b", CARDS[0], CARDS[3]),
        *_each(CARD_REFUSED, *CARDS[1:3], f"order-{CARDS[2]}"),
        ("open", Refused(422, "IDEMPOTENCY_KEY_REUSED")),
    ),
    "If-Match": _each(
        STALE, *('"0"', '"7"', '"999999999"', "", "1", '"', '"-1"', '"1.5"', '"x"', 'W/"1"', '"9999999999"', *CARDS)
    ),
    "Seatledger-Wait-For": _each(INVALID, "", "1", "x", "1.", "1.2.3", "-1.5", "99999.1", "1." + "9" * 19, *CARDS),
    "Last-Event-ID": _each(INVALID, "", "x", "-1", "1.5", "9" * 19, *CARDS[:2], CARDS[3]),
}
ABSENT: Final = {
    "Idempotency-Key": Refused(400, "IDEMPOTENCY_KEY_MISSING"),
    "If-Match": Refused(428, "PRECONDITION_REQUIRED"),
}
QUERY: Final[dict[str, Wrong]] = {
    "limit": _each(INVALID, "", "0", "-1", "501", "1.5", "x", str(10**12), "a\x00b", *CARDS),
    "cursor": (*_each(CURSOR, *CURSORS, *CARDS), ("x" * 501, INVALID)),
}
NOT_JSON: Final = (
    *(b"{", b"{}}", b"{'a': 1}", b"nonsense", b"\xff\xfe", b'{"a": "\xff"}', b"1" * 5000),
    *(b"[" * 100_000, b'{"a":' * 40_000),
)
WRONG_TOP: Final = (b"", b"[]", b"[{}]", b'"x"', b"5", b"null", b"true")


def _changed(body: Any, path: str, value: object) -> Any:
    """The body with this field, of its first line where it is a line's, another or missing."""
    made = deepcopy(body)
    *outer, name = path.split(".")
    members = made[outer[0]][0] if outer else made
    members[name] = value
    if value is MISSING:
        del members[name]
    return made


def rows(operation: Operation, fields: list[str], headers: list[str]) -> Iterator[Row]:
    """Everything wrong that is tried on the operation; `fields` and `headers` as openapi.json names them."""
    yield from _rows_of_path(operation)
    for name in operation.query:
        for text, refused in QUERY[name]:
            yield Row(f"query.{name}", text, refused, {"query": {name: text}})
    for name in headers:
        for text, refused in HEADERS[name]:
            yield Row(f"header.{name}", text, refused, {"headers": {name: text}})
        if name in operation.headers:
            yield Row(f"header.{name}", MISSING, ABSENT[name], {"headers": {name: None}})
    for name in fields:
        caller = "rep" if name in BY_REP else operation.caller
        for wrong, refused in (*WRONG[name], *operation.more.get(name, ())):
            change = {"caller": caller, "body": _changed(operation.body, name, wrong)}
            yield Row(f"body.{name}", wrong, refused, change)
    yield from _rows_of_any(operation)


def _rows_of_path(operation: Operation) -> Iterator[Row]:
    for id in operation.ids:
        other_kind = QUOTE if id == "subscription_id" else MEETING
        for value in (NOWHERE, other_kind, *NO_PATH_ID, *CARDS):
            yield Row(f"path.{id}", value, NOT_FOUND, {"ids": {id: value}})
        if id in FOREIGN_IDS:
            yield Row(f"path.{id}", "another tenant's", NOT_FOUND, {"ids": {id: FOREIGN_IDS[id]}, "caller": "anna"})
            yield Row(f"path.{id}", "of a territory far off", NOT_FOUND, {"caller": "far_rep"})


def _rows_of_any(operation: Operation) -> Iterator[Row]:
    for method in ("DELETE", "PATCH", "BREW"):
        yield Row("method", method, Refused(405, "METHOD_NOT_ALLOWED"), {"method": method})
    yield Row("path", "unknown", NOT_FOUND, {"suffix": "/nothing"})
    yield Row("body", "10 MB", TOO_LARGE, {"content": TEN_MEGABYTES})
    if operation.caller:
        for who in (None, *FORGED):
            yield Row("token", who, UNAUTHENTICATED, {"caller": who})
    for who, refused in operation.forbidden:
        yield Row("role", who, refused, {"caller": who})
    if operation.method == "GET":
        return
    yield Row("body", "10 MB in chunks", TOO_LARGE, {"content": TEN_MEGABYTES, "chunked": True})
    if operation.body is None:
        return
    for content in NOT_JSON:
        yield Row("body", content[:40], MALFORMED, {"content": content})
    for content in WRONG_TOP:
        yield Row("body", content, INVALID, {"content": content})
    yield Row("body", "unknown member", INVALID, {"body": {**operation.body, "unknown": 1}})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", ""):
        yield Row("header.Content-Type", kind, UNSUPPORTED, {"headers": {"Content-Type": kind}})


# Made by the fixture `tokens`: each is right but for what its name says.
FORGED: Final = (
    "nonsense",
    "expired",
    "of another audience",
    "of another issuer",
    "signed by nobody",
    "signed by a stranger",
    "signed with our public key as a secret",
    "under a key that is a path",
    "without an end",
    "of a role that there is not",
    "of accounts that are none",
)


async def _forged(ledger: Ledger) -> dict[str, str]:
    now, public = int(time.time()), next(iter((await ledger.sandbox.identity.known()).values()))
    mine = await ledger.sandbox.identity._key()
    right: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "p-anna",
        "role": "billing_admin",
        "accounts": [str(LINDNER)],
    }
    right |= {"iat": now, "exp": now + 60}
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def signed(key: Any = mine, algorithm: str = "EdDSA", kid: str = "sandbox-1", **claims: Any) -> str:
        kept = {name: value for name, value in {**right, **claims}.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})

    return {
        "nonsense": "a.b.c",
        "expired": signed(exp=now - 60),
        "of another audience": signed(aud="somebody-else"),
        "of another issuer": signed(iss="https://somebody.example"),
        "signed by nobody": signed(None, "none"),
        "signed by a stranger": signed(Ed25519PrivateKey.generate()),
        "signed with our public key as a secret": signed(raw, "HS256"),
        "under a key that is a path": signed(kid="../../../../dev/null"),
        "without an end": signed(exp=None),
        "of a role that there is not": signed(role="everything"),
        "of accounts that are none": signed(accounts=["all"]),
    }


@dataclass(frozen=True, slots=True)
class World:
    """A ledger with one order that waits to be placed, its API, and who calls by name."""

    ledger: Ledger
    app: FastAPI
    tokens: dict[str, str]

    def client(self) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://ledger.example", timeout=30)

    async def send(self, client: httpx2.AsyncClient, operation: Operation, change: dict[str, Any]) -> httpx2.Response:
        """The operation's request with this change."""
        path = operation.path.format(**(OWN | change.get("ids", {}))) + change.get("suffix", "")
        headers = {**operation.headers, **change.get("headers", {})}
        caller = change.get("caller", operation.caller)
        if caller:
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        content = change.get("content")
        body = change.get("body", operation.body)
        if content is None and body is not None:
            content = json.dumps(body).encode()
        if content is not None and operation.method != "GET":
            headers.setdefault("Content-Type", "application/json")
        return await client.request(
            change.get("method", operation.method),
            path,
            params=change.get("query"),
            headers={name: value.encode() for name, value in headers.items() if value is not None},
            content=_chunks(content) if content and change.get("chunked") else content,
        )

    async def stored(self) -> dict[str, int]:
        """How many rows each table has that a command could leave something in."""
        tables = ("ledger.events", "ledger.vault", "ledger.commands", "ledger.work_claims")
        async with self.ledger.pool.connection() as connection:
            counts = [await connection.execute(f"SELECT count(*) FROM {table}".encode()) for table in tables]
            rows = [await cursor.fetchone() for cursor in counts]
        return {table: row[0] for table, row in zip(tables, rows, strict=True) if row}


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


@pytest.fixture
async def world(ledger_url: str) -> AsyncIterator[World]:
    async with opened_world(ledger_url) as made:
        yield made


@asynccontextmanager
async def opened_world(ledger_url: str, **settings: Any) -> AsyncIterator[World]:
    """Four accounts, two of them with a quote and an order that waits, and somebody of every role."""
    tokens = await customers(ledger_url)
    async with opened_ledger(Settings(sandbox=True, **settings), ledger_url) as ledger, projecting(ledger):
        others = {
            who: await _admitted(ledger, who, role, accounts=(str(LINDNER),))
            for role, who in CALLERS.items()
            if who not in asdict(tokens)
        }
        others["far_rep"] = await _admitted(ledger, "far_rep", Role.SALES_REP, territories=("nordics",))
        made = World(ledger, application(ledger), {**asdict(tokens), **others, **await _forged(ledger)})
        async with made.client() as client:
            for caller, account, subscription in (("anna", LINDNER, MEETING), ("stranger", STRANGER, FOREIGN)):
                cart = {"lines": [{"subscription_id": str(subscription), "seats_to_add": 3}], "replaces": None}
                issue = Operation("POST", f"/v1/accounts/{account}/quotes", caller, cart, {"Idempotency-Key": "open"})
                answer = await made.send(client, issue, {})
                assert answer.status_code == 201, answer.text
                path = f"/v1/quotes/{answer.json()['id']}/orders"
                prepare = Operation("POST", path, caller, None, {"Idempotency-Key": "prepare"})
                assert (await made.send(client, prepare, {})).status_code == 201
            # What the read models show is part of what a refusal may depend on.
            for id in (LINDNER, STRANGER):
                await ledger.queries.reached(await _end(ledger, id), 10)
            ending = _commanding("/v1/subscriptions/{subscription_id}/cancel", Asked.CANCEL_SUBSCRIPTION, DUPLICATE)
            change = {"ids": {"subscription_id": ASSIST}, "headers": {"Idempotency-Key": "open"}}
            assert (await made.send(client, ending, change)).status_code == 200, "care, too, has used this key"
        yield made


async def _end(ledger: Ledger, account_id: UUID) -> Position:
    async with ledger.pool.connection() as connection:
        query = "SELECT max(notification_id), max(partition) FROM ledger.events WHERE account_id = %s"
        row = await (await connection.execute(query, (account_id,))).fetchone()
    assert row
    return Position(*row)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def _fields(document: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, member in _resolved(document, schema).get("properties", {}).items():
        yield prefix + name
        if member.get("type") == "array":
            yield from _fields(document, member["items"], f"{prefix}{name}.")


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): described
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }


def _named_in(described: dict[str, Any], place: str) -> list[str]:
    return [each["name"] for each in described.get("parameters", ()) if each["in"] == place]


def _shown(value: object) -> str:
    return "missing" if value is MISSING else repr(value)[:60]


def _says_a_card(text: str) -> bool:
    plain = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", text))
    return "4111111111111111" in plain


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
async def test_a_wrong_request_gets_its_problem_and_leaves_nothing(world: World, operation: Operation) -> None:
    document = world.app.openapi()
    described = _operations(document)[operation.method, operation.path]
    assert set(operation.ids) == set(_named_in(described, "path"))
    assert set(operation.query) == set(_named_in(described, "query"))
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    headers = [each for each in _named_in(described, "header") if operation.caller]
    before, wrong = await world.stored(), []
    async with world.client() as client:
        for row in rows(operation, list(_fields(document, body)), headers):
            answer = await world.send(client, operation, row.change)
            is_problem = answer.headers.get("Content-Type") == "application/problem+json"
            code = answer.json()["code"] if is_problem else answer.text[:200]
            if (answer.status_code, code) != row.refused:
                wrong.append(f"{row.aim} {_shown(row.what)}: {answer.status_code} {code}, not {row.refused}")
            if _says_a_card(answer.text) or any(_says_a_card(value) for value in answer.headers.values()):
                wrong.append(f"{row.aim} {_shown(row.what)}: the answer tells the card number")
    assert not wrong, "\n".join(wrong)
    assert await world.stored() == before
    async with world.client() as client:
        if operation.path.endswith("/progress"):
            return  # its right answer has no end before the order's
        right = await world.send(client, operation, {})
    if operation.answered:
        assert (right.status_code, right.json()["code"]) == operation.answered
    else:
        assert right.is_success, right.text


async def test_every_operation_has_its_rows(world: World) -> None:
    assert set(_operations(world.app.openapi())) == {(each.method, each.path) for each in OPERATIONS}


async def test_the_check_sees_what_was_stored(world: World) -> None:
    before = await world.stored()
    async with world.client() as client:
        issue = next(each for each in OPERATIONS if each.path.endswith("/quotes") and each.method == "POST")
        assert (await world.send(client, issue, {})).status_code == 201
    assert {table for table, count in (await world.stored()).items() if count > before[table]} == {
        "ledger.events",
        "ledger.commands",
    }


RAW: Final = (
    b"nonsense\r\n\r\n",
    b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/clock HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/clock HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/accounts\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\nIf-Match: \xff\xfe\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
)


@pytest.mark.parametrize("request_", RAW, ids=range(len(RAW)))
async def test_the_server_itself_refuses_what_is_no_request(server: Running, request_: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.base.rpartition(":")[2]))
    writer.write(request_)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(200), 10)
    writer.close()
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer
    async with httpx2.AsyncClient(base_url=server.base) as client:
        assert (await client.get("/readyz")).status_code == 200
        for content in (TEN_MEGABYTES, _chunks(TEN_MEGABYTES)):
            answered = await client.post("/v1/clock", content=content, headers=JSON)
            assert (answered.status_code, answered.json()["code"]) == TOO_LARGE


@pytest.fixture
def server(ledger_url: str) -> Iterator[Running]:
    running = Running("serve", DATABASE_URL=ledger_url, SANDBOX="1")
    running.ready()
    yield running
    assert "Traceback" not in running.ended_by(signal.SIGTERM)
