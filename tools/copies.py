"""`make bench`: what `copier copy` and `copier update` take, as ratios to a template that holds one file.

Each is the program as a user runs it, with a template in a git repository on the same disk.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools import VARIANTS
from tools.git import git
from tools.render import snapshot

_COPIER = Path(sys.executable).with_name("copier")
_EMPTY = "a template of one file"
_OLD, _NEW = "v1.0.0", "v1.1.0"
_ANSWERS = "{{ _copier_conf.answers_file }}.jinja"


@dataclass(frozen=True)
class Times:
    """Seconds, the median of the rounds."""

    copy: float
    update: float


def measure(rounds: int) -> dict[str, Times]:
    """The times of a template of one file, and of every variant, taken in turns."""
    with tempfile.TemporaryDirectory(prefix="plinth-copies-") as name:
        folder = Path(name)
        subjects = {_EMPTY: _Subject(_empty(folder / "empty"), folder / "of-empty")}
        plinth = _plinth(folder / "plinth")
        subjects |= {
            variant: _Subject(plinth, folder / f"of-{variant}", f"--data=variant={variant}") for variant in VARIANTS
        }
        taken: dict[str, list[tuple[float, float]]] = {subject: [] for subject in subjects}
        for _ in range(rounds):
            for subject, each in subjects.items():
                taken[subject].append((each.copy(), each.update()))
        return {
            subject: Times(*(statistics.median(seconds) for seconds in zip(*times, strict=True)))
            for subject, times in taken.items()
        }


def markdown(times: dict[str, Times]) -> str:
    """The times as the README shows them."""
    empty = times[_EMPTY]
    rows = "\n".join(
        f"| {name if name == _EMPTY else f'`{name}`'} | {each.copy:.2f} s | {each.copy / empty.copy:.1f} "
        f"| {each.update:.2f} s | {each.update / empty.update:.1f} |"
        for name, each in times.items()
    )
    return f"| | `copier copy` | times | `copier update` | times |\n| --- | ---: | ---: | ---: | ---: |\n{rows}"


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
