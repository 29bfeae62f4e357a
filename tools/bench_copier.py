"""`make bench`: the times of `copier copy` and `copier update`, against those of a template of one file.

Each is the program as a user runs it, with a template in a git repository on the same disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import VARIANTS
from tools.figures import Figure, in_turns
from tools.git import git
from tools.render import snapshot

_COPIER = Path(sys.executable).with_name("copier")
_EMPTY = "a template of one file"
_HOW = "the program with a template in a git repository on the same disk, answers are defaults"
_OLD, _NEW = "v1.0.0", "v1.1.0"
_ANSWERS = "{{ _copier_conf.answers_file }}.jinja"


def measure(rounds: int) -> list[Figure]:
    """The times of a template of one file, and of every variant, taken in turns."""
    with tempfile.TemporaryDirectory(prefix="plinth-copies-") as name:
        folder = Path(name)
        subjects = {_EMPTY: _Subject(_empty(folder / "empty"), folder / "of-empty")}
        plinth = _plinth(folder / "plinth")
        subjects |= {
            f"`{variant}`": _Subject(plinth, folder / f"of-{variant}", f"--data=variant={variant}")
            for variant in VARIANTS
        }
        measures = {
            f"`copier {command}` of {what}": take
            for what, subject in subjects.items()
            for command, take in (("copy", subject.copy), ("update", subject.update))  # of what was copied before
        }
        taken = in_turns(measures, rounds)
    figures = []
    for command in ("copy", "update"):
        empty = f"`copier {command}` of {_EMPTY}"
        for what in subjects:
            name = f"`copier {command}` of {what}"
            figure = Figure(name=name, unit="s", rounds=taken[name], how=_HOW)
            figures.append(figure if name == empty else figure | {"versus": [empty]})
    return figures


class _Subject:
    """A template with two versions, and the service that is copied from the older one."""

    def __init__(self, template: Path, service: Path, *arguments: str) -> None:
        self._template = template
        self._service = service
        self._arguments = arguments

    def copy(self) -> float:
        shutil.rmtree(self._service, ignore_errors=True)
        return _seconds("copy", f"--vcs-ref={_OLD}", *self._arguments, f"git+{self._template.as_uri()}", self._service)

    def update(self) -> float:
        git(self._service, "init", "--quiet")
        _commit(self._service)
        return _seconds("update", f"--vcs-ref={_NEW}", self._service)


def _seconds(command: str, *arguments: str | Path) -> float:
    began = time.monotonic()
    subprocess.run(
        [_COPIER, command, "--quiet", "--defaults", *arguments],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def _empty(folder: Path) -> Path:
    folder.mkdir()
    (folder / "copier.yml").touch()
    (folder / _ANSWERS).write_text("{{ _copier_answers | to_nice_yaml }}")
    (folder / "README.md").write_text("# Hello\n")
    return _published(folder, folder / "README.md")


def _plinth(folder: Path) -> Path:
    """The working tree; the newer version says a line more in a file that all variants have."""
    return _published(snapshot(folder), folder / "template" / "LICENSE")


def _published(folder: Path, changed: Path) -> Path:
    git(folder, "init", "--quiet")
    _commit(folder)
    git(folder, "tag", _OLD)
    changed.write_text(changed.read_text() + "\nOne line more.\n")
    _commit(folder)
    git(folder, "tag", _NEW)
    return folder


def _commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Plinth", "-c", "user.email=plinth@localhost", "commit", "--quiet", "--message=.")
