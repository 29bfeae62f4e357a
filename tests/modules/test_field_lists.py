"""Modules with any list of fields compile: many of them, in one service of each variant, with one compilation."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import run, script
from tests.modules.adding import SAMPLE, Fields, every_type
from tests.modules.conftest import Add
from tools.install import install, manager

TYPES = {
    "string": ("required", "unique", "indexed"),
    "text": ("required",),
    "integer": ("required", "unique", "indexed"),
    "number": ("required", "indexed"),
    "boolean": ("required", "indexed"),
    "date": ("required", "unique", "indexed"),
    "datetime": ("required", "unique", "indexed"),
    "uuid": ("required", "unique", "indexed"),
    "email": ("required", "unique", "indexed"),
    "enum": ("required", "indexed"),
    "json": ("required",),
    "reference": ("required", "unique", "indexed"),
}
"""Each type with the settings that it can have."""

MODULES = [
    ("order", "orders"),
    ("item-group", "item-groups"),
    ("price", "prices"),
    ("day", "days"),
    ("category", "categories"),
    ("index-card", "index-cards"),
    ("person", "people"),
    ("key", "keys"),
    ("filter", "filters"),
    ("result", "results"),
    ("box", "boxes"),
    ("status", "statuses"),
]
HOSTILE = re.findall(r"\S+", "api-property change domain-error etag if-match one page-info taken unique uuid-pipe")
"""Names of modules that are names in the code of one variant or another."""

NAMES = re.findall(
    r"\w+",
    """
order orders itemGroup price days category person people key filter result name type value status count time at of body
query sql path sent get set from select where group user table column length service counter database string number any
object symbol never unknown declare module require self unique rest next error request reply response headers remove
create update readonly abstract accessor override as is infer keyof satisfies out using list one row x1 aB a1B2
veryLongNameThatFillsTheLineOfTheFormatter
""",
)
"""Words of the language, of SQL, of what the templates themselves declare, and the modules' own."""


@st.composite
def field_lists(draw: st.DrawFn, target: str, plural: str) -> Fields:
    fields: Fields = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=9, unique=True)):
        chosen = draw(st.sampled_from(sorted(TYPES)))
        field: dict[str, Any] = {"name": f"{name}Id" if chosen == "reference" else name, "type": chosen}
        field |= {flag: True for flag in TYPES[chosen] if draw(st.booleans())}
        if chosen == "enum":
            field["values"] = draw(st.lists(st.sampled_from(["open", "new", "a", "in_work"]), min_size=1, unique=True))
        if chosen == "reference":
            field["to"] = draw(st.sampled_from([target, plural]))
        fields.append(field)
    return fields


def drawn(variant: str) -> list[tuple[str, str, Fields]]:
    """The lists that were compiled first, then drawn ones. Always the same, so that a failure can be repeated."""
    found: list[tuple[str, str, Fields]] = [
        ("venue", "venues", [{"name": "name", "type": "string", "required": True, "unique": True}]),
        ("hall", "halls", [{"name": "notes", "type": "text"}]),
        (
            "shelf",
            "shelves",
            [{"name": "shelf", "type": "string", "unique": True}, {"name": "shelves", "type": "json"}],
        ),
        ("word", "words", [{"name": name, "type": "datetime", "required": True} for name in NAMES[:40]]),
        ("term", "terms", [{"name": name, "type": "string", "indexed": True} for name in NAMES[40:80]]),
        ("unit", "units", [{"name": name, "type": "enum", "values": ["a"]} for name in ("group", "table", "user")]),
        ("task-list", "task-lists", [{"name": "async", "type": "json"}]),
        *((name, f"{name}s", every_type(variant, f"{name}s")) for name in HOSTILE),
    ]

    @given(st.tuples(*(field_lists(SAMPLE[variant], plural) for _, plural in MODULES)))
    @settings(max_examples=3, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    def draw(lists: tuple[Fields, ...]) -> None:
        examples.append(lists)

    examples: list[tuple[Fields, ...]] = []
    draw()
    return found + [(*names, fields) for names, fields in zip(MODULES, examples[-1], strict=True)]


def test_accepted_field_lists_compile(services: Mapping[str, Path], variant: str, tmp_path: Path, add: Add) -> None:
    service = Path(shutil.copytree(services[variant], tmp_path / "service"))
    added: dict[str, Fields] = {}
    for singular, plural, fields in drawn(variant):
        try:
            add(service, module_singular=singular, module_plural=plural, module_fields=fields)
        except ValueError:
            continue  # the name of the module or of a field is refused
        added[plural] = fields
    assert len(added) > 10
    for manifest in service.glob(".copier-module.*"):
        document = json.loads(manifest.read_text())
        document["together"] = True  # one migration for all of them
        document["finish"] = [command for command in document["finish"] if "openapi" not in command]
        manifest.write_text(json.dumps(document))
    install(service)
    run(service, manager(service), "run", "--silent", "module:register")
    for check in ("typecheck", "lint"):
        result = script(service, check, check=False)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}\n{json.dumps(added)}"
