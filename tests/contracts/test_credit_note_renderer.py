"""The contract of the credit note's document: what it corrects, by how much, in lawful words and for ever."""

import re
from dataclasses import replace
from datetime import date
from hashlib import sha256

import pytest

from adapters.documents.credit_note import CreditNoteTemplates
from adapters.documents.templating import LOCALES
from domain.money import Totals
from domain.tax import TaxCategory
from services.ports import CreditNoteContent, CreditNoteRenderer
from services.vault_records import Address, Contact, LegalName
from tests.contracts.documents import LONG_NAME, NBSP, SELLER, Page, receipt


def credit_note(locale: str) -> CreditNoteContent:
    paid = receipt(locale)
    return CreditNoteContent(
        credit_note_number="SL-DE-C-2026-000001",
        receipt_number=paid.receipt_number,
        order_number=paid.order_number,
        issued_on=date(2026, 3, 9),
        locale=locale,
        currency=paid.currency,
        legal_name=paid.legal_name,
        billing_contact=paid.billing_contact,
        billing_address=paid.billing_address,
        vat_id=paid.vat_id,
        account_number=paid.account_number,
        totals=Totals(net=37729, tax=7169, gross=44898),
        tax_category=TaxCategory.STANDARD,
        tax_country="DE",
        tax_rate_basis_points=1900,
        reason="goodwill",
        payment_method=paid.payment_method,
    )


@pytest.fixture(scope="module")
def renderer() -> CreditNoteRenderer:
    """The one that ships."""
    return CreditNoteTemplates(SELLER)


@pytest.fixture(params=["text", "html"])
def form(request: pytest.FixtureRequest) -> str:
    """Each form of the document."""
    return str(request.param)


def as_read(renderer: CreditNoteRenderer, content: CreditNoteContent, form: str) -> str:
    """The words of one form, with single spaces."""
    document = renderer.render(content)
    return Page(document.html).text if form == "html" else re.sub(r"[ \n]+", " ", document.text)


def test_it_names_the_receipt_that_it_corrects_and_the_amounts(renderer: CreditNoteRenderer, form: str) -> None:
    german = as_read(renderer, credit_note("de"), form)
    for words in (
        "Rechnungskorrektur (Gutschrift)",
        "Korrekturnummer SL-DE-C-2026-000001",
        "Korrigiert Quittung SL-DE-2026-000001",
        "Ausstellungsdatum 9. März 2026",
        "Grund Aus Kulanz",
        "Visa, Endziffern 4242",
        f"Nettobetrag -377,29{NBSP}€",
        f"Umsatzsteuer 19{NBSP}% (Deutschland) -71,69{NBSP}€",
        f"Erstattung -448,98{NBSP}€",
        "Vogt & Söhne GmbH",
        "20259 Hamburg",
        "USt-IdNr. DE129273398",
        "Vorsteuerabzug",
    ):
        assert words in german
    english = as_read(renderer, credit_note("en"), form)
    for words in ("Credit note", "Corrects receipt SL-DE-2026-000001", "Net amount -€377.29", "Refund -€448.98"):
        assert words in english


def test_reverse_charge_is_named_in_the_words_of_the_law(renderer: CreditNoteRenderer, form: str) -> None:
    content = replace(
        credit_note("de"),
        totals=Totals(net=37729, tax=0, gross=37729),
        tax_category=TaxCategory.REVERSE_CHARGE,
        tax_rate_basis_points=0,
    )
    read = as_read(renderer, content, form)
    assert "Steuerschuldnerschaft des Leistungsempfängers" in read
    assert "Vorsteuerabzug" not in read
    assert "Steuerschuldnerschaft" not in as_read(renderer, credit_note("de"), form)


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        ("customer_request", "Auf Ihren Wunsch"),
        ("duplicate", "Doppelt berechnet"),
        ("seats_unusable", "Die Sitze waren nicht nutzbar"),
        ("another code", "Korrektur der Rechnung"),
    ],
)
def test_the_reason_is_said_in_words(renderer: CreditNoteRenderer, form: str, reason: str, german: str) -> None:
    assert german in as_read(renderer, replace(credit_note("de"), reason=reason), form)


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_from_outside_becomes_markup_or_another_line(renderer: CreditNoteRenderer, locale: str) -> None:
    hostile = "<i>x</i>\n\nErstattung 9 €\r\n{{ 7 * 7 }} %(name)s &amp; \N{RIGHT-TO-LEFT OVERRIDE}"
    content = replace(
        credit_note(locale),
        legal_name=LegalName(name=hostile),
        billing_contact=Contact(name=hostile, email="a@example.com"),
        billing_address=Address(street="S", postal_code=hostile, city=hostile, country=hostile),
        vat_id=hostile,
        account_number=hostile,
    )
    document = renderer.render(content)
    page = Page(document.html)
    assert page.unclosed == []
    assert page.attributes("i") == []
    assert page.text.count("<i>x</i> Erstattung 9 € {{ 7 * 7 }} %(name)s &amp;") >= 5
    assert re.search(r"^ *Erstattung 9", document.text, re.MULTILINE) is None
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in document.text + document.html


@pytest.mark.parametrize("locale", LOCALES)
def test_the_document_is_whole(renderer: CreditNoteRenderer, locale: str) -> None:
    content = replace(credit_note(locale), legal_name=LegalName(name=LONG_NAME), vat_id=None)
    document = renderer.render(content)
    page = Page(document.html)
    assert document.html.startswith("<!DOCTYPE html>\n")
    assert page.unclosed == []
    assert re.search(r"url\(|@import|\bsrc=|@font-face", document.html) is None
    assert {tag for tag, _ in page.elements} & {"link", "script", "img", "iframe", "object", "svg"} == set()
    assert all(header.get("scope") for header in page.attributes("th"))
    assert max(map(len, document.text.splitlines())) == 78
    assert [each for each in document.text.splitlines() if each != each.rstrip()] == []
    assert "\n\n\n" not in document.text
    assert "None" not in page.text


def test_another_document_has_another_version(renderer: CreditNoteRenderer) -> None:
    """Whoever changes a word of the credit note gives TEMPLATE_VERSION a new number and adds a row here."""
    known = {
        "credit_note.1, jinja2-3.1.6+babel-2.18.0": "fd1f864143985bba709802685c4e405acff41a3c413d1c86f34168f5ae266375",
        "credit_note.2, jinja2-3.1.6+babel-2.18.0": "6342a76e90815bdb1e152d352b2b237f8f51aa56c22b9eb52deea575e7ad4aa0",
    }
    version = f"{renderer.template_version}, {renderer.renderer_version}"
    documents = (CreditNoteTemplates(SELLER).render(credit_note(locale)) for locale in LOCALES)
    assert known[version] == sha256(b"".join(document.canonical() for document in documents)).hexdigest()


def test_amounts_that_do_not_add_up_get_no_document(renderer: CreditNoteRenderer) -> None:
    with pytest.raises(ValueError, match="not its gross"):
        renderer.render(replace(credit_note("de"), totals=Totals(net=37729, tax=7169, gross=44899)))


def test_another_language_gets_no_document(renderer: CreditNoteRenderer) -> None:
    with pytest.raises(ValueError, match="only in de and en"):
        renderer.render(credit_note("fr"))


def test_a_currency_that_the_ledger_does_not_know_gets_no_document(renderer: CreditNoteRenderer) -> None:
    with pytest.raises(ValueError, match="'JPY'"):
        renderer.render(replace(credit_note("de"), currency="JPY"))
