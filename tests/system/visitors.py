"""Somebody at the portal with a browser without script: keeps cookies, fills in the forms of a page, sends them."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID

import httpx2

from adapters.bootstrap import opened_ledger, projecting, working
from adapters.http.application import application
from adapters.http.sandbox_pages import add_sandbox_pages
from adapters.http.signing_in.session import SESSION
from adapters.ledger import Ledger
from adapters.settings import Settings
from domain.envelope import Actor, Role
from services.authorisation import Caller
from services.ports import Position
from tests.system.customers import LINDNER

ORIGIN = "http://localhost:8080"


@dataclass
class Form:
    """A form of a page: where it goes, its fields as they stand, its buttons by what is written on them.

    `elsewhere`: where the buttons go that don't go where the form does.
    """

    action: str
    method: str
    id: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._button: dict[str, str] | None = None
        self._outside: list[tuple[dict[str, str], str]] = []
        self._said = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"], given.get("method", "get"), given.get("id", "")))
        elif tag == "input" and given.get("name") and self.forms:
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self.forms:
            value = given.get("value", "")
            if "selected" in given:
                self.forms[-1].fields[self._select] = value
            self.forms[-1].fields.setdefault(self._select, value)
        elif tag == "button":
            self._button, self._said = given, ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        self._said += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            said = " ".join(self._said.split())
            if "form" in self._button:
                self._outside.append((self._button, said))
            else:
                self._add(self.forms[-1], self._button, said)
            self._button = None

    def close(self) -> None:
        super().close()
        for button, said in self._outside:
            self._add(next(form for form in self.forms if form.id == button["form"]), button, said)

    def _add(self, form: Form, button: dict[str, str], said: str) -> None:
        form.buttons[said] = button.get("name", ""), button.get("value", "")
        if "formaction" in button:
            form.elsewhere[said] = button["formaction"]


@dataclass(frozen=True)
class Page:
    """An answer with its forms."""

    answer: httpx2.Response
    path: str

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def forms(self) -> list[Form]:
        return self._read.forms

    @property
    def text(self) -> str:
        """What somebody reads, in one line."""
        return " ".join(" ".join(self._read.text).split())

    @property
    def source(self) -> str:
        return self.answer.text

    def form(self, button: str) -> Form:
        """The form that has this button."""
        found = [form for form in self.forms if button in form.buttons]
        assert found, f"no {button!r} among {[each for form in self.forms for each in form.buttons]}"
        return found[0]

    @property
    def _read(self) -> _Forms:
        read = _Forms()
        read.feed(self.answer.text)
        read.close()
        return read


@dataclass
class Visitor:
    """One browser. `language` is what it asks for."""

    client: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = "de-DE,de;q=0.9"

    async def get(self, path: str) -> Page:
        return await self._sent("GET", path)

    async def press(self, page: Page, button: str, **typed: str) -> Page:
        """Fill in the form that has this button, and press it."""
        form = page.form(button)
        name, value = form.buttons[button]
        fields = {**form.fields, **typed, **({name: value} if name else {})}
        action = urljoin(page.path, form.elsewhere.get(button, form.action))
        if form.method == "get":
            return await self._sent("GET", f"{action}?{urlencode(fields)}")
        return await self.post(action, fields)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        return await self._sent("POST", path, urlencode(fields), {"Origin": ORIGIN, **headers})

    async def _sent(
        self, method: str, path: str, content: str | None = None, headers: dict[str, str] | None = None
    ) -> Page:
        """The answer, of where it leads to in the end."""
        for _ in range(5):
            cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            kind = {"Content-Type": "application/x-www-form-urlencoded"} if content is not None else {}
            sent = {"Cookie": cookie, "Accept-Language": self.language, **kind, **(headers or {})}
            self.client.cookies.clear()  # its own jar would be all visitors' at once
            answer = await self.client.request(method, path, headers=sent, content=content)
            for cookie_set in answer.headers.get_list("Set-Cookie"):
                name, _, rest = cookie_set.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            if answer.status_code != 303:
                return Page(answer, path)
            there = urlsplit(answer.headers["Location"])
            if there.path == "/sign-in":
                return Page(answer, path)
            path = there.path + (f"?{there.query}" if there.query else "")
            method, content, headers = "GET", None, {}
        raise AssertionError(path)


@dataclass(frozen=True)
class Portal:
    """The portal over a ledger whose read models are kept up to date."""

    ledger: Ledger
    client: httpx2.AsyncClient

    async def visitor(
        self,
        actor: str = "p-anna",
        role: Role = Role.BILLING_ADMIN,
        accounts: tuple[UUID, ...] = (LINDNER,),
        territories: tuple[str, ...] = (),
    ) -> Visitor:
        """Somebody who has just signed in."""
        caller = Caller(Actor(actor, role), frozenset(accounts), frozenset(territories))
        return Visitor(self.client, {SESSION: await self.ledger.sessions.open(caller)})

    async def caught_up(self) -> None:
        """Wait until the read models have everything that was stored."""
        ends = await self.ledger.log.ends()
        for partition, position in ends.items():
            await self.ledger.queries.reached(Position(position, partition), 20)

    async def count(self, topic: str) -> int:
        """How many events of a kind there are."""
        async with self.ledger.pool.connection() as connection:
            query = "SELECT count(*) FROM ledger.events WHERE topic = %s"
            row = await (await connection.execute(query, (topic,))).fetchone()
        assert row
        return int(row[0])


@asynccontextmanager
async def portal_over(url: str, *, with_workers: bool = False) -> AsyncIterator[Portal]:
    """The portal in this process; with workers, orders are carried out."""
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(Settings(sandbox=True), url))
        await stack.enter_async_context(projecting(ledger))
        if with_workers:
            await stack.enter_async_context(working(ledger))
        app = application(ledger)
        add_sandbox_pages(app)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=("127.0.0.1", 40000))
        client = await stack.enter_async_context(
            httpx2.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30, follow_redirects=False)
        )
        portal = Portal(ledger, client)
        await portal.caught_up()
        yield portal


def unescaped(text: str) -> str:
    """What the browser makes of a page's text."""
    return html.unescape(re.sub(r"\s+", " ", text))
