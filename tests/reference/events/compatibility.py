"""What may change in an event version that is stored and read by others: only what is added and may be missing.

Both ways count. This version reads what older ones stored, and readers know what older ones promised. So a field can't
get wider either: a reader that never saw null would fall over it.
"""

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

_WORDS: Final = {"$schema", "$defs", "description", "examples", "default"}
_COMPARED: Final = {"$ref", "properties", "required", "enum", "anyOf", "items"}


def breaking_changes(before: Mapping[str, Schema], after: Mapping[str, Schema]) -> list[str]:
    """Each change, in words, after which an event stored or a reader written before is in trouble; by stored name."""
    found = [f"{name}: the event is gone; a new name is a new event" for name in before if name not in after]
    for name in before.keys() & after.keys():
        found += _Comparison(before[name], after[name]).changes(before[name], after[name], name)
    return sorted(found)


class _Comparison:
    def __init__(self, before: Schema, after: Schema) -> None:
        self._before, self._after = before, after

    def changes(self, before: Schema, after: Schema, where: str) -> list[str]:
        before, after = _resolved(before, self._before), _resolved(after, self._after)
        found = [
            f"{where}: {keyword} was {before.get(keyword)!r} and is {after.get(keyword)!r}"
            for keyword in sorted((before.keys() | after.keys()) - _WORDS - _COMPARED)
            if before.get(keyword) != after.get(keyword)
        ]
        found += self._values(before, after, where) + self._fields(before, after, where)
        found += self._choices(before, after, where)
        if ("items" in before) != ("items" in after):
            found.append(f"{where}: the items are told otherwise")
        elif "items" in before:
            found += self.changes(before["items"], after["items"], f"{where}[]")
        return found

    def _fields(self, before: Schema, after: Schema, where: str) -> list[str]:
        old, new = before.get("properties", {}), after.get("properties", {})
        were, are = set(before.get("required", ())), set(after.get("required", ()))
        found = [f"{where}.{name}: the field is gone" for name in old if name not in new]
        found += [f"{where}.{name}: is required now, and stored events may be without it" for name in are - were]
        found += [f"{where}.{name}: may be missing now, and readers rely on it" for name in (were - are) & new.keys()]
        for name in old.keys() & new.keys():
            found += self.changes(old[name], new[name], f"{where}.{name}")
        return found

    @staticmethod
    def _values(before: Schema, after: Schema, where: str) -> list[str]:
        if ("enum" in before) != ("enum" in after):
            return [f"{where}: a list of values became a free one, or the reverse"]
        gone = [value for value in before.get("enum", ()) if value not in after.get("enum", ())]
        return [f"{where}: the value {value!r} is gone" for value in gone]

    def _choices(self, before: Schema, after: Schema, where: str) -> list[str]:
        old, new = before.get("anyOf", ()), after.get("anyOf", ())
        if len(old) != len(new):
            return [f"{where}: the types that it may have are others"]
        return [each for pair in zip(old, new, strict=True) for each in self.changes(*pair, where)]


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].removeprefix("#/$defs/")
    resolved: Schema = root["$defs"][name]
    return resolved
