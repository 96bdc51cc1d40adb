"""How this program talks to Kafka: its settings as the client library wants them, and its troubles in plain words."""

import asyncio
import logging
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from adapters.log.event_log import LogRefused, LogUnavailable
from adapters.log.kafka_access import KafkaAccess

Result = TypeVar("Result")

BOOTSTRAP_SECONDS: Final = 4.0
"""How long a cluster may take to answer for the first time."""

ANSWER_SECONDS: Final = 10.0
"""After this a request is given up: the broker is frozen, or the network is gone."""

_END_SECONDS: Final = 2.0

_MESSAGE_AT_MOST: Final = 1_040_000


def _connecting(access: KafkaAccess) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bootstrap_servers": access.bootstrap_servers.split(","),
        "client_id": "seatledger",
        "security_protocol": access.security_protocol,
        "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
        "request_timeout_ms": int(ANSWER_SECONDS * 1000),
        "reconnect_backoff_max_ms": 1000,
    }
    if access.security_protocol.startswith("SASL"):
        found |= {"sasl_mechanism": access.sasl_mechanism}
        found |= {"sasl_plain_username": access.username, "sasl_plain_password": access.password}
    if access.security_protocol.endswith("SSL"):
        found |= {"ssl_cafile": str(access.ca_file) if access.ca_file else None}
        found |= {"ssl_certfile": str(access.certificate_file) if access.certificate_file else None}
    return found


@contextmanager
def admin(access: KafkaAccess) -> Iterator[KafkaAdminClient]:
    """A client for one look: one that lived through a broker's restart is of no more use.

    Raises LogUnavailable, and LogRefused for a login that the broker does not want.
    """
    with _reporting(access) as connecting:
        client = KafkaAdminClient(**connecting)
    try:
        yield client
    finally:
        with suppress(KafkaError):
            client.close()


def producer(access: KafkaAccess) -> KafkaProducer:
    """One that keeps its order, and sends on for as long as the broker is away. Raises as `admin`."""
    with _reporting(access) as connecting:
        return KafkaProducer(
            **connecting,
            acks="all",
            enable_idempotence=True,
            max_in_flight_requests_per_connection=5,
            delivery_timeout_ms=2**31 - 1,
            linger_ms=1000,
            batch_size=900_000,
            max_request_size=_MESSAGE_AT_MOST,
            max_block_ms=int(ANSWER_SECONDS * 1000),
            metrics_enabled=False,
        )


def close_producer(sender: KafkaProducer) -> None:
    """Drop what is not acknowledged, and end its thread. Its own close() waits for that, and then raises instead."""
    sender._sender.force_close()  # noqa: SLF001 -- there is no other way
    sender._sender.join(_END_SECONDS)  # noqa: SLF001
    with suppress(KafkaError):
        sender.close(timeout=0)


def consumer(access: KafkaAccess) -> KafkaConsumer:
    """One that reads what it is told to, and stores nothing at the broker. Raises as `admin`."""
    with _reporting(access) as connecting:
        return KafkaConsumer(
            **connecting,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            fetch_max_bytes=16 * 2**20,
            metrics_enabled=False,
        )


@contextmanager
def _reporting(access: KafkaAccess) -> Iterator[dict[str, Any]]:
    """What a client is to be made with. One that can't be made leaves nothing behind: by itself it leaves a thread."""
    heard = _Heard.listening()
    heard.forget()
    made: list[KafkaNetClient] = []

    def client(**configs: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        yield {**_connecting(access), "kafka_client": client}
    except (KafkaError, OSError) as error:
        for each in made:
            each.close()
        raise _plain(access, heard.told() or f"{type(error).__name__}: {error}") from error


def plain_trouble(error: Exception) -> LogUnavailable:
    """What the library says of a request that failed."""
    said = str(error) or type(error).__name__
    return LogUnavailable(f"Kafka does not answer ({said})")


def _plain(access: KafkaAccess, said: str) -> LogUnavailable | LogRefused:
    """Every refusal of a login looks like a time-out to the caller: only the library's log tells the two apart."""
    if "SaslAuthenticationFailed" in said or (said == _HUNG_UP and access.security_protocol.startswith("SASL")):
        return LogRefused("KAFKA_USERNAME, KAFKA_PASSWORD: the broker refuses this login")
    if "UnsupportedSaslMechanism" in said:
        return LogRefused(f"KAFKA_SASL_MECHANISM: the broker does not offer {access.sasl_mechanism}")
    if "CERTIFICATE_VERIFY_FAILED" in said or "No such file" in said:
        return LogRefused("KAFKA_CA_FILE: the broker's certificate does not come from there")
    garbled = "Invalid frame length" in said or "WRONG_VERSION_NUMBER" in said
    if garbled or (access.security_protocol in {"PLAINTEXT", "SASL_PLAINTEXT"} and _speaks_tls(access)):
        return LogRefused(f"KAFKA_SECURITY_PROTOCOL: the broker does not speak {access.security_protocol}")
    return LogUnavailable(f"no broker answers at {access.bootstrap_servers}")


_HUNG_UP: Final = "hung up after the greeting"
"""Each time, when it should have said whether the login is right: its answer and its hanging up come together."""


def _speaks_tls(access: KafkaAccess) -> bool:
    """Whether the first broker does: one that does often hangs up on others before it says anything."""
    host, _, port = access.bootstrap_servers.split(",")[0].strip().rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # asked only what it speaks; nothing is sent
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=2) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")),
        ):
            return True
    except OSError:
        return False


class _Heard(logging.Handler):
    """What the library logs, which is the only place where it says why; nobody else is to hear it."""

    _one: "_Heard | None" = None

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    @classmethod
    def listening(cls) -> "_Heard":
        if cls._one is None:
            cls._one = cls()
            logger = logging.getLogger("kafka")
            logger.addHandler(cls._one)
            logger.propagate = False
        return cls._one

    _REASONS: Final = (
        "SaslAuthenticationFailed",
        "UnsupportedSaslMechanism",
        "CERTIFICATE_VERIFY_FAILED",
        "Invalid frame length",
        "WRONG_VERSION_NUMBER",
        "No such file",
    )
    _last = ""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        reason = next((reason for reason in self._REASONS if reason in said), None)
        if reason:
            self._last = reason
        elif self._last in {"", _HUNG_UP}:
            if "Connection lost" in said and "broker_version=(" in said:
                self._last = _HUNG_UP
            elif "Connection failed" in said:
                self._last = ""

    def forget(self) -> None:
        self._last = ""

    def told(self) -> str:
        return self._last


class OwnThread:
    """A thread for a client that blocks; it dies with the process, whatever it waits for."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, work: Callable[[], Result]) -> Result:
        """Do it there, one call after the other. A call that is given up goes on to its end."""
        done: Future[Result] = Future()
        self._calls.put((work, done))
        return await asyncio.wrap_future(done)

    async def end(self, last: Callable[[], Any] = lambda: None) -> None:
        """Take no more calls; `last` is done at the end, and its failure is nobody's. Waits a little, not for ever."""
        done: Future[Any] = Future()
        self._calls.put((last, done))
        self._calls.put(None)
        await asyncio.wait({asyncio.ensure_future(asyncio.wrap_future(done))}, timeout=_END_SECONDS)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            work, done = call
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 -- it is the caller's
                done.set_exception(error)
