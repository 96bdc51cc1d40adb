"""docs/reference/row-policies.md: the page is written from the code, `make reference` writes it anew."""

from pathlib import Path
from typing import Final

from adapters.postgres.row_policies import BESIDE_THE_READ_MODELS, Policy, policies_for
from adapters.postgres.row_store import columns_of
from adapters.postgres.views import VIEWS
from projections.catalogue import PROJECTIONS

PATH: Final = Path(__file__).parents[2] / "docs/reference/row-policies.md"

_HEAD: Final = """# Row policies

Which rows of which table a role of the database may read or change, beside its rights on the table as a whole
(`tests/system/test_least_rights.py`). The page is written from the code; a test compares it with the code and the code
with the database, after a migration and after a rebuild. Why it is so: [security](../explanation/security.md).

A request is served as `seatledger_api`, whose transaction says which accounts it is about: `seatledger.accounts` (ids),
`seatledger.territories` (names, for a sales rep before an account is named) or `seatledger.every_account` (`on`, for
staff). Without a setting it reads no row.
"""


def tables() -> dict[str, tuple[Policy, ...]]:
    """Every table with row policies, by its full name."""
    found = {
        f"{projection.name}.{table.name}": tuple(policies_for([column.name for column in columns_of(table)]))
        for projection in PROJECTIONS
        for table in projection.tables.values()
    }
    found |= {name: tuple(policies_for(["account_id"])) for name in BESIDE_THE_READ_MODELS}
    return {name: policies for name, policies in sorted(found.items()) if policies}


def written() -> str:
    """The page."""
    by_policies: dict[tuple[Policy, ...], list[str]] = {}
    for name, policies in tables().items():
        by_policies.setdefault(policies, []).append(f"`{name}`")
    lines = [_HEAD]
    for policies, names in by_policies.items():
        lines += [f"## {', '.join(names)}", "", "| policy | role | statements | rows |", "|---|---|---|---|"]
        lines += [f"| {each.name} | `{each.role}` | {each.command} | `{each.rows}` |" for each in policies]
        lines.append("")
    lines += ["## Views of others", "", "| view | role | of | columns |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | `{view.role}` | `{view.projection}.{view.table}` | {view.columns} |"
        for name, view in sorted(VIEWS.items())
    ]
    lines += [
        "| `investigation.events` | `seatledger_investigator` | `ledger.events` | all, with the content as text |",
        "| `investigation.access_log` | `seatledger_investigator` | `ledger.access_log` | all |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PATH.write_text(written(), "utf-8")
