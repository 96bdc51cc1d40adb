"""Requests with made-up people, cards and secrets in every place that a request has, and where those turn up again."""

import io
import json
import logging
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx2

from adapters.redaction import Redacting
from projections.catalogue import PROJECTIONS
from tests.system.test_bad_input import CALLERS, MISSING, OPERATIONS, OWN, Operation, World, _fields, _operations

MARKS: Final = re.compile(r"kanarek|kanarien|canary|4111.?1111|987654|hunter2", re.IGNORECASE)
"""What every canary has, however it is cut."""

PERSONAL: Final = (
    "Xenia Kanarek",
    "xenia.kanarek@canary.example",
    "Kanarienweg 17",
    "Kanarienstadt",
    "+49221987654321",
    "PO-CANARY-17",
)
SECRET: Final = ("tok_canary_SECRET17", "sk_live_canarySECRET17", "password=hunter2canary", "Bearer canarySECRET17")
CARDS: Final = ("4111 1111 1111 1111", "4111111111111111", "my card is 4111-1111-1111-1111, thanks")
ANY: Final = (*PERSONAL, *SECRET, *CARDS)
AS_A_KEY: Final = ("xenia.kanarek@canary.example", "4111111111111111", "order-4111-1111-1111-1111")

_VALID: Final = {
    "name": "Xenia Kanarek",
    "email": "xenia.kanarek@canary.example",
    "phone": "+49221987654321",
    "street": "Kanarienweg 17",
    "city": "Kanarienstadt",
    "postal_code": "KANAREK 17",
    "region": "Kanarien",
    "po_number": "PO-CANARY-17",
    "token": "tok_canary_SECRET17",
}
"""What a field takes for right."""


class Canaries:
    """Chosen by chance from a seed, so that a run can be repeated."""

    def __init__(self, world: World, seed: int) -> None:
        """Of requests to this world's application."""
        self._world, self._random = world, random.Random(seed)
        self._document = world.app.openapi()
        self.told: list[str] = []
        self.statuses: dict[int, int] = {}

    async def send(self, count: int, advanced: Callable[[int], None] = lambda _: None) -> None:
        """So many requests; `told` notes each problem that says a canary."""
        async with self._world.client() as client:
            for number in range(count):
                operation = self._random.choice([each for each in OPERATIONS if not each.path.endswith("/progress")])
                answer = await self._one(client, operation)
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                said = f"{answer.text} {answer.headers}"
                if answer.status_code >= 400 and _says(said):
                    self.told.append(f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:300]}")
                if answer.status_code >= 500:
                    self.told.append(f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:300]}")
                advanced(number + 1)

    async def _one(self, client: httpx2.AsyncClient, operation: Operation) -> httpx2.Response:
        chance, any_of = self._random.random, self._random.choice
        ids = dict(OWN)
        if chance() < 0.1 and operation.ids:
            ids[any_of(operation.ids)] = any_of(ANY)
        caller = operation.caller if chance() < 0.7 else any_of([*CALLERS.values(), "stranger", None])
        headers: dict[str, str] = {"User-Agent": any_of(ANY), "Referer": any_of(ANY), "X-Forwarded-For": any_of(ANY)}
        headers |= {"Cookie": f"session={any_of(SECRET)}", **operation.headers}
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] = any_of(AS_A_KEY) if chance() < 0.1 else f"k-{self._random.getrandbits(64):x}"
        for name in ("If-Match", "Seatledger-Wait-For", "Last-Event-ID"):
            if chance() < 0.1:
                headers[name] = any_of(ANY)
        if caller:
            headers["Authorization"] = f"Bearer {self._world.tokens[caller]}"
        if chance() < 0.05:
            headers["Authorization"] = f"Bearer {any_of(ANY)}"
        query = {name: any_of(ANY) for name in operation.query if chance() < 0.2} | {"canary": any_of(ANY)}
        path = operation.path.format(**{name: str(id).replace("/", "%2F") for name, id in ids.items()})
        content = None
        if operation.body is not None and operation.method != "GET":
            content = json.dumps(self._body(operation)).encode()
            headers["Content-Type"] = "application/json" if chance() < 0.97 else any_of(ANY)
        return await client.request(
            operation.method,
            path,
            params=query,
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=content,
        )

    def _body(self, operation: Operation) -> Any:
        described = _operations(self._document)[operation.method, operation.path]
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        body = json.loads(json.dumps(operation.body))
        for path in _fields(self._document, schema):
            *outer, name = path.split(".")
            members = body[outer[0]][0] if outer and isinstance(body.get(outer[0]), list) else body
            if not isinstance(members, dict):
                continue
            roll = self._random.random()
            if roll < 0.5 and name in _VALID:
                members[name] = _VALID[name]
            elif roll < 0.6:
                members[name] = self._random.choice([*ANY, {self._random.choice(ANY): 1}, [self._random.choice(ANY)]])
            elif roll < 0.62:
                members.pop(name, MISSING)
        if self._random.random() < 0.1:
            body[self._random.choice(ANY)] = self._random.choice(ANY)
        return body

    async def found(self) -> list[str]:
        """Where in history and in the read models a canary is; the vault alone may have them."""
        tables = ["ledger.events", "ledger.commands", "projecting.parked"]
        tables += [f"{each.name}.{table}" for each in PROJECTIONS for table in each.tables]
        found = []
        async with self._world.ledger.pool.connection() as connection:
            for table in tables:
                texts = "convert_from(state, 'UTF8')" if table == "ledger.events" else "''"
                rows = await connection.execute(f"SELECT t::text || {texts} FROM {table} AS t".encode())
                found += [f"{table}: {row[0][:300]}" for row in await rows.fetchall() if _says(row[0])]
        return found


def _says(text: str) -> bool:
    return bool(MARKS.search(unicodedata.normalize("NFKC", text)))


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """All that our side logs meanwhile, down to the smallest thing, as a handler of the product writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(Redacting())
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))  # the client's own
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def said_in(text: str) -> list[str]:
    """The lines of a log that say a canary."""
    return [line for line in text.splitlines() if _says(line)]
