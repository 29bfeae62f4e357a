"""One template out of the documents that a variant's answers give."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tools import of_services

Choice = tuple[tuple[str, object], ...]
"""What was chosen, question by question; where more than one thing can be, whether each is among them."""


def choices(variant: str) -> list[Choice]:
    """Every combination of a variant's own options, the defaults first. They decide what is installed and served."""
    options = []
    for name, question in of_services(variant).items():
        if "variant" not in question["when"]:
            continue
        values = [True, False] if question["type"] == "bool" else list(question.get("choices", {}).values())
        default = question["default"]
        if question.get("multiselect"):
            each = [[(f"{value!r} in {name}", chosen) for chosen in (True, False)] for value in values]
            combinations = list(itertools.product(*each))
            if "validator" in question:  # which wants one at least
                combinations = [facts for facts in combinations if any(chosen for _, chosen in facts)]
            options.append(combinations)
        else:
            options.append([((name, value),) for value in sorted(values, key=lambda value: value != default)])
    return [tuple(itertools.chain(*facts)) for facts in itertools.product(*options)]


def answers(choice: Choice) -> dict[str, Any]:
    """A choice as Copier takes it."""
    given: dict[str, Any] = {}
    for name, value in choice:
        if membership := re.fullmatch(r"'(.+)' in (\w+)", name):
            given.setdefault(membership[2], []).extend([membership[1]] if value else [])
        else:
            given[name] = value
    return given


def merged(documents: Mapping[Choice, Any]) -> str:
    """The template that renders to each of the documents, in two-space JSON, under what was chosen for it."""
    return _template(documents, "") + "\n"


def merged_lines(texts: Mapping[Choice, str]) -> str:
    """The template that renders to each of the texts, which must end with a line feed, line by line."""
    lines: list[tuple[str, set[Choice]]] = []
    for choice, text in texts.items():
        own = re.findall(r".*\n+", text)  # an empty line belongs to the one before
        matcher = difflib.SequenceMatcher(None, [line for line, _ in lines], own, autojunk=False)
        together: list[tuple[str, set[Choice]]] = []
        for tag, begin, end, own_begin, own_end in matcher.get_opcodes():
            shared = {choice} if tag == "equal" else set()
            together += [(line, having | shared) for line, having in lines[begin:end]]
            if tag != "equal":
                together += [(line, {choice}) for line in own[own_begin:own_end]]
        lines = together
    template = ""
    for having, group in itertools.groupby(lines, key=lambda line: line[1]):
        text = "".join(line for line, _ in group)
        condition = _condition(having, texts)
        template += text if condition is None else f"[% if {condition} %]{text}[% endif %]"
    return template


def _template(documents: Mapping[Choice, Any], indent: str) -> str:
    values = list(documents.values())
    if all(value == values[0] for value in values):
        return json.dumps(values[0], indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")
    if all(isinstance(value, dict) for value in values) and (members := _members(documents, indent)):
        return f"{{\n{members}\n{indent}}}"
    return _alternatives(documents, indent)


def _members(documents: Mapping[Choice, dict[str, Any]], indent: str) -> str | None:
    """The members of an object, each behind its condition; None where no member is in all of them."""
    parts: list[tuple[str, str | None]] = []
    for key in _keys(documents.values()):
        having = {choice: document[key] for choice, document in documents.items() if key in document}
        member = f"{indent}  {json.dumps(key, ensure_ascii=False)}: {_template(having, f'{indent}  ')}"
        parts.append((member, _condition(having, documents)))
    always = next((place for place, (_, condition) in enumerate(parts) if condition is None), None)
    if always is None:
        return None
    # The comma goes with what may be missing: behind it before the first member that is always there, else before it.
    text = "".join(f"[% if {condition} %]{member},\n[% endif %]" for member, condition in parts[:always])
    text += parts[always][0]
    for member, condition in parts[always + 1 :]:
        text += f",\n{member}" if condition is None else f"[% if {condition} %],\n{member}[% endif %]"
    return text


def _alternatives(documents: Mapping[Choice, Any], indent: str) -> str:
    groups: dict[str, list[Choice]] = {}
    for choice, document in documents.items():
        text = json.dumps(document, indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")
        groups.setdefault(text, []).append(choice)
    *others, last = groups
    tests = "".join(
        f"[% {'elif' if number else 'if'} {_condition(groups[text], documents)} %]{text}"
        for number, text in enumerate(others)
    )
    return f"{tests}[% else %]{last}[% endif %]"


def _keys(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all objects, each after those that come before it in its own."""
    keys: list[str] = []
    for document in documents:
        place = 0
        for key in document:
            if key in keys:
                place = keys.index(key) + 1
            else:
                keys.insert(place, key)
                place += 1
    return keys


def _condition(wanted: Iterable[Choice], among: Iterable[Choice]) -> str | None:
    """The shortest expression that holds for some choices and for no others; None if it always holds."""
    wanted, among = set(wanted), set(among)
    if wanted == among:
        return None
    facts = list(dict.fromkeys(fact for choice in sorted(among, key=str) for fact in choice))
    for size in range(1, len(next(iter(among))) + 1):
        for combination in itertools.combinations(facts, size):
            if wanted == {choice for choice in among if set(combination) <= set(choice)}:
                return _expression(combination)
            if wanted == {choice for choice in among if set(combination) & set(choice)}:
                return " or ".join(_expression([fact]) for fact in combination)
    return " or ".join(f"({_expression(choice)})" for choice in sorted(wanted, key=str))


def _expression(facts: Iterable[tuple[str, object]]) -> str:
    return " and ".join(
        f"{name} == {value!r}" if isinstance(value, str) else name if value else f"not {name}" for name, value in facts
    )
