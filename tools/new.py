"""`make new` and `make try`: a service from the working checkout."""

from __future__ import annotations

import difflib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from copier import run_copy
from copier.errors import CopierAnswersInterrupt, CopierError, DirtyLocalWarning

from tools import QUESTIONS, ROOT, VARIANTS, ToolError, of_services
from tools.install import install, manager
from tools.ports import free_port
from tools.render import render
from tools.toolchain import bin_folder, environment

Answers = Mapping[str, object]


def questions() -> dict[str, dict[str, object]]:
    """The questions of copier.yml that services are asked, by name."""
    asked = {name for variant in VARIANTS for name in of_services(variant)} | {"variant"}
    return {name: body for name, body in QUESTIONS.items() if name in asked}


def parse_answers(text: str) -> dict[str, object]:
    """Reads `kubernetes=true author="Ada Lovelace"`. Values are YAML, as on Copier's own command line."""
    known = questions()
    answers: dict[str, object] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ToolError(f"DATA={text!r}: {error}. Write for example: DATA='kubernetes=true author=\"Ada\"'") from error
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ToolError(f"DATA: {word!r} has no value. Write name=value, for example: kubernetes=true")
        if name not in known:
            raise ToolError(f"DATA: there is no question {name!r}; {_hint(name, known)}")
        answers[name] = _parse_value(name, value, known[name])
    return answers


def _parse_value(name: str, text: str, question: Mapping[str, object]) -> object:
    if question["type"] == "str" and not question.get("multiselect"):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ToolError(f"DATA: {name}={text} cannot be read as YAML") from error
    if question["type"] == "bool" and not isinstance(value, bool):
        raise ToolError(f"DATA: {name}={text} is neither yes nor no. Write for example: {name}=true")
    if question.get("multiselect") and not isinstance(value, list):
        raise ToolError(f"DATA: {name}={text} is no list. Write for example: {name}=[{text}]")
    return value


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"


def check_variant(variant: str) -> str:
    """The variant, if it is one that is built."""
    if variant not in VARIANTS:
        raise ToolError(f"There is no variant {variant!r}; {_hint(variant, VARIANTS)}")
    return variant


def new(destination: str, variant: str, data: str) -> Path:
    """Asks (where there is a terminal and nothing was answered yet), copies, and prepares the first run.

    Without a destination the service goes beside this checkout, into a folder named as its slug.
    """
    answers = parse_answers(data)
    if variant:
        answers["variant"] = check_variant(variant)
    target = Path(destination).expanduser().resolve() if destination else None
    if target:
        _check_target(target)
    # Copied beside its place and moved there at the end: whatever goes wrong before leaves nothing behind.
    beside = next(path for path in (target or ROOT).parents if path.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".plinth-", dir=beside) as folder:
            draft = Path(folder) / "service"
            stored = _copy(draft, answers, ask=sys.stdin.isatty() and not answers)
            if target is None:
                target = beside / str(stored["project_slug"])
                _check_target(target)
            _move(draft, target)
    except OSError as error:
        place, why = target or beside, error.strerror or error
        raise ToolError(f"{place} cannot be written: {why}. Choose another: make new DEST=../my-service") from error
    print(f"{stored['project_name']} ({stored['variant']}) is in {target}", flush=True)
    try:
        manager(target)
    except ToolError as error:  # Bun; the hook says how to get it, and the service is complete without it
        print(f"Note: {error}", flush=True)
    hook = [sys.executable, str(ROOT / "hooks" / "post_copy.py"), str(target), "--path", bin_folder()]
    signal.signal(signal.SIGINT, lambda *_: None)  # the hook gets it too, and answers it
    subprocess.run(hook, check=False)  # it says what it left out, and the service is complete without it
    return target


def _copy(draft: Path, answers: Answers, *, ask: bool) -> dict[str, object]:
    """Runs Copier on this checkout and returns the answers that it stored."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DirtyLocalWarning)
            run_copy(str(ROOT), draft, data=dict(answers), defaults=not ask, vcs_ref="HEAD", quiet=True)
    except CopierAnswersInterrupt as interrupt:
        raise ToolError("Interrupted; nothing was written.") from interrupt
    except (CopierError, ValueError) as error:
        raise ToolError(str(error)) from error
    if any(issubclass(warning.category, DirtyLocalWarning) for warning in caught):
        print("Note: this checkout has uncommitted changes. The service has them too, and cannot be updated from them.")
    stored: dict[str, object] = yaml.safe_load((draft / ".copier-answers.yml").read_text())
    if unused := sorted(answers.keys() - stored.keys()):
        raise ToolError(f"DATA: {stored['variant']} does not ask for {', '.join(unused)}. Leave it out.")
    return stored


def _check_target(target: Path) -> None:
    file = next((path for path in (target, *target.parents) if path.exists() and not path.is_dir()), None)
    if file:
        raise ToolError(f"{file} is a file. Choose a folder: make new DEST=../my-service")
    if target.is_dir() and any(path.name != ".git" for path in target.iterdir()):
        raise ToolError(f"{target} is not empty, and nothing was changed. Choose another: make new DEST=../my-service")


def _move(draft: Path, target: Path) -> None:
    if target.exists():  # empty but for .git
        for path in draft.iterdir():
            shutil.move(path, target / path.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(target)


def try_out(variant: str, data: str) -> int:
    """Renders, installs and starts a service in a scratch folder; Ctrl-C ends it. Returns its exit code."""
    check_variant(variant)
    answers = parse_answers(data)
    scratch = ROOT / ".try"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{variant}-", dir=scratch) as folder:
        service = Path(folder) / "service"
        print(f"Rendering {variant} into {service} ...", flush=True)
        try:
            render(variant, service, answers)
        except (CopierError, ValueError) as error:
            raise ToolError(str(error)) from error
        stored = yaml.safe_load((service / ".copier-answers.yml").read_text())
        print("Installing its packages (a minute the first time) ...", flush=True)
        install(service)
        command = [manager(service), "run", "--silent", "dev"]
        print(f"Starting it with `{command[0]} run dev` ...", flush=True)
        port = free_port(int(stored["port"]))
        process = subprocess.Popen(command, cwd=service, env=environment() | {"PORT": str(port)})
        # Ctrl-C reaches the whole group: the service ends in order, and this waits for it.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()
