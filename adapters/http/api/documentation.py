"""The OpenAPI document: what the routes say of themselves, with an example of every body and answer."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fastapi import FastAPI


def examples() -> dict[str, Any]:
    """An example of each model by its name, as a client sends or gets it."""
    text = files(__package__).joinpath("examples.json").read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def document_with_examples(app: FastAPI) -> dict[str, Any]:
    """The document; a page of a list shows the example of its item."""
    document = FastAPI.openapi(app)
    known = examples()
    for name, schema in document["components"]["schemas"].items():
        item = name.removeprefix("Listed_").removesuffix("_")
        if item in known:
            schema["examples"] = [known[item] if item == name else {"items": [known[item]], "next": None}]
    for answer in _refusals(document):
        answer["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return document


def _refusals(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from (
                answer for status, answer in operation["responses"].items() if status >= "400" and "content" in answer
            )
