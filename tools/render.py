"""Rendering variants from the working tree, uncommitted changes included."""

from __future__ import annotations

import contextlib
import filecmp
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from copier import run_copy
from watchfiles import watch

from tools import ROOT
from tools.install import install

_PARTS = ("copier.yml", "modules", "template", "variants")


def snapshot(destination: Path) -> Path:
    """Copies what is rendered to a folder that is no git repository, which Copier then takes as it is."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PARTS],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return destination


def render(
    variant: str, destination: Path, answers: Mapping[str, object] | None = None, source: Path | None = None
) -> Path:
    """Renders a variant into a folder: with the given answers, and the defaults for all others.

    Args:
        source: a snapshot to render from; one is made of the working tree if left out
    """
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        source = source or snapshot(Path(folder))
        data = {"variant": variant, **(answers or {})}
        run_copy(str(source), destination, data=data, defaults=True, overwrite=True, quiet=True)
    stored = destination / ".copier-answers.yml"
    # Where it comes from is this checkout, not the snapshot, whose name is another each time.
    stored.write_text(re.sub(r"(?m)^_src_path: .*$", lambda _: f"_src_path: {ROOT}", stored.read_text()))
    return destination


def refresh(variant: str, destination: Path, answers: Mapping[str, object] | None = None) -> list[str]:
    """Renders into a folder that is in use: touches only what differs, removes what is no longer rendered.

    Packages that the lockfile has no longer are removed too. Returns the paths that changed, relative to the folder.
    """
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        new = render(variant, Path(folder) / "service", answers)
        names = sorted(str(path.relative_to(new)) for path in new.rglob("*") if path.is_file())
        changed = [name for name in names if not _same(new / name, destination / name)]
        for name in changed:
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(new / name, destination / name)
    manifest = destination.with_name(f"{destination.name}.json")
    gone = sorted(set(json.loads(manifest.read_text())) - set(names)) if manifest.exists() else []
    for name in gone:
        (destination / name).unlink(missing_ok=True)
        for folder in (destination / name).relative_to(destination).parents[:-1]:
            with contextlib.suppress(OSError):  # it holds something else
                (destination / folder).rmdir()
    manifest.write_text(json.dumps(names))
    if not {"package.json", "package-lock.json", "bun.lock"}.isdisjoint(changed):
        for modules in (destination / "node_modules", *destination.glob("*/*/node_modules")):
            shutil.rmtree(modules, ignore_errors=True)
    return changed + gone


def follow(variants: Iterable[str], folder: Path) -> None:
    """Renders again whenever a source changes, packages included, until interrupted."""
    for changes in watch(*(ROOT / part for part in _PARTS), raise_interrupt=False):
        print(", ".join(sorted({str(Path(path).relative_to(ROOT)) for _, path in changes})), flush=True)
        for variant in variants:
            try:
                for name in refresh(variant, folder / variant):
                    print(f"  {variant}/{name}", flush=True)
                install(folder / variant)
            except Exception as error:  # a template that is being edited may be broken for a moment
                print(f"  {variant}: {type(error).__name__}: {error}", flush=True)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)
