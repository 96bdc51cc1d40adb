"""Sessions of people who signed in to pages, and sign-ins under way, kept in the database for every process alike."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.availability import reporting_unavailability
from domain.envelope import Actor, Role
from services.authorisation import Caller

SIGN_IN_SECONDS: Final = 600
"""How long somebody may take at the provider."""

IDLE_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 12 * 3600
_NOTED_EACH_SECONDS: Final = 60


class SignIn(NamedTuple):
    """A sign-in under way: what its answer must match, and where to go after it."""

    nonce: str
    verifier: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. `csrf_token` stands in each form of his; `ends_at` whatever he does."""

    caller: Caller
    csrf_token: str
    ends_at: datetime


_ENDED: Final = """
DELETE FROM ledger.sign_ins WHERE begun_at < clock_timestamp() - make_interval(secs => %(sign_in)s)
"""
_OVER: Final = """
DELETE FROM ledger.sessions WHERE began_at < clock_timestamp() - make_interval(secs => %(longest)s)
   OR seen_at < clock_timestamp() - make_interval(secs => %(idle)s)
"""
_BEGIN: Final = """
INSERT INTO ledger.sign_ins (state_digest, browser_digest, nonce, verifier, return_to) VALUES (%s, %s, %s, %s, %s)
"""
# Taken out at once: a state or code that comes again finds nothing.
_TAKE: Final = """
DELETE FROM ledger.sign_ins WHERE state_digest = %s AND browser_digest = %s
   AND begun_at > clock_timestamp() - make_interval(secs => %s)
RETURNING nonce, verifier, return_to
"""
_OPEN: Final = """
INSERT INTO ledger.sessions (session_digest, actor_id, actor_role, accounts, territories, csrf_token)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_FIND: Final = """
SELECT actor_id, actor_role, accounts, territories, csrf_token,
       began_at + make_interval(secs => %(longest)s), seen_at < clock_timestamp() - make_interval(secs => %(noted)s)
FROM ledger.sessions WHERE session_digest = %(digest)s
  AND began_at > clock_timestamp() - make_interval(secs => %(longest)s)
  AND seen_at > clock_timestamp() - make_interval(secs => %(idle)s)
"""
_SEEN: Final = "UPDATE ledger.sessions SET seen_at = clock_timestamp() WHERE session_digest = %s"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class PostgresSessions:
    """What a browser holds is a random secret; here is its digest."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        """Read and write through this pool."""
        self._pool = pool

    async def begin(self, state: str, browser: str, sign_in: SignIn) -> None:
        """Remember a sign-in until its answer comes, from the same browser; forget those that are over."""
        times = {"sign_in": SIGN_IN_SECONDS, "longest": LONGEST_SECONDS, "idle": IDLE_SECONDS}
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute(_ENDED, times)
            await connection.execute(_OVER, times)
            await connection.execute(_BEGIN, (_digest(state), _digest(browser), *sign_in))

    async def take(self, state: str, browser: str) -> SignIn | None:
        """The sign-in with this state of this browser, once; None if there is none, or it took too long."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            found = await connection.execute(_TAKE, (_digest(state), _digest(browser), SIGN_IN_SECONDS))
            row = await found.fetchone()
        return SignIn(*row) if row else None

    async def open(self, caller: Caller) -> str:
        """Begin a session; returns the secret for the browser, which is always a new one."""
        secret = secrets.token_urlsafe(32)
        values = (caller.actor.id, caller.actor.role, list(caller.accounts), list(caller.territories))
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute(_OPEN, (_digest(secret), *values, secrets.token_urlsafe(32)))
        return secret

    async def find(self, secret: str) -> Session | None:
        """The session, if it has not ended."""
        digest = _digest(secret)
        parameters = {"digest": digest, "longest": LONGEST_SECONDS, "idle": IDLE_SECONDS, "noted": _NOTED_EACH_SECONDS}
        async with reporting_unavailability(), self._pool.connection() as connection:
            row = await (await connection.execute(_FIND, parameters)).fetchone()
            if row is None:
                return None
            actor, role, accounts, territories, csrf_token, ends_at, is_to_be_noted = row
            if is_to_be_noted:
                await connection.execute(_SEEN, (digest,))
        caller = Caller(Actor(actor, Role(role)), frozenset(accounts), frozenset(territories))
        return Session(caller, csrf_token, ends_at)

    async def close(self, secret: str) -> None:
        """End this session."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute("DELETE FROM ledger.sessions WHERE session_digest = %s", (_digest(secret),))

    async def close_all(self, actor_id: str) -> None:
        """End every session of this person, on whatever machine."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute("DELETE FROM ledger.sessions WHERE actor_id = %s", (actor_id,))
