"""A postal address in the order of its country."""

from typing import Final

from adapters.documents.plain_text import one_line
from services.vault_records import Address

_USUAL: Final = "{street}\n{postal_code} {city}\n{region}"

# Where the usual order of the continent does not hold. Source: the region data of libaddressinput.
_ORDERS: Final = {
    "AU": "{street}\n{city} {region} {postal_code}",
    "CA": "{street}\n{city} {region} {postal_code}",
    "ES": "{street}\n{postal_code} {city} {region}",
    "GB": "{street}\n{city}\n{region}\n{postal_code}",
    "HU": "{city}\n{street}\n{postal_code}\n{region}",
    "IE": "{street}\n{city}\n{region}\n{postal_code}",
    "IT": "{street}\n{postal_code} {city} {region}",
    "LV": "{street}\n{city}, {postal_code}\n{region}",
    "MT": "{street}\n{city} {postal_code}\n{region}",
    "US": "{street}\n{city}, {region} {postal_code}",
}


def address_lines(address: Address, country_name: str) -> tuple[str, ...]:
    """The lines below the name, the country last; what is missing leaves no gap. The street may have several lines.

    >>> address_lines(Address(street="Fő utca 1", postal_code="1011", city="Budapest", country="HU"), "Ungarn")
    ('Budapest', 'Fő utca 1', '1011', 'Ungarn')
    """
    street = "\n".join(filter(None, map(one_line, address.street.splitlines())))
    laid_out = _ORDERS.get(address.country, _USUAL).format(
        street=street,
        postal_code=one_line(address.postal_code),
        city=one_line(address.city),
        region=one_line(address.region or ""),
    )
    lines = (one_line(line).strip(" ,") for line in (*laid_out.split("\n"), country_name))
    return tuple(filter(None, lines))
