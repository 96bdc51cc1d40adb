"""Writes the schemas, the AsyncAPI document and the page anew, unless that would break a promise: `make reference`."""

import sys

from domain.history import EVENT_CLASSES
from tests.reference.events import asyncapi, page, schemas
from tests.reference.events.compatibility import breaking_changes
from tests.reference.events.vocabulary import MEANINGS, WHEN


def write_all() -> None:
    """Write them; exit with the reasons, and nothing written, if a stored event or a reader would be in trouble."""
    stored = schemas.stored_schemas()
    if broken := breaking_changes(schemas.committed_schemas(), stored):
        sys.exit("\n".join(["An event version is never changed so; make a new one instead:", *broken]))
    unsaid = (schemas.words_used() - MEANINGS.keys()) | (EVENT_CLASSES.keys() - WHEN.keys())
    if unsaid:
        sys.exit("\n".join(["Say in tests/reference/events/vocabulary.py what this means, or when:", *sorted(unsaid)]))
    schemas.FOLDER.mkdir(exist_ok=True)
    for topic, schema in stored.items():
        (schemas.FOLDER / f"{topic}.json").write_text(schemas.written(schema), "utf-8")
    asyncapi.PATH.write_text(schemas.written(asyncapi.document()), "utf-8")
    page.PATH.write_text(page.written(), "utf-8")


if __name__ == "__main__":
    write_all()
