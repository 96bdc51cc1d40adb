"""The product's server with everything that asks who calls taken out, to measure what asking costs. `PORT URL`.

It replaces the parts before the routes are made from them, so that nothing of them is left, not even a dependency.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import uvloop
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.http import callers, unknown_at_first
from adapters.postgres import sight
from domain.envelope import Actor, Role
from services.authorisation import Caller

_CALLER = Caller(Actor("p-1", Role.BILLING_ADMIN))


class _AnyRoute(APIRoute):
    """A route that asks nobody."""


async def _permission(request: Request) -> callers.Permission:
    return callers.Permission(_CALLER, UUID(request.path_params["account_id"]))


@asynccontextmanager
async def _seeing(pool: AsyncConnectionPool[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    async with pool.connection() as connection:
        yield connection


def _passed_on(app: Any) -> Any:
    return app


def without_asking() -> None:
    """Take it out; nothing may have been made from it yet."""
    replaced: dict[Any, dict[str, Any]] = {
        callers: {"Permitted": Annotated[callers.Permission, Depends(_permission)], "AskedRoute": _AnyRoute},
        unknown_at_first: {"UnknownAtFirst": _passed_on},
        sight: {"seeing": _seeing},
    }
    for module, names in replaced.items():
        for name, value in names.items():
            setattr(module, name, value)


if __name__ == "__main__":
    without_asking()
    from benchmarks.serving import serve

    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], apart=True))
