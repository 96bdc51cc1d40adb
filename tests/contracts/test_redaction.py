"""What is logged tells nothing that it must not, whoever wrote it and whatever failed."""

import io
import logging

import psycopg
import pytest

from adapters.cli.terminal import err, log_plainly
from adapters.redaction import REDACTED, Redacting, redacted


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    logger, text = logging.getLogger("tests.redaction"), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(Redacting())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    return logger, text


@pytest.mark.parametrize(
    "secret",
    [
        "anna.weber@lindner.example",
        "4111 1111 1111 1111",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJwIn0.c2ln",
        "Authorization: Bearer abcdefgh12345678",
        "password=hunter2",
        "PASSWORD: hunter2",
        "sk_live_51abcdef",
        "tok_visa_1234",
        "postgresql://app:hunter2@db.example/ledger",
        "api_key=abcdef",
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_taken_out(
    log: tuple[logging.Logger, io.StringIO], secret: str
) -> None:
    logger, text = log
    logger.warning("before %s after", secret)
    logger.warning(f"before {secret} after")  # noqa: G004 -- as a library might
    said = text.getvalue()
    assert secret not in said
    assert "hunter2" not in said
    assert said.count(REDACTED) >= 2
    assert said.count("before ") == said.count(" after") == 2


@pytest.mark.parametrize(
    "harmless",
    [
        "entry 49891e21-b529-551f-8fb1-2b614af586c4 rests for 1.0 s: OutcomeUnknown",
        "projection portal parks account 49891e21-b529-551f-8fb1-2b614af586c4 from position 4711 on",
        "PO 4242 4242 4242 4241",
        "the log ends at 1234567890123456",
    ],
)
def test_what_is_harmless_stays_as_it_is(harmless: str) -> None:
    assert redacted(harmless) == harmless


def test_an_exception_is_told_by_its_kind_and_place_alone(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = log
    try:
        try:
            {"": 1}["Xenia Kanarek"]
        except KeyError as error:
            message = "Kanarienweg 17"
            raise psycopg.errors.UniqueViolation(message) from error
    except psycopg.Error as error:
        logger.exception("it failed: %s", error)  # noqa: TRY401 -- as somebody might
        logger.exception("it failed", stack_info=True)
    said = text.getvalue()
    assert "Kanar" not in said
    assert said.count("UniqueViolation") == 3
    assert "because of" in said
    assert "KeyError" in said
    assert said.count("test_an_exception_is_told_by_its_kind_and_place_alone") == 4
    assert "Traceback" not in said


def test_a_record_without_arguments_or_exception_passes(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = log
    logger.info("100 % done")
    logger.info("%(count)d done", {"count": 3})
    logger.info("%d done", "Kanarienweg")
    assert text.getvalue().splitlines() == [
        "100 % done",
        "3 done",
        "a message of tests.redaction that can't be put together",
    ]


def test_the_programs_own_handler_has_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    log_plainly()
    [handler] = root.handlers
    assert any(isinstance(each, Redacting) for each in handler.filters)
    with err.capture() as printed:
        root.error("for anna.weber@lindner.example")
    assert "anna" not in printed.get()
