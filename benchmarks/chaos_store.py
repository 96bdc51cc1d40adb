"""16 writers in two processes, one append in nine wrong, VACUUM meanwhile: a reader at the log's end misses nothing."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rich.console import Console
from rich.progress import Progress

from benchmarks.figures import Figure
from benchmarks.servers import bench_server
from benchmarks.store_load import PROCESSES, WRITERS, Books, under_load
from benchmarks.store_writer import Answer

EVENTS: Final = int(os.environ.get("STORE_EVENTS", "200000"))


def measured(out: Console, events: int = EVENTS) -> list[Figure]:
    """What was missed, left out, out of order or wrongly answered: nothing may be."""
    with bench_server() as server, Progress(console=out) as progress:
        task = progress.add_task("events", total=events)
        books = under_load(
            server.application_url(), server.owner_url(), events, lambda last: progress.update(task, completed=last)
        )
    return figures(books, events)


def figures(books: Books, events: int) -> list[Figure]:
    """All that the books must show after at least so many events."""
    refused = Counter(each.found for each in books.answers if each.expected != "stored")
    refusals = ", ".join(f"{count:,} {name}" for name, count in sorted(refused.items()))
    note = (
        f"{PROCESSES * WRITERS} writers in {PROCESSES} processes, {len(books.answers):,} appends ({refusals}), "
        f"{books.vacuums} VACUUMs, {books.seconds:.0f} s"
    )
    times = sorted(each.answered - each.asked for each in books.answers)
    tail = f"p50 {times[len(times) // 2] * 1000:.1f} ms, p99 {times[len(times) * 99 // 100] * 1000:.1f} ms"
    return [
        Figure("store.events", len(books.stored), "events", events, note=note),
        _none("store.missed", missed(books), "events"),
        _none("store.out_of_order", out_of_order(books), "events"),
        _none("store.gaps", gaps(books), "ids"),
        _none("store.neighbours_failed", neighbours_failed(books.answers), "appends"),
        _none("store.wrong_not_refused", wrong_not_refused(books.answers), "appends"),
        _none("store.not_as_answered", not_as_answered(books), "events"),
        Figure("store.worst_append", times[-1], "s", 1, at_most=True, note=tail),
        Figure("store.conflicts", refused["VersionConflict"] / len(books.answers) * 100, "% of appends", 10),
        Figure("store.vacuums", books.vacuums, "VACUUMs", 2),
    ]


def _none(name: str, measured: int, unit: str) -> Figure:
    return Figure(name, measured, unit, 0, at_most=True)


def missed(books: Books) -> int:
    """Events that are there and that the reader did not see."""
    return len({(each.position, each.event_id) for each in books.stored} - set(books.seen))


def out_of_order(books: Books) -> int:
    """Events that came after one of a higher id: to the reader, by the time recorded, or by the writers' clock.

    By the writers' clock an append that was asked for when another's answer was there already comes after it.
    """
    seen = sum(one[0] >= next_[0] for one, next_ in pairwise(books.seen))
    recorded = sum(one.recorded_at > next_.recorded_at for one, next_ in pairwise(books.stored))
    answered, first_answer_above = 0, float("inf")
    for each in sorted(books.answers, key=lambda answer: answer.position, reverse=True):
        if each.position:
            answered += each.asked > first_answer_above
            first_answer_above = min(first_answer_above, each.answered)
    return seen + recorded + answered


def gaps(books: Books) -> int:
    """Ids from 1 to the last that no event has, and versions from 1 to each stream's last."""
    last: dict[object, int] = {"the log": books.stored[-1].position if books.stored else 0}
    for each in books.stored:
        last[each.stream] = max(each.version, last.get(each.stream, 0))
    return sum(last.values()) - 2 * len(books.stored)


def neighbours_failed(answers: Sequence[Answer]) -> int:
    """Appends without a fault that were not stored."""
    return sum(each.expected == "stored" != each.found for each in answers)


def wrong_not_refused(answers: Sequence[Answer]) -> int:
    """Appends with a fault that were stored, or refused for another reason than theirs."""
    return sum(each.expected not in {"stored", each.found} for each in answers)


def not_as_answered(books: Books) -> int:
    """Events that are there and that nobody was told of, and such as are not where somebody was told they are."""
    there = {each.position: each.event_id for each in books.stored}
    told = [each for each in books.answers if each.found == "stored"]
    absent = sum(there.get(each.position - each.events + 1) != each.first for each in told)
    positions = {position for each in told for position in range(each.position - each.events + 1, each.position + 1)}
    return absent + len(there.keys() - positions)
