"""The page of who may do what is that of the code."""

from tests.reference.permissions import PATH, _asked, written


def test_the_page_is_as_it_would_be_written_now() -> None:
    assert PATH.read_text("utf-8") == written(), "look at it, then run `make reference`"


def test_every_operation_is_asked_for_somewhere() -> None:
    assert all(_asked().values())
