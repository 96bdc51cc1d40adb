"""The contract of the API as a whole: each refusal has a problem, each operation its words."""

import inspect

import pytest

from adapters.http.problems import STATUS
from domain import refusals
from domain.refusals import Refusal

ALL = [each for each in vars(refusals).values() if inspect.isclass(each) and issubclass(each, Refusal)]


@pytest.mark.parametrize("refusal", [each for each in ALL if each is not Refusal], ids=lambda each: each.__name__)
def test_every_refusal_has_a_problem_of_its_own(refusal: type[Refusal]) -> None:
    assert 400 <= STATUS[refusal] < 500


def test_codes_are_stable_names_and_no_two_are_alike() -> None:
    codes = [each.code for each in STATUS]
    assert len(set(codes)) == len(codes)
    assert all(code == code.upper() and code for code in codes)
