"""The pages around signing in, in German and English; each says what to do next."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.http.problems import HELP

STYLE: Final = files("adapters.http.signing_in").joinpath("sign_in.css").read_bytes()

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}

_WORDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "de": {
        "away": (
            "Die Anmeldung ist zurzeit nicht möglich",
            "Der Anmeldedienst antwortet nicht. Bitte versuchen Sie es in einigen Minuten noch einmal.",
        ),
        "started_anew": (
            "Bitte melden Sie sich noch einmal an",
            "Diese Anmeldung ist abgelaufen, wurde schon verwendet oder in einem anderen Browser begonnen.",
        ),
        "declined": ("Sie sind nicht angemeldet", "Die Anmeldung wurde abgebrochen."),
        "unknown": (
            "Sie haben keinen Zugang",
            "Sie sind angemeldet, aber für dieses Portal nicht freigeschaltet.",
        ),
        "no_account": (
            "Ihnen ist kein Kundenkonto zugeordnet",
            "Sie sind angemeldet, können aber noch kein Kundenkonto sehen.",
        ),
        "not_ours": (
            "Das wurde nicht ausgeführt",
            "Die Anfrage kam nicht von dieser Seite oder gehört zu einer früheren Anmeldung. Öffnen Sie die Seite neu.",
        ),
        "signed_out": ("Sie sind abgemeldet", "Sie können dieses Fenster schließen."),
        "signed_in": ("Sie sind angemeldet", "Ihre Sitzung endet spätestens um {ends_at} UTC."),
        "buttons": ("Anmelden", "Abmelden"),
        "everywhere": ("Überall abmelden", ""),
        "help": ("Hilfe: Corporate Account Services", ""),
    },
    "en": {
        "away": (
            "You can't sign in at the moment",
            "The sign-in service does not answer. Please try again in a few minutes.",
        ),
        "started_anew": (
            "Please sign in again",
            "This sign-in took too long, was used before, or was begun in another browser.",
        ),
        "declined": ("You are not signed in", "The sign-in was broken off."),
        "unknown": ("You have no access", "You are signed in, but nobody has given you access to this portal."),
        "no_account": ("No account is assigned to you", "You are signed in, but there is no account that you may see."),
        "not_ours": (
            "Nothing was done",
            "The request did not come from this page, or belongs to an earlier sign-in. Open the page again.",
        ),
        "signed_out": ("You are signed out", "You can close this window."),
        "signed_in": ("You are signed in", "Your session ends at {ends_at} UTC at the latest."),
        "buttons": ("Sign in", "Sign out"),
        "everywhere": ("Sign out everywhere", ""),
        "help": ("Help: Corporate Account Services", ""),
    },
}

_environment = Environment(
    loader=PackageLoader("adapters.http.signing_in"), autoescape=True, undefined=StrictUndefined, auto_reload=False
)


def page(request: Request, what: str, status: int = 200, **values: Any) -> Response:
    """A page that tells this; `csrf_token` among the values: somebody is signed in, and may sign out."""
    language = "de" if request.headers.get("Accept-Language", "").strip().lower().startswith("de") else "en"
    words = _WORDS[language]
    title, text = words[what]
    html = _environment.get_template("page.html.j2").render(
        language=language,
        title=title,
        text=text.format(**values),
        sign_in=words["buttons"][0],
        sign_out=words["buttons"][1],
        everywhere=words["everywhere"][0],
        help=words["help"][0],
        help_url=HELP["url"],
        csrf_token=values.get("csrf_token"),
    )
    return Response(html, status, _HEADERS, "text/html")
