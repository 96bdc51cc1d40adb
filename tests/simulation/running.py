"""Many seeds on all processors: each lives, settles and is judged; a seed that breaks a promise says so by number."""

import asyncio
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from domain.history import topic_of
from tests.simulation.promises import broken_promises
from tests.simulation.saga import Saga

_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Lived:
    """What became of one seed: the promises that it broke, and how often each event was stored."""

    seed: int
    broken: tuple[str, ...]
    events: Counter[str]


def lived(seed: int) -> Lived:
    """One seed's life; run again, it is the same."""
    return asyncio.run(_lived(seed))


async def _lived(seed: int) -> Lived:
    saga = Saga(seed)
    await saga.live()
    await saga.settle()
    events = Counter(topic_of(each.event) for each in saga.world.events.recorded)
    return Lived(seed, tuple(await broken_promises(saga)), events)


def all_lived(seeds: Iterable[int]) -> Iterator[Lived]:
    """The lives of these seeds, in their order, as they are done."""
    # Not forked: the threads with which Typst sets a receipt, if one was set here before, would be missing there.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(lived, seeds, chunksize=_AT_ONCE)
