"""Whatever the portal shows comes from its catalogue, all of it in German, and nothing of it for nobody."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment

from adapters.http.portal.refusals import _TEXTS, REFUSED
from adapters.http.portal.states import ORDERS, QUOTES, SUBSCRIPTIONS
from domain import refusals
from domain.order import OrderState
from domain.quote import QuoteState
from domain.subscription import SubscriptionState

PACKAGES: Final = ("adapters.http.portal", "adapters.http.signing_in")
TEMPLATES: Final = sorted(Path(str(files("adapters.http.portal").joinpath("templates"))).glob("*.j2"))
KEYWORDS: Final[dict[str, Any]] = {"msgid": None, "_": None, "ngettext": (1, 2)}
METHODS: Final = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
SPOKEN: Final = {"alt", "title", "aria-label", "placeholder", "data-label", "content"}
"""Attributes that somebody reads or hears."""
MACHINE_READ: Final = {"width=device-width, initial-scale=1", "light dark"}


def _looked_up() -> set[str]:
    found = set()
    for package in PACKAGES:
        options = {"**.j2": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
        for _, _, message, _, _ in extract_from_dir(str(files(package)), METHODS, options, keywords=KEYWORDS):
            found.add(message if isinstance(message, str) else message[0])
    return found


@pytest.fixture(scope="module")
def german() -> Catalog:
    with files("adapters.http.portal").joinpath("catalogues", "de", "portal.po").open("rb") as catalogue:
        return read_po(catalogue, locale="de", abort_invalid=True)


def _ids(catalogue: Catalog) -> dict[str, Any]:
    return {each.id if isinstance(each.id, str) else each.id[0]: each for each in catalogue if each.id}


def test_every_text_has_german_words(german: Catalog) -> None:
    there = _ids(german)
    without = {text for text in _looked_up() if text not in there or not all(_strings(there[text]))}
    assert without == set()


def test_no_german_words_are_left_over_from_a_text_that_is_gone(german: Catalog) -> None:
    assert set(_ids(german)) - _looked_up() == set()


def test_no_german_text_stands_there_twice() -> None:
    text = files("adapters.http.portal").joinpath("catalogues", "de", "portal.po").read_text("utf-8")
    ids = re.findall(r"^msgid (.+)$", text, re.MULTILINE)
    assert sorted(ids) == sorted(set(ids))


def test_german_words_tell_the_same_facts(german: Catalog) -> None:
    named = re.compile(r"%\((\w+)\)s")
    for id, message in _ids(german).items():
        facts = set(named.findall(id)) | set(named.findall(message.id[-1] if isinstance(message.id, tuple) else ""))
        for words in _strings(message):
            assert set(named.findall(words)) == facts, id


def _strings(message: Any) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else message.string


class _Shown(HTMLParser):
    """Collects what somebody reads or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value for name, value in attrs if name in SPOKEN and value and value not in MACHINE_READ]


def _literals(template: str) -> Iterator[str]:
    """The letters that a template shows without looking them up."""
    bare = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    bare = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", bare, flags=re.DOTALL)
    bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", bare, flags=re.DOTALL)
    shown = _Shown()
    shown.feed(bare)
    yield from (text.strip() for text in shown.texts if re.search(r"[^\W\d_]", text))


def _strings_in_expressions(template: str) -> Iterator[str]:
    """Sentences inside an expression that no look-up is around."""
    source = re.sub(r"\b(?:_|ngettext)\((?:\s*(?:\"[^\"]*\"|'[^']*'),?)+", "", template)
    source = re.sub(r"autocomplete=\"[^\"]*\"", "", source)
    for expression in re.findall(r"\{\{(.*?)\}\}", source, flags=re.DOTALL):
        for text in re.findall(r"\"([^\"]*)\"", expression):
            if re.search(r"[^\W\d_]{2,} [^\W\d_]{2,}", text):
                yield text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_shows_no_text_of_its_own(path: Path) -> None:
    text = path.read_text("utf-8")
    Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(text)
    assert list(_literals(text)) == []
    assert list(_strings_in_expressions(text)) == []


def test_a_text_in_a_template_would_be_found() -> None:
    assert list(_literals('<p title="Seen">{{ _("x") }} Hello</p>')) == ["Seen", "Hello"]
    assert list(_strings_in_expressions('{{ "two words" if x else _("found there") }}')) == ["two words"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_style_and_no_script_of_its_own(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text)


def test_every_refusal_has_words() -> None:
    kinds = {each for each in vars(refusals).values() if isinstance(each, type) and issubclass(each, refusals.Refusal)}
    assert kinds - {refusals.Refusal} <= set(_TEXTS)
    assert all(any(issubclass(kind, each) for each in REFUSED) for kind in _TEXTS)


def test_every_state_has_words() -> None:
    assert set(ORDERS) == set(OrderState)
    assert set(QUOTES) == set(QuoteState)
    assert set(SUBSCRIPTIONS) == set(SubscriptionState)


def test_msgid_is_told_plain_texts_only() -> None:
    for path in Path(str(files("adapters.http"))).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "msgid":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}: line {node.lineno}"
