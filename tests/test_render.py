"""Whatever is answered, the tree that comes out is complete, valid and the same each time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from allpairspy import AllPairs

from tests.conftest import Rendered, run
from tools import DEFAULT_VARIANT, ROOT, VARIANTS, of_services
from tools.check import leftovers
from tools.install import install, manager
from tools.render import render

DIFFICULT = {
    "project_name": "O'Neill & Söhne",
    "project_slug": "oneill-soehne",
    "description": "Says \"hi\" & 'bye' <b>${HOME}</b> {{ x }} */ --> `ls` #1: 100 % \\n öß 🎟️",
    "author": 'Ada "Countess" O\'Lovelace & Söhne: #1',
}
# Each optional file, and the answers that bring it.
OPTIONAL: dict[str, Callable[[dict[str, object]], bool]] = {
    "LICENSE": lambda answers: answers["license"] != "UNLICENSED",
    ".github/workflows/ci.yml": lambda answers: answers["ci"] == "github",
    ".gitlab-ci.yml": lambda answers: answers["ci"] == "gitlab",
    "deploy/helm/Chart.yaml": lambda answers: answers["kubernetes"] is True,
    ".devcontainer/devcontainer.json": lambda answers: answers["devcontainer"] is True,
    "AGENTS.md": lambda answers: answers["agents_md"] is True,
}


# What nothing says any more where an option leaves it out. The launcher alone knows every server of the family, and the
# fake provider of fastify-bun's tests speaks as every provider does.
TRACES = [
    ("nest-drizzle", "messaging", "none", r"nats|jetstream"),
    ("nest-drizzle", "queue", "none", r"bullmq|valkey|redis|msgpackr|start:worker|worker_in_api|worker\.ts|reminder"),
    (
        "fastify-bun",
        "ai_providers",
        ["openai-compatible"],
        r"anthropic|google|gemini|@ai-sdk/openai\b(?!-)|OPENAI_BASE_URL",
    ),
    ("next-supabase", "integrations", [], r"stripe|openai\b|anthropic|cockatiel"),
    ("next-supabase", "graphql", False, r"graphql(?!: false)"),
    ("next-supabase", "edge_functions", False, r"\bdeno\b|edge functions|supabase/functions"),
]


def options(variant: str) -> dict[str, list[object]]:
    """Every question of a variant that offers a choice, with what can be chosen."""
    found: dict[str, list[object]] = {}
    for name, question in of_services(variant).items():
        if question["type"] == "bool":
            found[name] = [True, False]
        elif question.get("multiselect"):
            values = list(question["choices"].values())
            found[name] = [values, *([value] for value in values)]
        elif "choices" in question:
            found[name] = list(question["choices"].values())
    return found


def combinations() -> Iterator[tuple[str, dict[str, object]]]:
    """Answers in which each two choices of different questions meet at least once."""
    for variant in VARIANTS:
        choices = options(variant) | {"difficult": [True, False]}
        for values in AllPairs(list(choices.values())):
            answers = dict(zip(choices, values, strict=True))
            yield variant, (DIFFICULT if answers.pop("difficult") else {}) | answers


def covering() -> Iterator[tuple[str, dict[str, object]]]:
    """Combinations in which every choice occurs at least once; fewer, for what takes longer."""
    seen: set[str] = set()
    for variant, answers in combinations():
        choices = {f"{variant} {name}={value}" for name, value in answers.items()}
        if choices - seen:
            seen |= choices
            yield variant, answers


def name_of(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    marks = [str(value["license"]), str(value["ci"]), *(name for name, choice in value.items() if choice is True)]
    return "-".join([*marks, *(["difficult"] if "author" in value else [])])


@pytest.fixture(scope="module", params=list(combinations()), ids=lambda value: f"{value[0]}-{name_of(value[1])}")
def combination(request: pytest.FixtureRequest, rendered: Rendered) -> tuple[Path, dict[str, object]]:
    variant, answers = request.param
    return rendered(variant, **answers), answers


def files(service: Path) -> list[Path]:
    return sorted(path for path in service.rglob("*") if path.is_file() and "node_modules" not in path.parts)


def texts(service: Path) -> list[Path]:
    """All files but pictures."""
    return [path for path in files(service) if path.suffix != ".png"]


def contents(service: Path) -> dict[str, tuple[bytes, bool]]:
    """Each file with its content and whether it can be executed."""
    return {str(path.relative_to(service)): (path.read_bytes(), os.access(path, os.X_OK)) for path in files(service)}


class AnyTag(yaml.SafeLoader):
    """Reads YAML with tags of its own, such as GitLab's `!reference`."""


AnyTag.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)


def test_no_delimiter_of_the_template_is_left(combination: tuple[Path, dict[str, object]]) -> None:
    assert leftovers(combination[0]) == []


def test_json_files_parse(combination: tuple[Path, dict[str, object]]) -> None:
    for path in files(combination[0]):
        # The compiler's configuration may have comments, which the compiler itself checks.
        if path.suffix == ".json" and not path.name.startswith("tsconfig"):
            json.loads(path.read_text())


def test_the_openapi_document_is_written_as_the_service_writes_it(
    combination: tuple[Path, dict[str, object]],
) -> None:
    text = (combination[0] / "openapi.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_yaml_files_parse(combination: tuple[Path, dict[str, object]]) -> None:
    for path in files(combination[0]):
        # A chart's templates are YAML only once Helm has rendered them.
        if path.suffix in {".yml", ".yaml"} and "templates" not in path.parts:
            assert list(yaml.load_all(path.read_text(), AnyTag)), path


def test_options_bring_their_files_and_no_others(combination: tuple[Path, dict[str, object]]) -> None:
    service, answers = combination
    there = {path for path in OPTIONAL if (service / path).is_file()}
    assert there == {path for path, is_brought in OPTIONAL.items() if is_brought(answers)}
    left_out = {path.split("/")[0] for path in OPTIONAL.keys() - there} - {"deploy"}
    assert [name for name in left_out if (service / name).exists()] == []
    assert answers["kubernetes"] or not (service / "deploy" / "helm").exists()


def test_no_file_is_empty_and_each_ends_in_one_newline(combination: tuple[Path, dict[str, object]]) -> None:
    for path in texts(combination[0]):
        text = path.read_text()
        assert text.strip(), path
        # drizzle-kit's snapshots are as it writes them.
        assert text.endswith("\n") or "migrations/meta/" in path.as_posix(), path
        assert not text.endswith("\n\n"), path
        assert "\r" not in text, path


def test_answers_arrive_as_they_were_given(combination: tuple[Path, dict[str, object]]) -> None:
    service, answers = combination
    package = json.loads((service / "package.json").read_text())
    stored = yaml.safe_load((service / ".copier-answers.yml").read_text())
    assert {name: stored[name] for name in answers} == answers
    assert package["name"] == stored["project_slug"]
    assert (package["description"], package["author"]) == (stored["description"], stored["author"])
    assert package["license"] == stored["license"]
    if manager(service) == "bun":
        assert f'"name": "{stored["project_slug"]}"' in (service / "bun.lock").read_text()
    else:
        lock = json.loads((service / "package-lock.json").read_text())
        assert (lock["name"], lock["packages"][""]["license"]) == (stored["project_slug"], stored["license"])
    assert f"PORT={stored['port']}" in (service / ".env.example").read_text().splitlines()


@pytest.mark.parametrize(
    ("variant", "name", "value", "trace"),
    [trace for trace in TRACES if trace[0] in VARIANTS],
    ids=[f"{variant}-{name}" for variant, name, *_ in TRACES if variant in VARIANTS],
)
def test_what_is_not_chosen_leaves_no_trace(
    variant: str, name: str, value: object, trace: str, rendered: Rendered
) -> None:
    expression = re.compile(trace, re.IGNORECASE)
    chosen = rendered(variant, **({name: not value} if isinstance(value, bool) else {}))
    assert any(expression.search(path.read_text()) for path in texts(chosen))
    service = rendered(variant, **{name: value, "kubernetes": True})
    # A lockfile names what packages could work with, too; its installer compares it with package.json.
    others = {service / "package-lock.json", service / "bun.lock", service / "scripts" / "services.mjs"}
    others |= set((service / "scripts" / "services").rglob("*"))
    others |= {path for folder in ("test", "bench") for path in (service / "apps" / "api" / folder).rglob("*")}
    found = {path: match[0] for path in texts(service) if (match := expression.search(path.read_text()))}
    assert {str(path.relative_to(service)): text for path, text in found.items() if path not in others} == {}


@pytest.mark.parametrize(
    "variant", [name for name in VARIANTS if list((ROOT / "variants" / name / "docs").glob("hand-off.schema.json*"))]
)
def test_the_example_of_a_hand_off_fits_its_schema(variant: str, rendered: Rendered) -> None:
    service = rendered(variant)
    schema, example = (
        json.loads((service / "docs" / f"hand-off.{kind}.json").read_text()) for kind in ("schema", "example")
    )
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = jsonschema_rs.validator_for(schema)  # which refuses a schema that is not valid itself
    assert validator.is_valid(example)
    assert not validator.is_valid({**example, "files": [{"path": "/etc/x", "action": "delete", "description": ""}]})
    assert "docs/hand-off.schema.json" in (service / "AGENTS.md").read_text()
    assert not (rendered(variant, agents_md=False) / "docs").exists()


@pytest.mark.parametrize(
    "variant", [name for name in VARIANTS if (ROOT / "variants" / name / "docs/contracts").is_dir()]
)
def test_the_examples_of_messages_fit_their_schemas(variant: str, rendered: Rendered) -> None:
    service = rendered(variant)
    schemas = sorted((service / "docs" / "contracts").glob("*.schema.json"))
    assert len(schemas) == 2
    for path in schemas:
        validator = jsonschema_rs.validator_for(json.loads(path.read_text()))
        example = json.loads(path.with_name(path.name.replace(".schema.", ".example.")).read_text())
        assert validator.is_valid(example), path
        assert not validator.is_valid({**example, "taskId": 1}), path
        assert f"docs/contracts/{path.name}" in (service / "AGENTS.md").read_text()
    assert not (rendered(variant, agents_md=False) / "docs").exists()


def test_an_answer_that_looks_like_a_template_is_not_rendered(rendered: Rendered) -> None:
    description = "[[ 7 * 7 ]] [% if %] [# no #]"
    service = rendered(DEFAULT_VARIANT, description=description)
    assert json.loads((service / "package.json").read_text())["description"] == description


@pytest.mark.parametrize("variant", VARIANTS)
def test_rendering_twice_gives_the_same(variant: str, tmp_path: Path) -> None:
    once, again = (contents(render(variant, tmp_path / name, DIFFICULT)) for name in ("once", "again"))
    assert once == again


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pinned_runtime_is_new_enough_for_the_service(variant: str, rendered: Rendered) -> None:
    service = rendered(variant)
    package = json.loads((service / "package.json").read_text())
    runtime = "bun" if manager(service) == "bun" else "node"
    found = run(service, runtime, "--version").stdout.strip().removeprefix("v")
    least = package["engines"][runtime].removeprefix(">=")
    assert [int(part) for part in found.split(".")] >= [int(part) for part in least.split(".")]
    if runtime == "bun":
        assert package["packageManager"] == f"bun@{found}"
    else:
        assert found.startswith((service / ".nvmrc").read_text().strip().removeprefix("v"))


@pytest.mark.parametrize(("variant", "answers"), list(covering()), ids=name_of)
def test_the_service_typechecks_and_lints(variant: str, answers: dict[str, object], rendered: Rendered) -> None:
    service = rendered(variant, **answers)
    install(service)
    for name in ("typecheck", "lint"):
        run(service, manager(service), "run", "--silent", name)
