"""One template out of the documents that the options of a variant give."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from jinja2 import Environment

from tools import QUESTIONS
from tools.merge import Choice, answers, choices, merged, merged_lines
from tools.regenerate import openapi_template

COMBINATIONS: list[Choice] = [
    (("broker", broker), ("jobs", jobs)) for broker, jobs in itertools.product(("nats", "none"), (True, False))
]


def rendered(template: str, choice: Choice) -> str:
    options = {name: value for name, value in QUESTIONS["_envops"].items() if name != "undefined"}
    return Environment(**options).from_string(template).render(dict(choice))  # noqa: S701 - this is no HTML


DOCUMENTS = {
    "nothing but a list": lambda has: {"a": 1, "b": [1, has["jobs"]]},
    "a member in the middle": lambda has: {"a": 1} | ({"b": {"c": 1}} if has["jobs"] else {}) | {"d": 2},
    "the last member": lambda has: {"a": 1} | ({"z": 2} if has["broker"] == "nats" else {}),
    "the first member": lambda has: ({"a": 1} if has["jobs"] else {}) | {"z": 2},
    "two options, nested": lambda has: {
        "root": {"a": 1}
        | ({"b": 2} if has["jobs"] else {})
        | ({"c": 3} if has["broker"] == "nats" else {})
        | {"d": "é \u2028"}
    },
    "both options together": lambda has: {"a": 1} | ({"b": 2} if has["jobs"] and has["broker"] == "nats" else {}),
    "either option": lambda has: {"a": 1} | ({"b": 2} if has["jobs"] or has["broker"] == "nats" else {}),
    "another value": lambda has: {"a": "with" if has["jobs"] else "without"},
    "values that are no objects": lambda has: {"list": [has["broker"], has["jobs"]], "empty": {}},
    "no member in common": lambda has: {"a": 1} if has["jobs"] else {"b": 1},
    "nothing in one": lambda has: {"deep": {"a": 1} if has["jobs"] else {}},
}


@pytest.mark.parametrize("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_template_renders_to_the_document_of_each_choice(make: Any) -> None:
    documents = {choice: make(dict(choice)) for choice in COMBINATIONS}
    template = merged(documents)
    for choice, document in documents.items():
        assert rendered(template, choice) == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_what_does_not_differ_carries_no_condition() -> None:
    assert "[%" not in merged({choice: {"a": [1], "b": {}} for choice in COMBINATIONS})


def test_the_choices_of_a_variant_begin_with_its_defaults() -> None:
    assert choices("nest-typeorm") == [()]
    first, *others = choices("nest-drizzle")
    assert dict(first) == {"messaging": "nats", "queue": "bullmq"}
    assert len(others) == 3


PICKED: list[Choice] = [
    (("'a' in letters", a), ("'b' in letters", b)) for a, b in itertools.product((True, False), repeat=2) if a or b
]

TEXTS = {
    "a line for each": lambda letters: "".join(f"{letter}\n" for letter in letters) + "}\n",
    "a line for either": lambda letters: "first\n" + ("  a\n" if "a" in letters else "  none\n") + "\nlast\n",
    "a line for both": lambda letters: "first\n" + ("a and b\n" if len(letters) == 2 else "") + "last\n",
}


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
def test_lines_that_differ_are_rendered_for_their_choice(make: Any) -> None:
    texts = {choice: make(answers(choice)["letters"]) for choice in PICKED}
    template = merged_lines(texts)
    options = {name: value for name, value in QUESTIONS["_envops"].items() if name != "undefined"}
    for choice, text in texts.items():
        assert Environment(**options).from_string(template).render(answers(choice)) == text  # noqa: S701 - this is no HTML


def test_where_more_than_one_thing_can_be_chosen_each_set_of_them_is_a_choice_the_default_first() -> None:
    found = [answers(choice)["ai_providers"] for choice in choices("fastify-bun")]
    assert found[0] == QUESTIONS["ai_providers"]["default"]
    assert len({tuple(names) for names in found}) == len(found) == 15


def test_an_empty_list_is_not_taken_for_the_answer_that_nothing_is_chosen() -> None:
    texts: dict[Choice, str] = {
        (("'a' in letters", chosen),): json.dumps({"tags": [], "of": ["a"] if chosen else []})
        for chosen in (True, False)
    }
    assert '"tags": [],' in openapi_template(texts)
