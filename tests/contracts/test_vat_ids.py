"""The contract of VAT ids' form: the country only where prefix, length and check digits hold, and never an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vat_ids import StdnumVatIds
from services.ports import VatIdFormat

# Examples that python-stdnum's own tests publish.
VALID = {
    "ATU13585627": "AT",
    "BE0776091951": "BE",
    "DE136695976": "DE",
    "DK13585628": "DK",
    "EE100594102": "EE",
    "EL094259216": "GR",
    "ESB58378431": "ES",
    "FI20774740": "FI",
    "FR83404833048": "FR",
    "HU12892312": "HU",
    "IE6433435F": "IE",
    "IT00743110157": "IT",
    "LU15027442": "LU",
    "NL004495445B01": "NL",
    "PL8567346215": "PL",
    "PT501964843": "PT",
    "SE123456789701": "SE",
    "SI50223054": "SI",
}


@pytest.fixture
def vat_ids() -> VatIdFormat:
    """The one that ships."""
    return StdnumVatIds()


@pytest.mark.parametrize(("vat_id", "country"), VALID.items())
def test_an_id_whose_form_holds_names_its_country(vat_ids: VatIdFormat, vat_id: str, country: str) -> None:
    assert vat_ids.country_of(vat_id) == country


def test_spaces_dots_and_small_letters_are_no_matter(vat_ids: VatIdFormat) -> None:
    assert vat_ids.country_of(" de 136.695 976 ") == "DE"


@pytest.mark.parametrize(
    "vat_id",
    [
        None,
        "",
        "DE",
        "136695976",
        "DE136695977",
        "DE13669597",
        "DE1366959766",
        "FRDE136695976",
        "GB980780684",
        "CHE107787577IVA",
        "US123456789",
        "EU372022452",
        "IM3720000224",
        "XI980780684",
        "DE" + "1" * 100_000,
        "\0",
        "💶",
    ],
)
def test_every_other_names_none(vat_ids: VatIdFormat, vat_id: str | None) -> None:
    assert vat_ids.country_of(vat_id) is None


@given(st.text() | st.from_regex(r"[A-Z]{2}[0-9A-Z+*.]{0,14}", fullmatch=True))
def test_no_text_is_an_error(vat_id: str) -> None:
    country = StdnumVatIds().country_of(vat_id)
    assert country is None or len(country) == 2
