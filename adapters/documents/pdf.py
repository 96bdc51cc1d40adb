"""PDFs of documents, typeset by Typst: for archives (PDF/A-3a) and screen readers (PDF/UA-1), always the same bytes."""

import logging
from importlib.metadata import version
from typing import Final

PDF_VERSION: Final = f"typst-{version('typst')}"
"""Decides, with the template, about the bytes: the fonts are in it, and the machine's own are not looked at."""

_log = logging.getLogger(__name__)


def literal(text: str) -> str:
    r"""The text as a string of Typst's code, which nothing in it ends.

    >>> literal('5" \\ #panic()')
    '"5\\" \\\\ #panic()"'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pdf_of(source: str) -> bytes | None:
    """The PDF; None where the fonts lack a character: archives take no PDF with a hole where a name should be.

    A process that was forked from one that has done this hangs in it: Typst's threads are not forked along.
    """
    import typst  # noqa: PLC0415 -- 34 MB with its fonts, which only who issues a receipt needs

    try:
        return bytes(typst.compile(source.encode(), ignore_system_fonts=True, pdf_standards=["a-3a", "ua-1"]))
    except typst.TypstError as error:
        if "could not be displayed with font" not in str(error):
            raise
        _log.warning("a document has characters that no font of its PDF has: it is issued without one")
        return None
