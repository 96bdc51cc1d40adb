"""The contract of the mails that are not documents: each kind in both languages says what happened and what to do."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from adapters.documents.notice import NoticeTemplates
from adapters.documents.templating import LOCALES
from domain.notices import NoticeKind
from domain.products import Product
from services.ports import NoticeContent, NoticeRenderer
from services.vault_records import Contact, LegalName
from tests.contracts.documents import LONG_NAME, NBSP, SELLER, Page, line, receipt

KINDS = tuple(kind for kind in NoticeKind if kind is not NoticeKind.CREDIT_NOTE)
EACH = tuple(product(KINDS, LOCALES))
ADDED, REFUSED = line(), replace(line(Product.GOTO_WEBINAR, seats=(25, 5)), subscription_id=UUID(int=9))
UNTIL = datetime(2026, 3, 12, 13, 5, tzinfo=UTC)


def notice(kind: NoticeKind, locale: str = "de") -> NoticeContent:
    """A notice as the kind is usually sent."""
    about_quote, in_part = kind is NoticeKind.QUOTE_EXPIRES_SOON, kind is NoticeKind.LINES_REJECTED
    return NoticeContent(
        kind=kind,
        number="Q-7K2QF-9M3TD" if about_quote else "O-7K2QF-9M3TD",
        locale=locale,
        time_zone="Europe/Berlin",
        currency="EUR",
        legal_name=LegalName(name="Vogt & Söhne GmbH"),
        contact=Contact(name="Jana Vogt", email="jana.vogt@example.com"),
        account_number="A-20417",
        lines=(ADDED, REFUSED),
        provisioned=(ADDED,) if in_part else (),
        rejected=(REFUSED,) if in_part else (),
        amount=137729,
        until=UNTIL,
        link="https://bank.example/confirm/pi_1" if kind is NoticeKind.PAYMENT_ACTION_REQUIRED else None,
        reason={NoticeKind.PAYMENT_DECLINED: "card_declined", NoticeKind.ORDER_CANCELLED: "customer_request"}.get(kind),
        payment_method=None if about_quote else receipt(locale).payment_method,
    )


@pytest.fixture(scope="module")
def renderer() -> NoticeRenderer:
    """The one that ships."""
    return NoticeTemplates(SELLER)


@pytest.fixture(params=["text", "html"])
def form(request: pytest.FixtureRequest) -> str:
    """Each form of the letter."""
    return str(request.param)


def as_read(renderer: NoticeRenderer, content: NoticeContent, form: str) -> str:
    """The words of one form, with single spaces."""
    letter = renderer.render(content)
    return Page(letter.html).text if form == "html" else re.sub(r"[ \n]+", " ", letter.text)


@pytest.mark.parametrize(("kind", "locale"), EACH)
def test_every_kind_names_reader_subject_lines_and_whom_to_ask(
    renderer: NoticeRenderer, form: str, kind: NoticeKind, locale: str
) -> None:
    content = notice(kind, locale)
    read = as_read(renderer, content, form)
    assert content.number in renderer.render(content).subject
    for words in ("Jana Vogt,", content.number, "A-20417", "Vogt & Söhne GmbH", "GoTo Meeting", "10 + 2 = 12"):
        assert words in read
    assert (f"1.377,29{NBSP}€" if locale == "de" else "€1,377.29") in read
    assert "Corporate Account Services" in read
    assert SELLER.email in read
    assert "None" not in read


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_languages_and_no_two_kinds_say_the_same(renderer: NoticeRenderer, kind: NoticeKind) -> None:
    subjects = {renderer.render(notice(*each)).subject for each in EACH}
    assert len(subjects) == len(EACH)
    german, english = (Page(renderer.render(notice(kind, locale)).html) for locale in LOCALES)
    assert german.text != english.text
    assert (german.attributes("html"), english.attributes("html")) == ([{"lang": "de"}], [{"lang": "en"}])


@pytest.mark.parametrize(
    ("reason", "german", "english"),
    [
        ("insufficient_funds", "Limit oder Guthaben reichen", "its limit or balance does not cover"),
        ("expired_card", "Sie ist abgelaufen", "it has expired"),
        ("card_declined", "Die Bank hat die Zahlung abgelehnt", "the bank declined the payment"),
        (None, "Der Betrag ist bei der Bank nicht mehr vorgemerkt", "the bank no longer holds the amount"),
    ],
)
def test_a_declined_payment_says_why(
    renderer: NoticeRenderer, form: str, reason: str | None, german: str, english: str
) -> None:
    content = replace(notice(NoticeKind.PAYMENT_DECLINED), reason=reason)
    assert german in as_read(renderer, content, form)
    assert english in as_read(renderer, replace(content, locale="en"), form)


def test_a_deadline_is_told_in_the_customers_time(renderer: NoticeRenderer, form: str) -> None:
    content = notice(NoticeKind.PAYMENT_DECLINED)
    assert "Geht bis zum 12. März 2026, 14:05 Uhr (MEZ), keine Zahlung ein" in as_read(renderer, content, form)
    abroad = replace(content, locale="en", time_zone="America/New_York")
    assert "Without a payment by March 12, 2026, 9:05\N{NARROW NO-BREAK SPACE}AM EDT" in as_read(renderer, abroad, form)


def test_who_has_the_seats_is_not_told_that_the_order_will_be_cancelled(renderer: NoticeRenderer, form: str) -> None:
    read = as_read(renderer, replace(notice(NoticeKind.PAYMENT_DECLINED), provisioned=(ADDED,)), form)
    assert "Ihre neuen Sitze können Sie bereits nutzen." in read
    assert "stornieren" not in read


@pytest.mark.parametrize("kind", [NoticeKind.PAYMENT_DECLINED, NoticeKind.PAYMENT_ACTION_REQUIRED])
def test_without_a_deadline_none_is_made_up(renderer: NoticeRenderer, form: str, kind: NoticeKind) -> None:
    assert "bis zum" not in as_read(renderer, replace(notice(kind), until=None), form)


def test_the_bank_s_page_is_one_click_away(renderer: NoticeRenderer) -> None:
    content = notice(NoticeKind.PAYMENT_ACTION_REQUIRED)
    letter = renderer.render(content)
    assert content.link in {attributes["href"] for attributes in Page(letter.html).attributes("a")}
    assert f"\nZahlung bestätigen:\n{content.link}\n" in letter.text


@pytest.mark.parametrize("link", ["http://bank.example/1", "javascript:alert(1)", "data:text/html,1", None])
def test_a_link_that_is_not_secure_is_not_passed_on(renderer: NoticeRenderer, link: str | None) -> None:
    letter = renderer.render(replace(notice(NoticeKind.PAYMENT_ACTION_REQUIRED), link=link))
    assert {attributes["href"] for attributes in Page(letter.html).attributes("a")} == {
        f"mailto:{SELLER.email}",
        SELLER.website,
    }
    assert "im Corporate Billing Portal unter „Bestellungen“ und bestätigen Sie" in re.sub(r"\s+", " ", letter.text)


def test_each_line_says_whether_its_seats_were_added(renderer: NoticeRenderer, form: str) -> None:
    german = as_read(renderer, notice(NoticeKind.LINES_REJECTED), form).replace(" , ", ", ")
    assert "Abonnement S-goto_meeting, hinzugefügt" in german
    assert "10 + 2 = 12" in german
    assert "Abonnement S-goto_webinar, 5 Sitze nicht hinzugefügt" in german
    assert "25 + 0 = 25" in german
    assert "30" not in german


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        ("not paid in time", "ging nicht rechtzeitig eine Zahlung ein"),
        ("nothing could be provisioned", "keiner der bestellten Sitze"),
        ("customer_request", "wie gewünscht storniert"),
        ("duplicate", "doppelt aufgegeben"),
        ("fraud_suspected", "von unserem Team Corporate Account Services storniert"),
        (None, "von unserem Team Corporate Account Services storniert"),
    ],
)
def test_a_cancellation_says_why_but_suspects_nobody(
    renderer: NoticeRenderer, form: str, reason: str | None, german: str
) -> None:
    read = as_read(renderer, replace(notice(NoticeKind.ORDER_CANCELLED), reason=reason), form)
    assert german in read
    assert "Ihre Karte wird nicht belastet" in read
    assert "etrug" not in read


def test_an_overdue_order_that_waits_for_a_card_says_so(renderer: NoticeRenderer, form: str) -> None:
    content = notice(NoticeKind.ORDER_OVERDUE)
    assert "Sie brauchen nichts zu unternehmen." in as_read(renderer, content, form)
    unpaid = as_read(renderer, replace(content, reason="not paid"), form)
    assert "Sie wartet auf Ihre Zahlung." in unpaid
    assert "nichts zu unternehmen" not in unpaid


# --- what comes from outside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "locale"), EACH)
def test_no_text_from_outside_becomes_markup_or_another_paragraph(
    renderer: NoticeRenderer, kind: NoticeKind, locale: str
) -> None:
    hostile = "<b>x</b>\n\nBcc: a@example.com\r\n\r\n{{ 7 * 7 }} %(name)s &amp; \N{RIGHT-TO-LEFT OVERRIDE}"
    content = replace(
        notice(kind, locale),
        number=hostile,
        contact=Contact(name=hostile, email="a@example.com"),
        legal_name=LegalName(name=hostile),
        account_number=hostile,
        lines=(replace(ADDED, subscription_number=hostile),),
        provisioned=(),
    )
    plain = replace(notice(kind, locale), lines=(ADDED,), provisioned=())
    letter, harmless = renderer.render(content), renderer.render(plain)
    assert re.search(r"[\r\n]", letter.subject) is None
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in letter.subject + letter.text + letter.html
    page = Page(letter.html)
    assert page.unclosed == []
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in Page(harmless.html).elements]
    assert "<b>x</b> Bcc: a@example.com {{ 7 * 7 }} %(name)s &amp;" in page.text


@pytest.mark.parametrize(("kind", "locale"), EACH)
def test_no_line_of_the_text_is_too_long_and_nothing_is_empty(
    renderer: NoticeRenderer, kind: NoticeKind, locale: str
) -> None:
    content = replace(notice(kind, locale), legal_name=LegalName(name=LONG_NAME), contact=Contact(name="", email="a@b"))
    letter = renderer.render(content)
    assert max(map(len, letter.text.splitlines())) == 78
    assert [each for each in letter.text.splitlines() if each != each.rstrip()] == []
    assert "\n\n\n" not in letter.text
    assert re.search(r"<(t[dh]|p|h\d)[^>]*>\s*</\1>", letter.html) is None


@pytest.mark.parametrize(("kind", "locale"), EACH)
def test_the_html_is_one_closed_file_that_loads_nothing_and_can_be_heard(
    renderer: NoticeRenderer, kind: NoticeKind, locale: str
) -> None:
    letter = renderer.render(notice(kind, locale))
    page = Page(letter.html)
    assert letter.html.startswith("<!DOCTYPE html>\n")
    assert page.unclosed == []
    assert {tag for tag, _ in page.elements} & {"link", "script", "img", "iframe", "object", "svg"} == set()
    assert re.search(r"url\(|@import|\bsrc=|@font-face", letter.html) is None
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert all(header.get("scope") for header in page.attributes("th"))


def test_a_credit_note_is_no_notice(renderer: NoticeRenderer) -> None:
    with pytest.raises(ValueError, match="document"):
        renderer.render(replace(notice(NoticeKind.ORDER_OVERDUE), kind=NoticeKind.CREDIT_NOTE))


def test_another_language_gets_no_letter(renderer: NoticeRenderer) -> None:
    with pytest.raises(ValueError, match="only in de and en"):
        renderer.render(notice(NoticeKind.ORDER_OVERDUE, "fr"))
