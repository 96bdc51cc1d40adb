"""Where the demo plays: the instance it talks to, the terminal it prints on, and the step it is at."""

import textwrap
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.text import Text

from adapters.documents.languages import Language

Answer = dict[str, Any]
"""A JSON object as it came."""

_GERMAN: Final = Language("de")


class WalkFailed(Exception):
    """A step was refused: {step}: {said}."""

    def __init__(self, step: str, said: str) -> None:
        """`step` of the way, and what the service said."""
        super().__init__(f"{step}: {said}")


@dataclass(eq=False)
class Stage:
    """One for the whole demo."""

    client: httpx2.AsyncClient
    out: Console
    step: str = ""

    def __post_init__(self) -> None:
        self._keys = count(1)

    def key(self) -> str:
        """An Idempotency-Key that nothing else of the demo has."""
        return f"demo-{next(self._keys)}"

    def way(self, title: str) -> None:
        """Begin another way."""
        self.out.print()
        self.out.rule(Text(title, style="bold"), align="left")

    def heading(self, step: str) -> None:
        """Begin a step, by the portal's label."""
        self.step = step
        self.out.print(f"\n{step}", style="bold", highlight=False, markup=False)

    def fact(self, said: str, style: str = "") -> None:
        """What the person at the portal sees."""
        indented(self.out, said, 2, style)

    def event(self, item: Answer) -> None:
        """An event as it came."""
        name, version = item["type"].partition(".")[::2]
        self.out.print(
            f"    [dim]{item['position']:>5}[/dim]  [cyan]{name}[/cyan] [dim]{version}  {item['actor_role']}[/dim]",
            highlight=False,
        )

    def accepted(self, answer: httpx2.Response) -> httpx2.Response:
        """The answer; raises WalkFailed for a refusal."""
        if answer.is_success or answer.is_redirect:
            return answer
        try:
            said = f"{answer.json()['code']}: {answer.json()['title']}"
        except (ValueError, KeyError, TypeError):
            said = f"HTTP {answer.status_code}"
        raise WalkFailed(self.step, said)


def indented(out: Console, said: str, by: int, style: str = "") -> None:
    """Print it so far to the right, and all lines of it."""
    wrapper = textwrap.TextWrapper(out.width - by, break_long_words=False, break_on_hyphens=False)
    for line in said.splitlines():
        for each in wrapper.wrap(line):
            out.print(Text(" " * by + each, style=style), soft_wrap=True)


def money(amount: Answer) -> str:
    """An amount of the API as the portal shows it in German."""
    return _GERMAN.money(amount["amount"], amount["currency"])


def day(instant: str) -> str:
    """A day of the API, or that of an instant, in German."""
    return _GERMAN.day(datetime.fromisoformat(instant).date())
