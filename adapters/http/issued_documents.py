"""Documents that were issued, as answers: as they are kept, and never run by a browser."""

from fastapi import Response

from adapters.http.security_headers import LOCKED_UP
from services.vault_records import ReceiptDocument


def html_of(document: ReceiptDocument, locale: str) -> Response:
    """The document to be looked at."""
    return Response(document.html, headers={"Content-Language": locale, **LOCKED_UP}, media_type="text/html")


def text_of(document: ReceiptDocument, locale: str) -> Response:
    """The document's words."""
    return Response(document.text, headers={"Content-Language": locale, **LOCKED_UP}, media_type="text/plain")


def pdf_of(document: ReceiptDocument, locale: str, number: str) -> Response | None:
    """The document to be kept, as a file named after its number; None if it was issued without a PDF."""
    if document.pdf is None:
        return None
    headers = {
        "Content-Language": locale,
        "Content-Disposition": f'attachment; filename="{number}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(document.pdf, headers=headers, media_type="application/pdf")
