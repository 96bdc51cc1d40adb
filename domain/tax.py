"""Value added tax on added seats: standard rates of the EU by date, reverse charge, or Corporate Account Services."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from domain.money import divided_half_up

TAX_RULE: Final = "eu-standard-rates.2026-01"
"""Version of the table and the rules of this file; stored with every quote."""


class TaxCategory(StrEnum):
    """Codes of the European invoice standard EN 16931 (UNCL5305), by name."""

    STANDARD = "standard"
    REVERSE_CHARGE = "reverse_charge"


@dataclass(frozen=True, slots=True)
class TaxTreatment:
    """Category and rate, the rate in basis points: 19 % is 1900."""

    category: TaxCategory
    rate_basis_points: int
    country: str


# Standard rates in basis points, with the first day each holds. Source: European Commission, VAT rates applied
# in the Member States; changes since 2024: Slovakia and Estonia 2025.
_STANDARD_RATES: Final[dict[str, tuple[tuple[date, int], ...]]] = {
    country: tuple((date.fromisoformat(since), rate) for since, rate in rates)
    for country, rates in {
        "AT": (("2020-01-01", 2000),),
        "BE": (("2020-01-01", 2100),),
        "BG": (("2020-01-01", 2000),),
        "CY": (("2020-01-01", 1900),),
        "CZ": (("2020-01-01", 2100),),
        "DE": (("2020-01-01", 1900), ("2020-07-01", 1600), ("2021-01-01", 1900)),
        "DK": (("2020-01-01", 2500),),
        "EE": (("2020-01-01", 2000), ("2024-01-01", 2200), ("2025-07-01", 2400)),
        "ES": (("2020-01-01", 2100),),
        "FI": (("2020-01-01", 2400), ("2024-09-01", 2550)),
        "FR": (("2020-01-01", 2000),),
        "GR": (("2020-01-01", 2400),),
        "HR": (("2020-01-01", 2500),),
        "HU": (("2020-01-01", 2700),),
        "IE": (("2020-01-01", 2300), ("2020-09-01", 2100), ("2021-03-01", 2300)),
        "IT": (("2020-01-01", 2200),),
        "LT": (("2020-01-01", 2100),),
        "LU": (("2020-01-01", 1700), ("2023-01-01", 1600), ("2024-01-01", 1700)),
        "LV": (("2020-01-01", 2100),),
        "MT": (("2020-01-01", 1800),),
        "NL": (("2020-01-01", 2100),),
        "PL": (("2020-01-01", 2300),),
        "PT": (("2020-01-01", 2300),),
        "RO": (("2020-01-01", 1900), ("2025-08-01", 2100)),
        "SE": (("2020-01-01", 2500),),
        "SI": (("2020-01-01", 2200),),
        "SK": (("2020-01-01", 2000), ("2025-01-01", 2300)),
    }.items()
}


def tax_treatment(
    seller_country: str, buyer_country: str, vat_id_country: str | None, day: date
) -> TaxTreatment | None:
    """How a sale on `day` is taxed; None where there is no rule, which ends self-service.

    `vat_id_country` is the country of a VAT id whose format was checked, or None. Rules: Council Directive
    2006/112/EC art. 44 and 196 (reverse charge), art. 58 (rate of the buyer's country). Countries are ISO 3166 codes.

    >>> tax_treatment("DE", "DE", "DE", date(2026, 3, 31)).rate_basis_points
    1900
    >>> tax_treatment("DE", "FR", "FR", date(2026, 3, 31)).category
    <TaxCategory.REVERSE_CHARGE: 'reverse_charge'>
    >>> tax_treatment("DE", "US", None, date(2026, 3, 31)) is None
    True
    """
    if buyer_country != seller_country and vat_id_country == buyer_country and buyer_country in _STANDARD_RATES:
        return TaxTreatment(TaxCategory.REVERSE_CHARGE, 0, buyer_country)
    rate = max((dated for dated in _STANDARD_RATES.get(buyer_country, ()) if dated[0] <= day), default=None)
    return rate and TaxTreatment(TaxCategory.STANDARD, rate[1], buyer_country)


def tax_on(net: int, rate_basis_points: int) -> int:
    """Tax in minor units, rounded half up once per line.

    >>> tax_on(37729, 1900)
    7169
    """
    return divided_half_up(net * rate_basis_points, 10_000)
