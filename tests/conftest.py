"""One PostgreSQL server for the session, and an empty ledger on it for each test that asks for one."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from adapters.postgres import embedded, schema


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away server."""
    folder = tmp_path_factory.mktemp("postgres")
    yield embedded.start(folder).url("postgres", "postgres")
    embedded.erase(folder)


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated, empty database."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_ledger")
    schema.migrate(_in_database(server_url, "template_ledger"), partitions=12)
    return "template_ledger"


@pytest.fixture
def ledger_url(server_url: str, template: str) -> Iterator[str]:
    """An empty ledger of the test's own, as the application's role."""
    name = f"ledger_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield _in_database(server_url, name).replace("postgres@", "seatledger_app@", 1)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _in_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?", 1)
