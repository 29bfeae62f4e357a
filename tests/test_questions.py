"""What copier.yml asks, refuses, derives and stores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools import QUESTIONS, ROOT, VARIANTS, of_services
from tools.render import snapshot

FAMILY = ("nest-typeorm", "nest-drizzle", "fastify-bun", "nest-prisma", "next-supabase")
SHARED = {
    "variant",
    "project_name",
    "project_slug",
    "description",
    "author",
    "license",
    "port",
    "ci",
    "kubernetes",
    "devcontainer",
    "agents_md",
}
OWN: dict[str, dict[str, object]] = {
    "nest-typeorm": {},
    "nest-drizzle": {"messaging": "nats", "queue": "bullmq"},
    "fastify-bun": {"ai_providers": ["openai", "anthropic", "google", "openai-compatible"]},
    "nest-prisma": {"google_integrations": ["tag-manager", "ads"]},
    "next-supabase": {"integrations": ["stripe", "openai", "anthropic"], "graphql": False, "edge_functions": True},
}

ACCEPTED: dict[str, list[object]] = {
    "project_name": ["Ticket Shop", "Go", "2nd Hand", "Café Zürich", "O'Neill & Söhne", "a.b+c-d_e", "x" * 60],
    "project_slug": ["abc", "ticket-shop", "a1-b2", "x" * 40, "pgadmin"],
    "description": [
        "x",
        "x" * 200,
        'Says "hi", it\'s <b>ok</b> & {{ fine }} \\ $HOME `ls` #1: 100 %',
        "Öffnet Türen 🎟️",
    ],
    "author": ["x", "Ada Lovelace", 'Ada "Countess" O\'Lovelace & Söhne', "x" * 100],
    "port": [1024, 3000, "8080", 65535],
    "kubernetes": [True, False, "yes", "off"],
    "license": ["MIT", "Apache-2.0", "UNLICENSED"],
    "ci": ["github", "gitlab", "none"],
}
REFUSED: dict[str, list[object]] = {
    "project_name": [
        "",
        "x",
        "x" * 61,
        " Shop",
        "Shop ",
        "Shop\n",
        "-Shop",
        "Shop/1",
        "Shop\tA",
        'A "B"',
        "<b>",
        "12 34",
        "Öß",
    ],
    "project_slug": [
        "",
        "ab",
        "x" * 41,
        "Shop",
        "1shop",
        "-shop",
        "shop-",
        "a--b",
        "a_b",
        "shop\n",
        "pg-shop",
        "postgres",
    ],
    "description": ["", "   ", "x" * 201, "two\nlines", "line\n", "tab\t", "separator\u2028here", "bell\x07"],
    "author": ["", "  ", "x" * 101, "Ada <ada@example.org>", "Ada\n", "a\x85b"],
    "port": [0, 80, 1023, 65536, -1, 3000.5, True, "abc", "", "[3000]"],
    "license": ["GPL-3.0", ""],
    "ci": ["jenkins", "GitHub"],
    "variant": ["nest", "", "nest-drizzle/.."],
}


ASKED = {name: body for variant in FAMILY for name, body in of_services(variant).items()}


@pytest.fixture(scope="module")
def questionnaire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questions of the whole family, with variants that hold nothing but what was answered and computed."""
    folder = tmp_path_factory.mktemp("questionnaire")
    document = yaml.safe_load((ROOT / "copier.yml").read_text())
    document["variant"]["choices"] = list(FAMILY)
    (folder / "copier.yml").write_text(yaml.safe_dump(document, sort_keys=False))
    shutil.copytree(ROOT / "template" / "module", folder / "template" / "module")
    for variant in FAMILY:
        target = folder / "variants" / variant
        target.mkdir(parents=True)
        (target / "[[ _copier_conf.answers_file ]].jinja").write_text("[[ _copier_answers | to_nice_yaml -]]\n")
        computed = "[[ {'runtime': runtime, 'pm': pm, 'pm_install': pm_install, 'servers': servers} | tojson ]]"
        (target / "computed.json.jinja").write_text(computed)
    return folder


def answer(template: Path, destination: Path, answers: Mapping[str, object]) -> dict[str, Any]:
    """Runs the copy as `copier copy --defaults --data ...` does, and returns what it stored."""
    run_copy(str(template), destination, data=dict(answers), defaults=True, overwrite=True, quiet=True)
    stored: dict[str, Any] = yaml.safe_load((destination / ".copier-answers.yml").read_text())
    return {name: value for name, value in stored.items() if not name.startswith("_")}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ACCEPTED.items() for value in values])
def test_a_good_answer_is_stored_as_it_was_given(questionnaire: Path, tmp_path: Path, name: str, value: object) -> None:
    stored = answer(questionnaire, tmp_path / "service", {name: value})
    words: dict[str, object] = {"yes": True, "off": False, "8080": 8080}
    assert stored[name] == (words.get(value, value) if isinstance(value, str) else value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_bad_answer_is_named_and_leaves_no_folder(
    questionnaire: Path, tmp_path: Path, name: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"'{name}'") as error:
        answer(questionnaire, tmp_path / "service", {name: value})
    guides = "is not in [" if QUESTIONS[name].get("choices") else "or example: "
    assert guides in str(error.value) or "Choose another, for example: " in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, question in ASKED.items() if "validator" in question])
def test_the_example_in_a_refusal_is_itself_accepted(questionnaire: Path, tmp_path: Path, name: str) -> None:
    example = QUESTIONS[name]["validator"].partition("for example: ")[2].partition("[%")[0].strip()
    variant = next((variant for variant, own in OWN.items() if name in own), "nest-typeorm")
    value: object = [example] if QUESTIONS[name].get("multiselect") else example
    stored = answer(questionnaire, tmp_path / "service", {"variant": variant, name: value})
    assert str(stored[name]) == str(value)


def test_at_least_one_must_be_chosen_where_the_variant_is_nothing_without(questionnaire: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'ai_providers'.*Choose at least one, for example: "):
        answer(questionnaire, tmp_path / "service", {"variant": "fastify-bun", "ai_providers": []})


def test_none_may_be_chosen_where_the_variant_is_something_without(questionnaire: Path, tmp_path: Path) -> None:
    stored = answer(questionnaire, tmp_path / "service", {"variant": "nest-prisma", "google_integrations": []})
    assert stored["google_integrations"] == []


@pytest.mark.parametrize("variant", FAMILY)
def test_defaults_ask_nothing_and_store_what_the_variant_uses(
    questionnaire: Path, tmp_path: Path, variant: str
) -> None:
    others = {name: value for own in OWN.values() for name, value in own.items()}
    stored = answer(questionnaire, tmp_path / "service", {**others, "variant": variant})
    assert set(stored) == SHARED | OWN[variant].keys()
    assert {name: stored[name] for name in OWN[variant]} == OWN[variant]


@pytest.mark.parametrize(
    ("variant", "answers", "runtime", "servers"),
    [
        ("nest-typeorm", {}, "node", ["postgres"]),
        ("nest-drizzle", {}, "node", ["postgres", "valkey", "nats"]),
        ("nest-drizzle", {"messaging": "none"}, "node", ["postgres", "valkey"]),
        ("nest-drizzle", {"queue": "none"}, "node", ["postgres", "nats"]),
        ("fastify-bun", {}, "bun", ["postgres", "valkey"]),
        ("nest-prisma", {}, "node", ["postgres", "valkey"]),
        ("next-supabase", {}, "node", ["supabase", "valkey"]),
    ],
)
def test_runtime_and_servers_follow_from_the_answers(
    questionnaire: Path, tmp_path: Path, variant: str, answers: dict[str, object], runtime: str, servers: list[str]
) -> None:
    answer(questionnaire, tmp_path / "service", {"variant": variant, **answers})
    computed = json.loads((tmp_path / "service" / "computed.json").read_text())
    install = {"node": "npm ci", "bun": "bun install --frozen-lockfile"}[runtime]
    manager = {"node": "npm", "bun": "bun"}[runtime]
    assert computed == {"runtime": runtime, "pm": manager, "pm_install": install, "servers": servers}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ticket Shop", "ticket-shop"),
        ("O'Neill & Sons", "o-neill-sons"),
        ("2nd Hand", "nd-hand"),
        ("Go", "app-go"),
        ("PG Admin", "app-pg-admin"),
        ("Postgres", "app-postgres"),
        ("A" * 60, "a" * 40),
    ],
)
def test_the_slug_is_derived_from_the_name(questionnaire: Path, tmp_path: Path, name: str, slug: str) -> None:
    stored = answer(questionnaire, tmp_path / "service", {"project_name": name})
    assert stored["project_slug"] == slug
    assert stored["author"] == f"The {name} authors"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.from_regex(r"\A[^\W_][\w .&'+-]{0,30}[A-Za-z][\w.&'+-]{0,28}\Z").filter(lambda name: len(name) <= 60))
def test_every_valid_name_has_a_valid_slug(questionnaire: Path, tmp_path: Path, name: str) -> None:
    # Copier stops with an error, without having asked, where a default is refused by its own validator.
    assert answer(questionnaire, tmp_path / "service", {"project_name": name})["project_name"] == name


def test_an_answer_of_the_user_wins_over_what_is_derived(questionnaire: Path, tmp_path: Path) -> None:
    stored = answer(questionnaire, tmp_path / "service", {"project_name": "Ticket Shop", "project_slug": "tickets"})
    assert (stored["project_name"], stored["project_slug"]) == ("Ticket Shop", "tickets")


def test_only_variants_that_are_built_are_offered() -> None:
    assert QUESTIONS["variant"]["default"] in VARIANTS
    assert [name for name in VARIANTS if not (ROOT / "variants" / name / "package.json.jinja").is_file()] == []
    assert set(VARIANTS) <= set(FAMILY)


def test_questions_come_in_the_order_of_the_design() -> None:
    asked = [name for name, body in QUESTIONS.items() if not name.startswith("_") and body.get("when") is not False]
    module = ["module_singular", "module_plural", "module_fields", "module_soft_delete", "module_events"]
    first = ["create", "variant", "project_name", "project_slug", "description", "author", "license", "port"]
    last = ["ci", "kubernetes", "devcontainer", "agents_md", *module]
    assert asked[: len(first)] == first
    assert asked[-len(last) :] == last
    assert {name for name in ASKED if "variant" in QUESTIONS[name]["when"]} == {
        name for own in OWN.values() for name in own
    }


@pytest.mark.parametrize("name", [name for name in QUESTIONS if not name.startswith("_")])
def test_a_question_has_help_and_a_default(name: str) -> None:
    question = QUESTIONS[name]
    assert "default" in question
    assert question.get("when") is False or question["help"].rstrip().endswith(("?", ")"))


def test_a_copy_holds_the_service_and_its_answers(copie: Any, tmp_path: Path) -> None:
    template = snapshot(tmp_path / "template")
    result = copie.copy({"project_name": "Corner Shop", "kubernetes": True}, template_dir=template)
    assert result.exception is None
    assert result.answers["project_slug"] == "corner-shop"
    assert result.answers["kubernetes"] is True
    assert json.loads((result.project_dir / "package.json").read_text())["name"] == "corner-shop"
    assert yaml.safe_load((result.project_dir / ".copier-answers.yml").read_text())["project_name"] == "Corner Shop"
    assert not (result.project_dir / "copier.yml").exists()


def test_a_copy_with_a_bad_answer_fails(copie: Any, tmp_path: Path) -> None:
    template = snapshot(tmp_path / "template")
    result = copie.copy({"port": 80}, template_dir=template)
    assert "Choose a port from 1024 to 65535, for example: 3000" in str(result.exception)
