"""Checks of the templates themselves: each parses, every variant renders, no delimiter of theirs is left."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError

from tools import QUESTIONS, ROOT, VARIANTS
from tools.render import render

_DELIMITER = re.compile(r"\[\[ | \]\]|\[%-? |\[# ")
_STUB = re.compile(
    r"""(?:\[% filter replace\([^()]+\) %\])?\[% include "(template/[^"]+)" (?:-%\]|%\]\[% endfilter -%\])\n"""
)


def problems() -> list[str]:
    """What is wrong, each with its file; nothing if all is well."""
    found = [*_syntax(), *_stubs()]
    if found:
        return found
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
            found += leftovers(render(variant, Path(folder) / "service"))
    return found


def leftovers(service: Path) -> list[str]:
    """Files of a rendered service that still hold one of the template's delimiters."""
    return [
        f"{path.relative_to(service)}: a template's delimiter is left: {match[0]!r}"
        for path in sorted(service.rglob("*"))
        if path.is_file() and "node_modules" not in path.parts
        if (match := _DELIMITER.search(path.read_text(errors="replace")))
    ]


def _syntax() -> list[str]:
    options = {name: value for name, value in QUESTIONS["_envops"].items() if name != "undefined"}
    environment = Environment(**options)  # noqa: S701 - nothing is rendered here, and none of it is HTML
    found = []
    stubs = [path for folder in ("modules", "variants") for path in (ROOT / folder).rglob("*.jinja")]
    for path in [*(ROOT / "template").rglob("*"), *stubs]:
        if path.is_file():
            try:
                environment.parse(path.read_text())
            except TemplateSyntaxError as error:
                found.append(f"{path.relative_to(ROOT)}:{error.lineno}: {error.message}")
    return found


def _stubs() -> list[str]:
    """Stubs that name a file that is not there."""
    return [
        f"{path.relative_to(ROOT)}: there is no {match[1]}"
        for path in (ROOT / "variants").rglob("*.jinja")
        if (match := _STUB.fullmatch(path.read_text())) and not (ROOT / match[1]).is_file()
    ]
