"""A figure that was measured, the bound that it must reach, and how both are told."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """`measured` in `unit` against `reach`; `at_most`: less is better. `note`: how it came about."""

    name: str
    measured: float
    unit: str
    reach: float
    at_most: bool = False
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bound is reached."""
        return self.measured <= self.reach if self.at_most else self.measured >= self.reach

    @property
    def line(self) -> str:
        """As the last lines of a run tell it.

        >>> Figure("append.64", 1.04, "x", 1.0).line
        'append.64 1.04 x reach >=1 holds'
        """
        bound = f"{'<=' if self.at_most else '>='}{self.reach:g}"
        return f"{self.name} {self.measured:.4g} {self.unit} reach {bound} {'holds' if self.holds else 'short'}"


@dataclass(slots=True)
class Passes:
    """The same thing measured several times on both sides, interleaved."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median of ours over median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def spread(self, unit: str) -> str:
        """Both sides: median and from the least to the most."""
        told = [
            f"{who} {statistics.median(values):,.0f} {unit} ({min(values):,.0f} to {max(values):,.0f})"
            for who, values in (("ours", self.ours), ("theirs", self.theirs))
        ]
        return "; ".join(told)


def written(figures: Sequence[Figure], file: Path) -> None:
    """Write them as JSON."""
    rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
    file.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
