"""The contract of the receipt's document: exact figures, lawful words, the same bytes, and nothing that breaks it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from adapters.documents.languages import Language
from adapters.documents.receipt import ReceiptTemplates
from adapters.documents.templating import LOCALES
from adapters.vat_ids import StdnumVatIds
from domain.money import MINOR_DIGITS, Totals
from domain.personal_data import PaymentMethodKind
from domain.pricing import totals
from domain.products import Product
from domain.tax import tax_on
from services.ports import ReceiptContent, ReceiptRenderer
from services.vault_records import Address, Contact, LegalName, ReceiptDocument
from tests.contracts.documents import FIVE_LINES, LONG_NAME, NBSP, REVERSE_CHARGE, SELLER, TERM, Page, line, receipt


@pytest.fixture(scope="module")
def renderer() -> ReceiptRenderer:
    """The one that ships."""
    return ReceiptTemplates(SELLER)


@pytest.fixture(params=["text", "html", "pdf"])
def form(request: pytest.FixtureRequest) -> str:
    """Each form of the document."""
    return str(request.param)


def as_read(renderer: ReceiptRenderer, content: ReceiptContent, form: str) -> str:
    """The words of one form, with single spaces."""
    document = renderer.render(content)
    if form == "pdf":
        return re.sub(r"[ \n]+", " ", "\n".join(page.extract_text() for page in pdf(document).pages))
    return Page(document.html).text if form == "html" else re.sub(r"[ \n]+", " ", document.text)


def pdf(document: ReceiptDocument) -> PdfReader:
    """The PDF as an independent reader sees it."""
    assert document.pdf is not None
    return PdfReader(BytesIO(document.pdf))


# --- figures -------------------------------------------------------------------------------------------------------


def test_a_german_figure_has_a_comma_and_the_sign_behind_a_no_break_space(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("de"), form)
    assert f"377,29{NBSP}€" in read
    assert f"19{NBSP}%" in read
    assert f"448,98{NBSP}€" in read


def test_an_english_figure_has_a_point_and_the_sign_in_front(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("en"), form)
    assert "€377.29" in read
    assert "19%" in read
    assert "€448.98" in read


@pytest.mark.parametrize(
    ("currency", "german", "english"),
    [
        ("CHF", f"1.377,29{NBSP}CHF", f"CHF{NBSP}1,377.29"),
        ("GBP", f"1.377,29{NBSP}£", "£1,377.29"),
        ("SEK", f"1.377,29{NBSP}SEK", f"SEK{NBSP}1,377.29"),
    ],
)
def test_other_currencies_are_written_by_their_own_custom(
    renderer: ReceiptRenderer, form: str, currency: str, german: str, english: str
) -> None:
    priced = replace(line(), net=137_729, tax=0, tax_rate_basis_points=0)
    assert german in as_read(renderer, receipt("de", priced, currency=currency), form)
    assert english in as_read(renderer, receipt("en", priced, currency=currency), form)


@given(st.integers(0, 10**18), st.sampled_from(sorted(MINOR_DIGITS)))
def test_no_amount_loses_a_cent(minor_units: int, currency: str) -> None:
    printed = Language("en").money(minor_units, currency)
    figure = Decimal("".join(character for character in printed if character in "0123456789."))
    assert figure.scaleb(MINOR_DIGITS[currency]) == minor_units


def test_a_rate_keeps_its_half_percent(renderer: ReceiptRenderer, form: str) -> None:
    assert f"25,5{NBSP}%" in as_read(renderer, receipt("de", line(rate=2550, country="FI")), form)
    assert "25.5%" in as_read(renderer, receipt("en", line(rate=2550, country="FI")), form)


# --- lines and taxes -----------------------------------------------------------------------------------------------


def test_a_line_says_what_was_added_for_how_long_and_at_what_price(renderer: ReceiptRenderer, form: str) -> None:
    bought = line(seats=(10, 3))
    german, english = as_read(renderer, receipt("de", bought), form), as_read(renderer, receipt("en", bought), form)
    for words in (
        "GoTo Meeting",
        "10 + 3 = 13",
        "Abonnement S-goto_meeting",
        "Leistungszeitraum 05.03.2026 bis 31.12.2026, 302 von 365 Tagen",
        f"3 zusätzliche Sitze, 228,00{NBSP}€ je Sitz und Laufzeit",
    ):
        assert words in german
    for words in (
        "GoTo Meeting",
        "10 + 3 = 13",
        "Subscription S-goto_meeting",
        "Service period Mar 5, 2026 to Dec 31, 2026, 302 of 365 days",
        "3 seats added, €228.00 per seat and term",
    ):
        assert words in english


def test_one_seat_is_not_many(renderer: ReceiptRenderer, form: str) -> None:
    assert "1 zusätzlicher Sitz," in as_read(renderer, receipt("de", line(seats=(10, 1))), form)
    assert "1 seat added," in as_read(renderer, receipt("en", line(seats=(10, 1))), form)


def test_thousands_of_seats_have_their_groups(renderer: ReceiptRenderer, form: str) -> None:
    assert "1.000 + 250 = 1.250" in as_read(renderer, receipt("de", line(seats=(1000, 250))), form)


def test_five_lines_stand_in_the_order_of_the_order(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("de", *FIVE_LINES), form)
    places = [read.index(f"Abonnement S-{product.value}") for product in Product]
    assert all(earlier < later for earlier, later in pairwise(places))
    assert "5 + 5" not in read
    assert "50 + 5 = 55" in read


def test_each_rate_and_country_has_its_own_tax(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("de", *FIVE_LINES), form)
    language = Language("de")
    for rate, title, lines in (
        (1900, f"Umsatzsteuer 19{NBSP}% (Deutschland)", (FIVE_LINES[0], FIVE_LINES[2])),
        (2550, f"Umsatzsteuer 25,5{NBSP}% (Finnland)", (FIVE_LINES[1],)),
        (2000, f"Umsatzsteuer 20{NBSP}% (Österreich)", (FIVE_LINES[3],)),
        (0, "Umsatzsteuer (Reverse Charge)", (FIVE_LINES[4],)),
    ):
        net, tax = sum(each.net for each in lines), sum(each.tax for each in lines)
        assert tax == sum(tax_on(each.net, rate) for each in lines)
        assert f"{title} auf {language.money(net, 'EUR')} {language.money(tax, 'EUR')}" in read


def test_a_single_rate_needs_no_base_of_its_own(renderer: ReceiptRenderer, form: str) -> None:
    assert f"Umsatzsteuer 19{NBSP}% (Deutschland) 71,69{NBSP}€" in as_read(renderer, receipt("de"), form)


def test_reverse_charge_is_named_in_the_words_of_the_law(renderer: ReceiptRenderer, form: str) -> None:
    german = as_read(renderer, receipt("de", REVERSE_CHARGE), form)
    english = as_read(renderer, receipt("en", REVERSE_CHARGE), form)
    assert "Steuerschuldnerschaft des Leistungsempfängers" in german
    assert "Reverse charge: as the recipient of the service, you account for the VAT" in english
    assert "Geprüft haben wir das Format Ihrer USt-IdNr. DE129273398, nicht ihre Registrierung." in german
    assert "We checked the format of your VAT ID DE129273398, but not its registration." in english


def test_where_the_seller_owes_the_tax_reverse_charge_is_not_named(renderer: ReceiptRenderer, form: str) -> None:
    assert "Leistungsempfänger" not in as_read(renderer, receipt("de"), form)
    assert "everse charge" not in as_read(renderer, receipt("en"), form)


# --- who, what, how ------------------------------------------------------------------------------------------------


def test_a_german_receipt_has_all_that_an_invoice_needs(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("de"), form)
    for words in (
        "Quittung",
        "SL-DE-2026-000001",
        "Ausstellungsdatum 5. März 2026",
        "Bestellung O-7K2QF-9M3TD",
        "Kundenkonto A-20417",
        "Ihre Bestellnummer PO 4711/26",
        "Zahlungsweise Kreditkarte",
        "Rechnungsadresse Vogt & Söhne GmbH z. Hd. Jana Vogt Lindenallee 12 20259 Hamburg Deutschland",
        "USt-IdNr. DE129273398",
        "Seatledger GmbH, Invalidenstraße 117, 10115 Berlin, Deutschland",
        "USt-IdNr. DE136695976, Amtsgericht Charlottenburg, HRB 000000 B",
        "Bezahlt mit Visa, Endziffern 4242",
        "Diese Quittung ist zugleich Ihre Rechnung",
        "Corporate Account Services",
        "billing@seatledger.example",
    ):
        assert words in read


def test_an_english_receipt_has_the_same(renderer: ReceiptRenderer, form: str) -> None:
    read = as_read(renderer, receipt("en"), form)
    for words in (
        "Receipt number SL-DE-2026-000001",
        "Date of issue March 5, 2026",
        "Your PO number PO 4711/26",
        "Payment method Credit card",
        "Billing address Vogt & Söhne GmbH Attn. Jana Vogt Lindenallee 12 20259 Hamburg Germany",
        "Paid by Visa ending in 4242",
        "This receipt is also your invoice",
        "Corporate Account Services",
    ):
        assert words in read


def test_the_subject_names_receipt_and_order(renderer: ReceiptRenderer) -> None:
    assert renderer.render(receipt("de")).subject == "Ihre Quittung SL-DE-2026-000001 für Bestellung O-7K2QF-9M3TD"
    assert renderer.render(receipt("en")).subject == "Your receipt SL-DE-2026-000001 for order O-7K2QF-9M3TD"


def test_the_sellers_vat_id_of_these_tests_has_a_valid_form() -> None:
    assert StdnumVatIds().country_of(SELLER.vat_id) == "DE"


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            Address(street="12 rue de la Paix\nBât. B", postal_code="75002", city="Paris", country="FR"),
            "12 rue de la Paix Bât. B 75002 Paris Frankreich",
        ),
        (
            Address(street="1 High Street", postal_code="BA1 1AA", city="Bath", region="Somerset", country="GB"),
            "1 High Street Bath Somerset BA1 1AA Vereinigtes Königreich",
        ),
        (
            Address(street="Fő utca 1", postal_code="1011", city="Budapest", country="HU"),
            "Budapest Fő utca 1 1011 Ungarn",
        ),
        (
            Address(street="Via Roma 1", postal_code="20121", city="Milano", region="MI", country="IT"),
            "Via Roma 1 20121 Milano MI Italien",
        ),
        (
            Address(street="1 Main Street", postal_code="62701", city="Springfield", region="IL", country="US"),
            "1 Main Street Springfield, IL 62701 Vereinigte Staaten",
        ),
        (
            Address(street="1 Main Street", postal_code="62701", city="Springfield", country="US"),
            "1 Main Street Springfield, 62701 Vereinigte Staaten",
        ),
        (
            Address(street="Brīvības iela 1", postal_code="LV-1010", city="Rīga", country="LV"),
            "Brīvības iela 1 Rīga, LV-1010 Lettland",
        ),
    ],
)
def test_an_address_has_the_order_of_its_country(
    renderer: ReceiptRenderer, form: str, address: Address, lines: str
) -> None:
    content = replace(receipt("de"), billing_address=address)
    assert f"z. Hd. Jana Vogt {lines} USt-IdNr." in as_read(renderer, content, form)


@pytest.mark.parametrize(
    ("brand", "words"),
    [
        ("amex", "Paid by American Express ending in 0005"),
        ("unknown", "Paid by card ending in 0005"),
        ("Girocard", "Paid by Girocard ending in 0005"),
    ],
)
def test_a_card_is_called_as_its_holder_calls_it(renderer: ReceiptRenderer, form: str, brand: str, words: str) -> None:
    content = receipt("en")
    card = replace(content.payment_method, kind=PaymentMethodKind.DEBIT_CARD, brand=brand, last_four="0005")
    read = as_read(renderer, replace(content, payment_method=card), form)
    assert words in read
    assert "Payment method Debit card" in read


# --- what is missing, long or hostile ------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_missing_leaves_no_gap(renderer: ReceiptRenderer, locale: str) -> None:
    content = replace(
        receipt(locale, REVERSE_CHARGE),
        vat_id=None,
        purchase_order=None,
        billing_contact=Contact(name=" ", email="billing@example.com"),
        billing_address=Address(street="", postal_code="", city="Hamburg", country="DE"),
    )
    document = renderer.render(content)
    read = Page(document.html).text
    for label in ("Bestellnummer", "PO number", "z. Hd.", "Attn.", "None", " ,", "Format"):
        assert label not in document.text
        assert label not in read
    assert "\n\n\n" not in document.text
    assert re.search(r"<(t[dh]|p|h\d)[^>]*>\s*</\1>|(<br>\s*){2}|<br>\s*</td>", document.html) is None


@pytest.mark.parametrize("locale", LOCALES)
def test_text_has_no_line_above_78_characters_and_none_with_blanks_at_its_end(
    renderer: ReceiptRenderer, locale: str
) -> None:
    content = receipt(locale, *FIVE_LINES, replace(line(seats=(1_000_000, 1_000_000)), net=10**15), currency="CHF")
    content = replace(
        content,
        legal_name=LegalName(name=LONG_NAME),
        billing_contact=Contact(name=LONG_NAME, email="a@example.com"),
        billing_address=Address(street=LONG_NAME, postal_code="1", city=LONG_NAME, region=LONG_NAME, country="DE"),
        purchase_order="4711" * 40,
        account_number="A" * 100,
    )
    content = replace(content, totals=totals(content.lines))
    lines = renderer.render(content).text.splitlines()
    assert max(map(len, lines)) == 78
    assert [each for each in lines if each != each.rstrip()] == []


def test_a_long_name_is_wrapped_and_not_cut(renderer: ReceiptRenderer) -> None:
    text = renderer.render(replace(receipt("de"), legal_name=LegalName(name=LONG_NAME))).text
    assert re.sub(r"\s", "", LONG_NAME) in re.sub(r"\s", "", text)


def test_the_figures_of_the_text_end_in_one_column(renderer: ReceiptRenderer) -> None:
    for row in renderer.render(receipt("de", *FIVE_LINES)).text.splitlines():
        assert not row.endswith("€") or len(row) == 78


@pytest.mark.parametrize("locale", LOCALES)
def test_html_in_a_name_is_shown_as_text(renderer: ReceiptRenderer, locale: str) -> None:
    hostile = "<script>alert('1')</script> \"&amp;\" {{ 7 * 7 }} %(name)s"
    content = replace(
        receipt(locale, replace(REVERSE_CHARGE, subscription_number=hostile)),
        legal_name=LegalName(name=hostile),
        billing_contact=Contact(name=hostile, email="a@example.com"),
        billing_address=Address(street=hostile, postal_code=hostile, city=hostile, region=hostile, country=hostile),
        vat_id=hostile,
        purchase_order=hostile,
        account_number=hostile,
    )
    document = renderer.render(content)
    page, harmless = Page(document.html), Page(renderer.render(receipt(locale, REVERSE_CHARGE)).html)
    assert page.attributes("script") == []
    assert page.text.count(hostile) >= 10
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in harmless.elements}
    assert "<script>alert('1')</script>" in document.text


def test_a_name_cannot_pose_as_other_lines(renderer: ReceiptRenderer) -> None:
    content = replace(
        receipt("de"),
        purchase_order="1\r\nGesamtbetrag 0,00 €\N{LINE SEPARATOR}\N{RIGHT-TO-LEFT OVERRIDE}2\0",
        legal_name=LegalName(name="Vogt\n\nGmbH"),
    )
    document = renderer.render(content)
    assert "1 Gesamtbetrag 0,00 € 2\n" in document.text
    assert "Vogt GmbH\n" in document.text
    for unseen in ("\r", "\0", "\N{LINE SEPARATOR}", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert unseen not in document.text
        assert unseen not in document.html


@settings(max_examples=40, deadline=None)  # the first compiles the templates
@given(name=st.text(max_size=200), street=st.text(max_size=200))
def test_no_text_is_an_error(renderer: ReceiptRenderer, name: str, street: str) -> None:
    content = replace(
        receipt("de"),
        legal_name=LegalName(name=name),
        billing_address=Address(street=street, postal_code="1", city="B", country="DE"),
    )
    document = renderer.render(content)
    assert max(map(len, document.text.split("\n"))) <= 78
    assert Page(document.html).unclosed == []


# --- the document as such ------------------------------------------------------------------------------------------


def test_the_same_content_gives_the_same_bytes(renderer: ReceiptRenderer) -> None:
    for locale in LOCALES:
        first = renderer.render(receipt(locale, *FIVE_LINES))
        again = ReceiptTemplates(SELLER).render(receipt(locale, *FIVE_LINES))
        assert first.canonical() == again.canonical()


def test_another_document_has_another_version(renderer: ReceiptRenderer) -> None:
    """Whoever changes a word of the receipt gives TEMPLATE_VERSION a new number and adds a row here."""
    known = {
        ("receipt.1", "jinja2-3.1.6+babel-2.18.0"): "2e4ecee836326c567567452f00e7b40d071a7b9eb876e3f66afbd3d738fec253",
        (
            "receipt.2",
            "jinja2-3.1.6+babel-2.18.0+typst-0.15.2",
        ): "f0577abd2b7b7d9bbccb9cfb302fd5a490928249f7ba1ce384f2fde185c4c3bb",
    }
    # receipt.2: the same words, and a PDF of them.
    version = (renderer.template_version, renderer.renderer_version)
    if version[1] not in {each for _, each in known}:
        pytest.skip("another Jinja2 or Babel may write other bytes")
    documents = (
        renderer.render(receipt(locale, *lines)) for locale in LOCALES for lines in (FIVE_LINES, (REVERSE_CHARGE,))
    )
    assert known[version] == sha256(b"".join(document.canonical() for document in documents)).hexdigest()


@pytest.mark.parametrize("locale", LOCALES)
def test_the_pdf_is_for_archives_and_for_those_who_hear_it(renderer: ReceiptRenderer, locale: str) -> None:
    read = pdf(renderer.render(receipt(locale)))
    assert read.metadata is not None
    assert read.metadata.title == f"{'Quittung' if locale == 'de' else 'Receipt'} {receipt(locale).receipt_number}"
    assert read.metadata.author == SELLER.name
    assert read.metadata.creation_date is not None
    assert read.metadata.creation_date.date() == receipt(locale).issued_on, "and no clock's"
    root: Any = read.trailer["/Root"]
    assert root["/Lang"] == locale
    assert root["/MarkInfo"]["/Marked"]
    packet = root["/Metadata"].get_object().get_data().decode()
    for claim in ("<pdfaid:part>3<", "<pdfaid:conformance>A<", "<pdfuaid:part>1<"):
        assert claim in packet
    assert len(read.pages) == 1


def test_a_long_order_goes_on_on_another_page(renderer: ReceiptRenderer) -> None:
    lines = FIVE_LINES * 4
    read = pdf(renderer.render(receipt("de", *lines)))
    assert len(read.pages) > 1
    said = [page.extract_text() for page in read.pages]
    assert sum(each.count("Leistungszeitraum") for each in said) == len(lines)
    for number, each in enumerate(said, 1):
        assert f"{number}/{len(said)}" in each
        assert receipt("de").receipt_number in each


def test_a_name_in_the_pdf_is_text_and_no_program_of_it(renderer: ReceiptRenderer) -> None:
    name = r'Vogt" + panic("x") + "\\ #read("/etc/passwd") $x$ *b* <a> @c ¶ Ελλάς Жук \u{41}'
    content = replace(receipt("de"), legal_name=LegalName(name=name))
    (page,) = pdf(renderer.render(content)).pages
    assert re.sub(r"\s+", "", name) in re.sub(r"\s+", "", page.extract_text())


def test_a_name_that_no_font_can_show_leaves_the_receipt_without_a_pdf(renderer: ReceiptRenderer) -> None:
    content = replace(receipt("de"), legal_name=LegalName(name="株式会社 GoTo"))
    document = renderer.render(content)
    assert document.pdf is None
    assert "株式会社 GoTo" in document.text
    assert (
        document.canonical()
        == type(document)(subject=document.subject, text=document.text, html=document.html).canonical()
    ), "as receipts were before there were PDFs"


@pytest.mark.parametrize("locale", LOCALES)
def test_the_html_is_one_closed_file_that_loads_nothing(renderer: ReceiptRenderer, locale: str) -> None:
    html = renderer.render(receipt(locale, *FIVE_LINES)).html
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>\n")
    assert page.unclosed == []
    assert {tag for tag, _ in page.elements} & {"link", "script", "img", "iframe", "object", "svg"} == set()
    assert re.search(r"url\(|@import|\bsrc=|@font-face", html) is None
    targets = {attributes["href"] for attributes in page.attributes("a")}
    assert targets == {"mailto:billing@seatledger.example", "https://seatledger.example"}


@pytest.mark.parametrize("locale", LOCALES)
def test_the_html_can_be_heard(renderer: ReceiptRenderer, locale: str) -> None:
    page = Page(renderer.render(receipt(locale, *FIVE_LINES)).html)
    assert page.attributes("html") == [{"lang": locale}]
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert all(header.get("scope") for header in page.attributes("th"))
    assert page.attributes("title")


def test_every_message_of_the_templates_has_a_german_one() -> None:
    """And no German one is left over, doubtful, or has other placeholders."""
    catalogue, wanted = _german(), set(_messages())
    messages = [message for message in catalogue if message.id]
    assert {message.id for message in messages} == wanted
    for message in messages:
        assert not message.fuzzy
        source = message.id if isinstance(message.id, str) else message.id[0]
        for words in (message.string,) if isinstance(message.string, str) else message.string or ("",):
            assert words, f"{source} has no German words"
            assert set(re.findall(r"%\(\w+\)s", words)) == set(re.findall(r"%\(\w+\)s", source))


def _messages() -> Iterator[str | tuple[str, ...]]:
    for template in files("adapters.documents").joinpath("templates").iterdir():
        with template.open("rb") as source:
            for _, message, _, _ in extract("jinja2.ext:babel_extract", source, options={"silent": "false"}):
                yield message


def _german() -> Catalog:
    with files("adapters.documents").joinpath("catalogues", "de.po").open("rb") as source:
        return read_po(source, locale="de", abort_invalid=True)


# --- refusals ------------------------------------------------------------------------------------------------------


def test_totals_that_are_not_the_sum_of_the_lines_get_no_document(renderer: ReceiptRenderer) -> None:
    content = replace(receipt("de"), totals=Totals(net=37729, tax=7169, gross=44899))
    with pytest.raises(ValueError, match="not the sum"):
        renderer.render(content)


def test_another_language_gets_no_document(renderer: ReceiptRenderer) -> None:
    with pytest.raises(ValueError, match="only in de and en"):
        renderer.render(receipt("fr"))


def test_a_currency_that_the_ledger_does_not_know_gets_no_document(renderer: ReceiptRenderer) -> None:
    with pytest.raises(ValueError, match="'JPY'"):
        renderer.render(receipt("de", currency="JPY"))


def test_a_period_of_one_day_ends_on_the_day_it_begins(renderer: ReceiptRenderer, form: str) -> None:
    last = line(start=TERM.end - timedelta(days=1))
    assert "31.12.2026 bis 31.12.2026, 1 von 365 Tagen" in as_read(renderer, receipt("de", last), form)
