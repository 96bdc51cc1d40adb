"""CSV files of many made-up accounts and subscriptions."""

from collections.abc import Iterator
from pathlib import Path

from adapters.importing.rows import AccountCsvRow, SubscriptionCsvRow


def accounts(count: int, card: str = "tok_visa") -> Iterator[str]:
    """The lines of a file of this many accounts."""
    yield ",".join(AccountCsvRow.columns())
    for each in range(count):
        yield (
            f"A-{each},DE,EUR,de,Europe/Berlin,dach,Firma {each} GmbH,Anna Weber,anna@firma-{each}.example,"
            f"Lindenstraße {each},50674,Köln,,+4922112345,DE136695976,{card}"
        )


def subscriptions(accounts: int, each: int = 2) -> Iterator[str]:
    """The lines of a file with subscriptions of these accounts."""
    yield ",".join(SubscriptionCsvRow.columns())
    for number in range(accounts):
        for product in range(each):
            yield f"S-{number}-{product},A-{number},goto_meeting,{product + 1},228.00,2026-01-01,2027-01-01"


def written(path: Path, lines: Iterator[str]) -> Path:
    """The file."""
    with path.open("w", encoding="utf-8") as target:
        target.writelines(f"{line}\n" for line in lines)
    return path
