"""The form of VAT ids: prefix, length and check digits, as python-stdnum knows them for each country of the EU."""

from typing import Final

from stdnum.eu import vat
from stdnum.exceptions import ValidationError

# The library takes these for the EU, too: the one-stop shop's numbers, which belong to no country, and Northern
# Ireland's, which hold for goods only (Protocol on Ireland/Northern Ireland), never for services.
_NO_COUNTRY: Final = {"EU", "IM", "XI"}
_LONGEST: Final = 64


class StdnumVatIds:
    """services.ports.VatIdFormat."""

    def country_of(self, vat_id: str | None) -> str | None:
        """See services.ports.VatIdFormat.

        >>> StdnumVatIds().country_of("DE 136 695 976"), StdnumVatIds().country_of("DE 136 695 977")
        ('DE', None)
        >>> StdnumVatIds().country_of("EL094259216")
        'GR'
        """
        if vat_id is None or len(vat_id) > _LONGEST:
            return None
        try:
            prefix = vat.validate(vat_id)[:2]
        except ValidationError:
            return None
        if prefix in _NO_COUNTRY:
            return None
        return "GR" if prefix == "EL" else prefix
