"""`make new` and `make try`: a service from the working checkout."""

from __future__ import annotations

import difflib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from copier import run_copy
from copier.errors import CopierError

from tools import ROOT, VARIANTS, ToolError
from tools.install import install
from tools.render import render
from tools.toolchain import bin_folder, environment

Answers = Mapping[str, object]


def questions() -> dict[str, dict[str, object]]:
    """The questions of copier.yml that are asked of anybody, by name."""
    document = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {name: body for name, body in document.items() if not name.startswith("_") and body.get("when") is not False}


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
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise ToolError(f"DATA: there is no question {name!r}; {hint}")
        is_text = known[name]["type"] == "str" and not known[name].get("multiselect")
        answers[name] = value if is_text else yaml.safe_load(value)
    return answers


def check_variant(variant: str) -> str:
    if variant not in VARIANTS:
        raise ToolError(f"There is no variant {variant!r}; there are: {', '.join(VARIANTS)}")
    return variant


def new(destination: str, variant: str, data: str) -> Path:
    """Asks (where there is a terminal and nothing was answered yet), copies, and prepares the first run.

    Without a destination the service goes beside this checkout, into a folder named as its slug.
    """
    answers = parse_answers(data)
    if variant:
        answers["variant"] = check_variant(variant)
    asks = sys.stdin.isatty() and not answers
    target = Path(destination).expanduser().resolve() if destination else None
    if target:
        _check_target(target)
    # Copied beside its place and moved there at the end: an interrupted copy leaves nothing half done.
    parent = target.parent if target else ROOT.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".plinth-", dir=parent) as folder:
        draft = Path(folder) / "service"
        try:
            run_copy(str(ROOT), draft, data=answers, defaults=not asks, vcs_ref="HEAD", quiet=True)
        except (CopierError, ValueError) as error:
            raise ToolError(str(error)) from error
        stored = yaml.safe_load((draft / ".copier-answers.yml").read_text())
        if target is None:
            target = parent / str(stored["project_slug"])
            _check_target(target)
        if target.exists():  # empty but for .git
            for path in draft.iterdir():
                shutil.move(path, target / path.name)
        else:
            draft.rename(target)
    print(f"{stored['project_name']} ({stored['variant']}) is in {target}", flush=True)
    subprocess.run(
        [sys.executable, str(ROOT / "hooks" / "post_copy.py"), str(target), "--path", bin_folder()], check=True
    )
    return target


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ToolError(f"{target} is a file. Choose a folder: make new DEST=../my-service")
    if target.is_dir() and any(path.name != ".git" for path in target.iterdir()):
        raise ToolError(f"{target} is not empty, and nothing was changed. Choose another: make new DEST=../my-service")


def try_out(variant: str, folder: Path, data: str) -> int:
    """Renders, installs and starts a service in a scratch folder; Ctrl-C ends it. Returns its exit code."""
    service = folder / check_variant(variant)
    answers = parse_answers(data)
    if service.exists():
        shutil.rmtree(service)
    print(f"Rendering {variant} into {service} ...", flush=True)
    render(variant, service, answers)
    print("Installing its packages (a minute the first time) ...", flush=True)
    install(service)
    print("Starting it with `npm run dev` ...", flush=True)
    process = subprocess.Popen(["npm", "run", "--silent", "dev"], cwd=service, env=environment())
    # Ctrl-C reaches the whole group: the service ends in order, and this waits for it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()
