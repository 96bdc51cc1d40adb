"""Who may open which page of the portal and send which form: what the table says, for whoever asks."""

import logging
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from adapters.http.application import application
from adapters.http.portal import visiting
from adapters.http.portal.application import ROUTERS
from adapters.http.portal.furnishing import furnishing
from adapters.http.portal.viewing import ASSETS
from adapters.http.portal.visiting import PortalRoute
from domain.envelope import Role
from domain.identifiers import order_id
from services.authorisation import PERMITTED, SEES, Operation, Sight
from tests.system.customers import ASSIST, LINDNER, MEETING, STRANGER
from tests.system.test_portal_walk import BASE, SAVE, SEATS, TO_PAYMENT
from tests.system.visitors import ORIGIN, Portal, Visitor

pytestmark = pytest.mark.system

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
PAGES = [route for route in ROUTES if isinstance(route, PortalRoute)]
OPEN_TO_ALL = {"/assets/{name}", "/language"}
NOBODYS = UUID("00000000-0000-4000-8000-000000000000")


@pytest.fixture
async def quote(portal: Portal) -> UUID:
    """A quote of Lindner's that was ordered and then replaced: its order is over."""
    anna = await portal.visitor()
    quote = await anna.press(await anna.get(f"{BASE}/cart?{SEATS}=3"), SAVE)
    id = UUID(quote.path.rpartition("/")[2].partition("?")[0])
    await anna.press(quote, TO_PAYMENT)
    await anna.press(await anna.get(f"{BASE}/cart?seats-{ASSIST}=1"), SAVE)
    return id


def _ids(quote: UUID, account: UUID = LINDNER) -> dict[str, str]:
    ids = {"account_id": account, "quote_id": quote, "order_id": order_id(quote), "subscription_id": MEETING}
    return {name: str(id) for name, id in ids.items()}


def _address(route: APIRoute, ids: dict[str, str]) -> str:
    return "/portal" + route.path.format_map({name: ids.get(name, "x") for name in route.param_convertors})


async def _asked(visitor: Visitor, route: APIRoute, ids: dict[str, str]) -> tuple[int, str]:
    """The status and the page's text; of where it leads to, because a refusal leads nowhere."""
    [method] = (route.methods or {"GET"}) - {"HEAD"}
    path = _address(route, ids)
    page = await (visitor.get(path) if method == "GET" else visitor.post(path, {}))
    return page.status, page.text


async def test_everybody_gets_what_the_table_says(portal: Portal, quote: UUID) -> None:
    wrong = []
    for role in Role:
        named = (LINDNER,) if SEES[role] is Sight.NAMED else ()
        visitor = await portal.visitor(f"p-{role}", role, named, ("dach",) if role is Role.SALES_REP else ())
        for route in PAGES:
            operations = [Operation(each) for each in (route.openapi_extra or {})["x-operations"]]
            permitted = any(role in PERMITTED[each] for each in operations)
            status, text = await _asked(visitor, route, _ids(quote))
            refused = status == 403 and "Das dürfen Sie nicht" in text
            if refused == permitted or status >= 500:
                wrong.append(f"{role} {route.methods} {route.path}: {status}")
    assert not wrong, "\n".join(wrong)
    assert await portal.count("QuoteIssued.v1") == 2, "and nothing was done"


async def test_a_foreign_account_is_as_one_that_nobody_has(portal: Portal, quote: UUID) -> None:
    stranger = await portal.visitor("p-stranger", accounts=(STRANGER,))
    about = [route for route in PAGES if set(route.param_convertors) & set(_ids(quote))]
    assert len(about) > 10
    for route in about:
        foreign = await _asked(stranger, route, _ids(quote))
        nobodys = await _asked(stranger, route, _ids(NOBODYS, NOBODYS) | {"subscription_id": str(NOBODYS)})
        assert foreign[0] == nobodys[0] == 404, route.path
        assert _without_reference(foreign[1]) == _without_reference(nobodys[1]), route.path


def _without_reference(text: str) -> str:
    return text.partition("Referenz")[0]


async def test_nobody_sees_a_page_before_he_has_signed_in(portal: Portal, quote: UUID) -> None:
    for route in ROUTES:
        if route.path in OPEN_TO_ALL:
            continue
        [method] = (route.methods or {"GET"}) - {"HEAD"}
        nobody = Visitor(portal.client)
        path = _address(route, _ids(quote))
        page = await (nobody.get(path) if method == "GET" else nobody.post(path, {"typed": "kept"}))
        if method == "GET":
            assert page.answer.headers["Location"].startswith("/sign-in?to=/portal/"), path
        else:
            assert page.status == 401, path
            assert any(form.fields.get("typed") == "kept" for form in page.forms), path


def test_every_route_outside_the_table_is_one_of_these() -> None:
    assert {route.path for route in ROUTES if not isinstance(route, PortalRoute)} == OPEN_TO_ALL
    assert {route.path for route in furnishing.routes if isinstance(route, APIRoute)} == OPEN_TO_ALL


@pytest.mark.parametrize(
    ("headers", "text"),
    [({"Origin": "https://evil.example"}, "kam nicht von einer Seite dieses Portals"), ({"Origin": "null"}, "")],
)
async def test_a_form_of_another_site_does_nothing(portal: Portal, headers: dict[str, str], text: str) -> None:
    anna = await portal.visitor()
    form = (await anna.get(f"{BASE}/cart?{SEATS}=3")).form(SAVE)
    page = await anna.post(form.action, {**form.fields, "action": "save"}, **headers)
    assert page.status == 403
    assert text in page.text
    assert await portal.count("QuoteIssued.v1") == 0


async def test_every_page_has_a_strict_policy_and_is_kept_nowhere(portal: Portal, quote: UUID) -> None:
    anna = await portal.visitor()
    for path in (f"{BASE}/subscriptions", f"{BASE}/cart", f"/portal/quotes/{quote}", "/portal/nothing"):
        page = await anna.get(path)
        policy = page.answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.answer.headers["Cache-Control"] == "no-store"
        assert len(page.answer.content) < 100_000
        assert not any(
            f"{scheme}://" in page.source.replace("https://seatledger.example", "") for scheme in ("http", "https")
        )


async def test_style_and_script_may_be_kept_for_ever_at_the_address_of_their_content(portal: Portal) -> None:
    nobody = Visitor(portal.client)
    page = await nobody.get("/portal/nothing")
    for name, (content, _) in ASSETS.items():
        assert len(content) < 40_000, name
        plain = await nobody.get(f"/portal/assets/{name}")
        assert plain.answer.content == content
        assert plain.answer.headers["Cache-Control"] == "no-cache"
    [address] = [each for each in page.source.split('"') if each.startswith("/portal/assets/tokens.css?v=")]
    assert "immutable" in (await nobody.get(address)).answer.headers["Cache-Control"]
    assert (await nobody.get("/portal/assets/other.css")).status == 404


async def test_the_language_can_be_chosen_by_this_site_alone(portal: Portal) -> None:
    anna = await portal.visitor()
    german = await anna.get(f"{BASE}/subscriptions")
    english = await anna.press(german, "English")
    assert english.path == german.path
    assert "Seats today" in english.text
    assert "Sitze heute" in (await anna.press(english, "Deutsch")).text
    await anna.post("/portal/language", {"language": "en", "to": "/portal"}, **{"Sec-Fetch-Site": "cross-site"})
    assert "Sitze heute" in (await anna.get(german.path)).text
    away = await anna.post("/portal/language", {"language": "xx", "to": "//evil.example"})
    assert away.path == german.path


async def test_a_reference_on_a_page_is_in_the_log_and_nothing_that_was_typed(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await portal.visitor()
    with caplog.at_level(logging.INFO, "adapters.http.portal.trouble"):
        page = await anna.get(f"/portal/quotes/{NOBODYS}?name=Jonas")
        unknown = await anna.get("/portal/jonas.keller@lindner.example")
    for shown in (page, unknown):
        assert shown.status == 404
        reference = shown.text.partition("Referenz ")[2][:10]
        assert f"reference {reference}: 404" in caplog.text
    assert "Jonas" not in caplog.text
    assert "keller" not in caplog.text


async def test_our_own_fault_is_a_page_with_a_reference_and_the_form_can_be_sent_again(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await portal.visitor()
    cart = await anna.get(f"{BASE}/cart?{SEATS}=3")
    issue, portal.ledger.quoting.issue = portal.ledger.quoting.issue, _broken  # type: ignore[method-assign, assignment]
    failed = await anna.press(cart, SAVE)
    assert failed.status == 500
    assert "Das ist unser Fehler" in failed.text
    assert f"reference {failed.text.partition('Referenz ')[2][:10]}: a page failed" in caplog.text
    portal.ledger.quoting.issue = issue  # type: ignore[method-assign]
    assert (await anna.press(failed, "Noch einmal versuchen")).path.startswith("/portal/quotes/")
    assert await portal.count("QuoteIssued.v1") == 1


async def _broken(*_: object) -> None:
    message = "a planted fault"
    raise RuntimeError(message)


async def test_a_page_that_takes_too_long_says_so_and_the_form_can_be_sent_again(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await portal.visitor()
    cart = await anna.get(f"{BASE}/cart?{SEATS}=3")
    monkeypatch.setattr(visiting, "_PAGE_SECONDS", 0.0)
    slow = await anna.press(cart, SAVE)
    assert slow.status == 503
    assert "nichts doppelt bestellt" in slow.text
    monkeypatch.undo()
    assert (await anna.press(slow, "Noch einmal versuchen")).path.startswith("/portal/quotes/")


async def test_the_portal_is_found_at_its_short_address(portal: Portal) -> None:
    answer = await portal.client.get("/portal", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/portal/accounts")
    assert "/portal" not in application(portal.ledger).openapi()["paths"]
