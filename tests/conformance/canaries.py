"""Requests made up from an OpenAPI document, with a canary in every member that can hold one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = frozenset({"get", "post", "put", "patch", "delete"})
Schema = Mapping[str, Any]


@dataclass
class Canaries:
    """Makes values that occur nowhere else, and remembers them."""

    reference: str
    """The id that stands for every reference."""
    sent: set[str] = field(default_factory=set)

    def value(self, schema: Schema) -> Any:
        """Returns a value that a schema accepts. Strings without a fixed form are canaries.

        Args:
            schema: without references, see `resolved`
        """
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for choices in ("anyOf", "oneOf"):
            if choices in schema:
                usable = [choice for choice in schema[choices] if choice.get("type") != "null"]
                return self.value({**{k: v for k, v in schema.items() if k != choices}, **usable[0]})
        if "allOf" in schema:
            return self.value(merged(schema["allOf"]))
        kind = schema.get("type", "object" if "properties" in schema else "string")
        return self._of_kind(next(one for one in kind if one != "null") if isinstance(kind, list) else kind, schema)

    def _of_kind(self, kind: str, schema: Schema) -> Any:
        match kind:
            case "object":
                return {name: self.member(name, member) for name, member in schema.get("properties", {}).items()}
            case "array":
                return [self.value(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
            case "integer" | "number":
                return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return True
            case _:
                return self.text(schema)

    def member(self, name: str, schema: Schema) -> Any:
        """Returns the value of a member, a path where its name says that it is an address without a form of its own."""
        value = self.value(schema)
        return f"/{value}" if name.lower().endswith("url") and "format" not in schema else value

    def text(self, schema: Schema) -> str:
        """Returns a string that a schema accepts."""
        mark = f"canary{uuid.uuid4().hex}"
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 1_000)
        forms = [
            mark,
            f"{mark}@example.com",
            f"https://{mark[:30]}.example.com/{mark}",
            mark.upper(),
            mark[6:],
            mark[:12],
        ]
        fixed = [self.reference, "2099-01-01T00:00:00Z", "2099-01-01", "EUR", "1", '"1"', "custom.event"]
        if schema.get("format") == "uuid":
            return fixed[0]
        wanted = {
            "email": forms[1:2],
            "uri": forms[2:3],
            "url": forms[2:3],
            "date-time": fixed[1:2],
            "date": fixed[2:3],
        }
        candidates = wanted.get(schema.get("format", ""), [*forms, *fixed])
        pattern = re.compile(portable(schema.get("pattern", "")))
        for candidate in candidates:
            text = candidate.ljust(shortest, "x") if candidate in forms else candidate
            if shortest <= len(text) <= longest and pattern.search(text):
                if candidate in forms:
                    self.sent.add(mark if mark in text else text)
                return text
        return candidates[0]


def portable(pattern: str) -> str:
    """A pattern of ECMA-262 as Python reads it, or one that matches all where Python cannot."""
    python = re.sub(r"\\u\{?([0-9a-fA-F]{4})\}?", lambda match: f"\\u{match[1]}", pattern).replace(r"\/", "/")
    try:
        re.compile(python)
    except re.error:
        return ""
    return python


def merged(schemas: list[Schema]) -> Schema:
    """One schema of objects with the members of several."""
    properties = {name: member for schema in schemas for name, member in schema.get("properties", {}).items()}
    return {"type": "object", "properties": properties}


def resolved(schema: Any, document: Schema, depth: int = 0) -> Any:
    """A schema with what its references name in their places."""
    if isinstance(schema, list):
        return [resolved(item, document, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, document, depth + 1) if depth < 10 else {}
    return {name: resolved(member, document, depth) for name, member in schema.items()}


@dataclass(frozen=True)
class Operation:
    """An operation of a document."""

    method: str
    template: str
    body: Schema | None
    """Of JSON; None where it has none."""
    parameters: tuple[Schema, ...]


def operations(document: Schema) -> Iterator[Operation]:
    """The operations of a document, without references."""
    for template, methods in document["paths"].items():
        for method, described in methods.items():
            if method not in METHODS:
                continue
            body = described.get("requestBody", {})
            schema = resolved(body, document).get("content", {}).get("application/json", {}).get("schema")
            parameters = resolved([*methods.get("parameters", []), *described.get("parameters", [])], document)
            yield Operation(method, template, schema, tuple(parameters))
