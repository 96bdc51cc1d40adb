"""Fails unless line and branch coverage are at or above the floors, which are only ever raised."""

import json
import sys
from collections import Counter
from pathlib import Path

FLOORS = {"domain": 100.0, "services": 100.0, "projections": 100.0, "adapters": 85.0}


def main() -> int:
    """Print a line a package and each file below 100 in those that must be whole; 1 if a floor is missed."""
    files = json.loads(Path("coverage.json").read_text(encoding="utf-8"))["files"]
    there: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for name, file in files.items():
        package, summary = name.split("/", 1)[0], file["summary"]
        there[package] += summary["num_statements"] + summary["num_branches"]
        covered[package] += summary["covered_lines"] + summary["covered_branches"]
        gaps = file["missing_lines"] or file["missing_branches"]
        if gaps and FLOORS[package] == 100.0:  # noqa: PLR2004 -- whole is whole
            print(f"  {name}: lines {file['missing_lines']}, branches {file['missing_branches']}")
    short = False
    for package, floor in FLOORS.items():
        share = 100.0 * covered[package] / there[package]
        short |= share < floor
        print(f"coverage {package}: {share:.1f} %, floor {floor:.0f} % {'short' if share < floor else 'holds'}")
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
