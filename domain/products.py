"""The five products that seats can be added to; there is no sixth."""

from enum import StrEnum

from domain.refusals import ProductUnsupported


class Product(StrEnum):
    """A product of the help article; the value is the stored code and never changes."""

    GOTO_MEETING = "goto_meeting"
    GOTO_WEBINAR = "goto_webinar"
    GOTO_TRAINING = "goto_training"
    GOTOASSIST_V4 = "gotoassist_v4"
    GOTOASSIST_V5 = "gotoassist_v5"

    @property
    def title(self) -> str:  # type: ignore[override]  # str.title is of no use on a product code
        """The name that customers know.

        >>> Product.GOTOASSIST_V4.title
        'GoToAssist v4'
        """
        return _TITLES[self]


_TITLES = {
    Product.GOTO_MEETING: "GoTo Meeting",
    Product.GOTO_WEBINAR: "GoTo Webinar",
    Product.GOTO_TRAINING: "GoTo Training",
    Product.GOTOASSIST_V4: "GoToAssist v4",
    Product.GOTOASSIST_V5: "GoToAssist v5",
}


def supported_product(code: str) -> Product:
    """The product with this code; raises ProductUnsupported for every other.

    >>> supported_product("goto_webinar")
    <Product.GOTO_WEBINAR: 'goto_webinar'>
    """
    try:
        return Product(code)
    except ValueError:
        raise ProductUnsupported(product=code) from None
