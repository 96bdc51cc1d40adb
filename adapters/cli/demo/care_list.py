"""Corporate Account Services in the demo: what its list says of an order."""

import asyncio
import time
from typing import Final

from adapters.cli.demo.people import Person
from adapters.cli.demo.stage import Answer, indented

_PATIENCE: Final = 10.0


async def looked_after(staff: Person, order: Answer, *wanted: str) -> list[Answer]:
    """The order's entries, printed: once they are of the kinds wanted, or as they are after a while."""
    give_up_at = time.monotonic() + _PATIENCE
    while True:
        entries = [each for each in await staff.listed("/v1/care") if each["subject_id"] == order["id"]]
        if sorted(each["care"] for each in entries) == sorted(wanted) or time.monotonic() > give_up_at:
            break
        await asyncio.sleep(0.05)
    for each in entries:
        staff.stage.fact(f"{each['care']}: {each['happened']}", "magenta")
        indented(staff.stage.out, f"→ {each['to_do']}", 4, "magenta")
    if not entries:
        staff.stage.fact("nichts von dieser Bestellung auf der Liste", "magenta")
    return entries


async def closed(staff: Person, order: Answer, care: str) -> None:
    """Note that it was dealt with."""
    await staff.posted(f"/v1/orders/{order['id']}/care/{care}/close")
