"""Values that a JSON schema refuses, one fault each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

CONTROL = ["\x00", "\x01", "\x08", "\x0b", "\x1f", "\x7f", "\ud800", "x\udfff"]
BLANK = ["", " ", "\t\n", "\u00a0\u2003", "\ufeff"]
BY_FORMAT = {
    "uuid": ["x", "12345678-1234-0234-8234-123456789012", "12345678-1234-9234-8234-123456789012"],
    "email": [
        "ada",
        "ada@example",
        "a b@example.com",
        ".ada@example.com",
        "a..b@example.com",
        "ada@example.com\nbcc:x@example.com",
        f"{'a' * 250}@example.com",
    ],
    "date": ["2030-02-30", "infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "today"],
    "date-time": ["2030-02-30T00:00:00Z", "infinity", "-infinity", "0044-03-15T00:00:00Z BC", "10000-01-01T00:00:00Z"],
    "uri": ["x", "ftp://example.com/", "javascript:alert(1)", "http://"],
}
OTHER_TYPES: list[Any] = [None, True, 7, 1.5, "text", [], ["text"], {}, {"text": 1}]


def invalid(schema: Schema) -> Iterator[Any]:
    """Candidates: a few may be valid after all, such as a number where any JSON is."""
    yield from OTHER_TYPES
    for choice in schema.get("anyOf", [schema]):
        if values := choice.get("enum"):
            yield from ["unknown", "", *(str(value).upper() for value in values)]
        elif choice.get("type") == "string":
            yield from _strings(choice)
        elif choice.get("type") in ("integer", "number"):
            yield from _numbers(choice)
        elif choice.get("type") == "array":
            yield from _arrays(choice)
        elif choice.get("type") == "object":
            yield from _objects(choice)


def valid(schema: Schema) -> Any:
    """The simplest value that a schema allows."""
    choice = schema.get("anyOf", [schema])[0]
    if "enum" in choice:
        return choice["enum"][0]
    match choice.get("type"):
        case "string":
            return "x" * max(choice.get("minLength", 1), 1)
        case "array":
            return [valid(choice["items"])] * choice.get("minItems", 0)
        case "object":
            return {name: valid(member) for name, member in choice.get("properties", {}).items()}
        case "boolean":
            return False
        case _:
            return choice.get("minimum", 1)


def _strings(schema: Schema) -> Iterator[str]:
    if highest := schema.get("maxLength"):
        yield "x" * (highest + 1)
        yield "\U0001f600" * (highest // 2 + 1)  # two UTF-16 code units each, as the schemas count
    if pattern := schema.get("pattern"):
        yield from (f"x{bad}x" for bad in CONTROL if not re.fullmatch(pattern, bad) or not bad.isprintable())
    yield from BLANK
    yield from BY_FORMAT.get(schema.get("format", ""), [])


def _numbers(schema: Schema) -> Iterator[Any]:
    yield from ["NaN", "Infinity", "-Infinity", "x"]
    yield from [
        limit + step for name, step in (("maximum", 1), ("minimum", -1)) if (limit := schema.get(name)) is not None
    ]


def _arrays(schema: Schema) -> Iterator[Any]:
    items = schema.get("items", {})
    if (highest := schema.get("maxItems")) is not None:
        yield [valid(items)] * (highest + 1)
    yield from ([value] for value in invalid(items))


def _objects(schema: Schema) -> Iterator[Any]:
    members = schema.get("properties")
    if members is None:
        yield {"x" * 101: 1}
        yield {"x": "x" * 8_192}
        yield {"x": [0] * 5_000}
        deep: Any = 1
        for _ in range(40):
            deep = [deep]
        yield {"x": deep}
        return
    good = valid(schema)
    yield {**good, "unknown": 1}
    for name, member in members.items():
        yield {other: value for other, value in good.items() if other != name}
        yield from ({**good, name: value} for value in invalid(member))
