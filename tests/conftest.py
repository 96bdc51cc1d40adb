"""One PostgreSQL server and one Kafka broker for the session, and an empty ledger for each test that asks for one."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from adapters.log.kafka_access import KafkaAccess
from adapters.postgres import embedded, read_database, schema
from ops.kafka.brokers import Cluster, cluster
from tests.brokers import own_topic, required


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


@pytest.fixture
def read_url(server_url: str, ledger_url: str) -> Iterator[str]:
    """A database of their own for the read models of the test's ledger, as the application's role."""
    name = f"read_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        read_database.migrate(_in_database(server_url, name), ledger_url)
        yield _in_database(server_url, name).replace("postgres@", "seatledger_app@", 1)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A throw-away broker, which dies with the session. Tests that kill one start their own."""
    required()
    started = cluster(tmp_path_factory.mktemp("kafka"))
    started.start(dies_with_us=True)
    yield started
    started.erase()


@pytest.fixture
def kafka(broker: Cluster) -> KafkaAccess:
    """A topic of the test's own, not made yet."""
    return own_topic(KafkaAccess(broker.bootstrap_servers, ""))


def _in_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?", 1)
