"""What is asked for a module, what is refused and how that is said, and that a service is asked what it was."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy

from tests.copying import ON_BUN, answers
from tests.modules.adding import SAMPLE, Fields, every_type
from tests.modules.conftest import Add
from tools import ROOT

GOOD = {"name": "name", "type": "string"}


def stored(service: Path, plural: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((service / f".copier-answers.{plural}.yml").read_text())
    return {name: value for name, value in found.items() if not name.startswith("_")}


def test_a_module_has_answers_of_its_own_and_leaves_the_services_alone(service: Path, variant: str, add: Add) -> None:
    before = answers(service)
    said = add(service, module_singular="venue")
    assert f"{'bun' if variant in ON_BUN else 'npm'} run module:register" in said
    assert "trust" not in said
    assert answers(service) == before
    events = {"nest-drizzle": {"module_events": True}, "next-supabase": {"module_events": False}}.get(variant, {})
    assert stored(service, "venues") == {
        "create": "module",
        "variant": variant,
        "module_singular": "venue",
        "module_plural": "venues",
        "module_fields": [
            {"name": "name", "type": "string", "required": True, "unique": True},
            {"name": "description", "type": "text"},
        ],
        "module_soft_delete": False,
        **events,
    }


def test_a_module_changes_no_file_that_is_there(service: Path, variant: str, add: Add) -> None:
    before = {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    add(service, module_singular="venue", module_fields=every_type(variant))
    assert {path: path.read_bytes() for path in before} == before


def test_where_there_is_no_service_a_service_is_written_and_nothing_of_modules_stored(
    template: Path, tmp_path: Path
) -> None:
    run_copy(str(template), tmp_path / "new", defaults=True, quiet=True)
    assert [name for name in answers(tmp_path / "new") if name == "create" or name.startswith("module")] == []


def test_a_service_that_is_copied_once_more_with_defaults_stays_a_service(
    service: Path, template: Path, variant: str
) -> None:
    run_copy(str(template), service, defaults=True, overwrite=True)
    assert answers(service)["variant"] == variant
    assert not list(service.glob(".copier-module.*"))


def test_a_module_where_there_is_no_service_is_refused(tmp_path: Path, add: Add) -> None:
    with pytest.raises(ValueError, match="There is no service here"):
        add(tmp_path, module_singular="venue")
    assert list(tmp_path.glob("*")) == []


def test_module_below_the_service_folder_is_refused(service: Path, template: Path) -> None:
    before = {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    below = next(path for path in sorted(service.glob("*/*")) if path.is_dir())
    with pytest.raises(
        ValueError,
        match=re.escape(".copier-answers.yml is missing. Go to the folder of one first, for example: cd ../.."),
    ):
        run_copy(str(template), below, data={"module_singular": "venue"}, defaults=True, quiet=True)
    assert {path: path.read_bytes() for path in service.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("given", [{}, {"module_singular": "venue"}])
def test_another_stack_over_a_service_is_refused(
    service: Path, variant: str, template: Path, given: dict[str, str]
) -> None:
    other = "fastify-bun" if variant != "fastify-bun" else "nest-prisma"
    before = {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=rf"of the stack {variant}.*for example: copier copy .* \.\./{other}"):
        run_copy(str(template), service, data={"variant": other, **given}, defaults=True, overwrite=True, quiet=True)
    assert {path: path.read_bytes() for path in service.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("singular", "plural"),
    [("venue", "venues"), ("category", "categories"), ("box", "boxes"), ("day", "days"), ("price-list", "price-lists")],
)
def test_the_plural_is_derived(service: Path, add: Add, singular: str, plural: str) -> None:
    add(service, module_singular=singular)
    assert stored(service, plural)["module_plural"] == plural


@pytest.mark.parametrize("name", ["", "v", "Venue", "price_list", "1st", "a--b", "-a", "x" * 31, "class", "date"])
def test_a_bad_singular_is_refused_with_an_example(refusing: Path, add: Add, name: str) -> None:
    with pytest.raises(ValueError, match=r"'module_singular'.*for example: venue"):
        add(refusing, module_singular=name, module_plural="venues")


@pytest.mark.parametrize("name", ["", "Venues", "venue", "x" * 33, "health", "config"])
def test_a_bad_plural_is_refused_with_an_example(refusing: Path, add: Add, name: str) -> None:
    with pytest.raises(ValueError, match=r"'module_plural'.*for example: venues"):
        add(refusing, module_singular="venue", module_plural=name)


def test_a_module_that_is_there_is_not_written_again(refusing: Path, variant: str, add: Add) -> None:
    with pytest.raises(ValueError, match=f"There is a module {SAMPLE[variant]} in this service"):
        add(refusing, module_singular="thing", module_plural=SAMPLE[variant])


def test_a_singular_that_another_module_has_is_refused(refusing: Path, variant: str, add: Add) -> None:
    singular = SAMPLE[variant].removesuffix("s")
    message = f"There is a module {SAMPLE[variant]} in this service|The code has another meaning for .{singular}"
    with pytest.raises(ValueError, match=message):
        add(refusing, module_singular=singular, module_plural="things")


HELPERS = {
    "fastify-bun": "apps/api/test/support/events.ts",
    "nest-drizzle": "packages/api/test/answers.spec.ts",
    "nest-prisma": "test/support/people.ts",
    "nest-typeorm": "test/support/settings.ts",
    "next-supabase": "test/support/models.ts",
}
"""Files of the services' own tests that a module of the same name would have written over."""


def test_a_plural_that_would_replace_a_file_is_refused(service: Path, variant: str, add: Add) -> None:
    helper = service / HELPERS[variant]
    before = helper.read_text()
    with pytest.raises(ValueError, match=re.escape(f"The service has {HELPERS[variant]} already")):
        add(service, module_singular="thing", module_plural=helper.name.split(".")[0])
    assert helper.read_text() == before


def test_nothing_that_a_module_writes_replaces_a_file(service: Path, variant: str, add: Add) -> None:
    names = {"[[ module_plural ]]": "venues", "[[ module_singular ]]": "venue", ".jinja": ""}
    places: dict[Path, Path] = {}
    for path in (ROOT / "modules" / variant).rglob("*.*"):
        if path.is_file() and "module_plural" in str(path) and not path.name.startswith("."):
            place = str(path.relative_to(ROOT / "modules" / variant))
            for name, value in names.items():
                place = place.replace(name, value)
            file = service / place
            places[file.parent if "venues" in file.parts else file] = file
    assert len(places) > 2
    for file in places.values():
        had = file.parent.exists()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("ours")
        with pytest.raises(ValueError, match=r"There is a module venues|would replace"):
            add(service, module_singular="venue")
        assert file.read_text() == "ours"
        if had:
            file.unlink()
        else:
            shutil.rmtree(file.parent)


def test_a_folder_in_which_a_module_of_another_variant_would_be_is_none_of_this_one_s(service: Path, add: Add) -> None:
    """That the module is written, too, where its user has a folder of its name that it has nothing in."""
    for folder in {"src", "lib", "app/api/v1", "apps/api/src/modules", "packages/api/src"} - {
        str(path.relative_to(service)) for path in service.rglob("*") if path.is_dir()
    }:
        (service / folder / "venues").mkdir(parents=True)
        (service / folder / "venues" / "ours.txt").write_text("ours")
    add(service, module_singular="venue")
    assert (service / ".copier-module.venues").exists()


FAULTS: list[tuple[object, str]] = [
    ("name", "Write a YAML list"),
    ([], "Write a YAML list"),
    ({"name": "string"}, "Write a YAML list"),
    (["name"], "Field 1 is no mapping"),
    ([{"type": "string"}], "Field 1 has no name. Write: - { name: capacity"),
    (
        [GOOD, {"name": True, "type": "text"}],
        "Field 2 has no name that is text (YAML reads true here; put it in quotes)",
    ),
    ([{"name": "Name", "type": "string"}], 'Field 1 ("Name"): a name has up to 40 letters and digits'),
    ([{"name": "first_name", "type": "string"}], 'Field 1 ("first_name"): a name has up to 40 letters and digits'),
    ([{"name": "version", "type": "string"}], 'Field 1 ("version"): the code has this name for something else'),
    ([{"name": "class", "type": "string"}], "for example: classValue"),
    ([{"name": "constructor", "type": "string"}], "the code has this name for something else"),
    ([GOOD, GOOD], 'Field 2 ("name"): another field has this name already'),
    ([{"name": "name", "type": "string", "requierd": True}], 'there is no setting "requierd". Use: name, type'),
    ([{"name": "name"}], 'Field 1 ("name"): the type is missing. Use one of: string, text, integer'),
    ([{"name": "name", "type": "varchar"}], 'there is no type "varchar". Use one of: string'),
    ([{"name": "name", "type": "string", "required": "yes please"}], "required, unique and indexed are true or false"),
    ([{"name": "mood", "type": "enum"}], "an enum needs its values, for example: values: [open, closed]"),
    ([{"name": "mood", "type": "enum", "values": [True]}], "a value is not text. Put it in quotes"),
    ([{"name": "mood", "type": "enum", "values": ["so so"]}], "values are up to 50 words of small letters"),
    ([{"name": "mood", "type": "enum", "values": ["a", "a"]}], "a value is there twice"),
    ([{"name": "name", "type": "string", "values": ["a"]}], "values are for the type enum"),
    ([{"name": "name", "type": "string", "to": "events"}], "to and singular are for the type reference"),
    ([{"name": "notes", "type": "text", "unique": True}], "cannot be unique. Leave unique out, or write type: string."),
    ([{"name": "isOpen", "type": "boolean", "unique": True}], "a field of type boolean cannot be unique"),
    ([{"name": "data1", "type": "json", "indexed": True}], "a field of type json cannot be indexed"),
    ([{"name": "owner", "type": "reference", "to": "venues"}], "a reference ends in Id, for example: ownerId"),
    ([{"name": "ownerId", "type": "reference"}], "a reference needs the plural of the module that it refers to"),
    ([{"name": "ownerId", "type": "reference", "to": "venues"}, {"name": "owner", "type": "text"}], "Rename one"),
    ([{"name": "venueId", "type": "reference", "to": "venues", "required": True}], "none to refer to"),
    ([{"name": "ownerId", "type": "reference", "to": "owners"}], "so that nothing can refer to owners"),
    ([{"name": f"f{n}", "type": "text"} for n in range(41)], "These are 41 fields, and 40 is the most"),
]


@pytest.mark.parametrize(("fields", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_a_wrong_field_is_named_and_how_to_mend_it(refusing: Path, add: Add, fields: object, message: str) -> None:
    with pytest.raises(ValueError, match="'module_fields'") as error:
        add(refusing, module_singular="venue", module_fields=fields)
    assert message in str(error.value)
    assert not list(refusing.glob(".copier-*venues*"))


def test_a_field_of_each_type_is_taken(service: Path, variant: str, add: Add) -> None:
    fields: Fields = every_type(variant)
    add(service, module_singular="venue", module_fields=fields)
    assert stored(service, "venues")["module_fields"] == fields
