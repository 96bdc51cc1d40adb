"""The contract of the API as a whole: each refusal has a problem, each operation its words."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from adapters.http.api import bodies, representations
from adapters.http.api.documentation import document_with_examples, examples
from adapters.http.application import ROUTES
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


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = FastAPI()
    for routes in ROUTES:
        app.include_router(routes)
    return document_with_examples(app)


def _contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method} {path} body", operation.get("requestBody", {}).get("content", {})
            for status, answer in operation["responses"].items():
                yield f"{method} {path} {status}", answer.get("content", {})


def test_every_body_and_every_answer_has_an_example_and_its_words(document: dict[str, Any]) -> None:
    seen = set()
    for where, content in _contents(document):
        for kind, described in content.items():
            if not kind.endswith("json"):
                continue
            assert (kind == "application/problem+json") == where[-3:].startswith(("4", "5")), where
            name = described["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            assert schema["examples"], name
            assert name.startswith("Listed_") or schema["description"], name
            seen.add(name.removeprefix("Listed_").removesuffix("_"))
    assert seen == set(examples()), "no example is left over"
    for operations in document["paths"].values():
        assert all(operation["description"] and operation["tags"] for operation in operations.values())


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_is_what_its_model_takes_and_gives(name: str) -> None:
    model: type[BaseModel] = getattr(representations, name, None) or getattr(bodies, name)
    example = examples()[name]
    assert model.model_validate(example).model_dump(mode="json", exclude_unset=True) == example
