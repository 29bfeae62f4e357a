"""What `make new` does after the copy: `.env`, a first commit, installed packages.

    python hooks/post_copy.py FOLDER [--path DIR]

Standard library only. Each step can be repeated, changes nothing that is there, and says what it did, or what it left
out and the command that does it later. The exit code is 0 then too: the service is complete without it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

_INSTALL_TIMEOUT_SECONDS = 600


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a freshly copied service")
    parser.add_argument(
        "--path", default="", help="a folder whose programs (node, npm, bun) are used before those on PATH"
    )
    arguments = parser.parse_args(argv)
    service: Path = arguments.folder.resolve()
    if not (service / "package.json").is_file() or not (service / ".copier-answers.yml").is_file():
        print(
            f"error: {service} is not a service that Plinth wrote (it needs package.json and .copier-answers.yml).\n"
            "Give the folder of one, for example: python hooks/post_copy.py ../ticket-shop",
            file=sys.stderr,
        )
        return 2
    program = runtime(service)
    problem = runtime_problem(service, program)
    if arguments.path:
        os.environ["PATH"] = os.pathsep.join([arguments.path, os.environ.get("PATH", os.defpath)])
    try:
        write_env(service)
        commit(service)
        install(service)
    except KeyboardInterrupt:
        say("\nInterrupted. The service is complete; what is still missing is done by the commands below.")
    given = arguments.path if shutil.which(program, path=arguments.path) else ""
    say_next(service, problem, given)
    return 0


def write_env(service: Path) -> None:
    """`.env` with fresh secrets, by the service's own script, which the first `dev` would run too."""
    if (service / ".env").exists():
        return say(".env: it is there, and stays as it is.")
    script = service / "scripts" / "dev.mjs"
    result = run(service, runtime(service), str(script.relative_to(service)), "--env-only")
    if not (service / ".env").exists():
        by_hand = f"The first `{manager(service)} run dev` writes it."
        return say(f".env: left out ({reason(result, runtime(service))}). {by_hand}")
    return say(".env: written, with fresh secrets.")


def commit(service: Path) -> None:
    """A repository with a first commit, which `copier update` needs; never in or over an existing one."""
    by_hand = f"cd {shlex.quote(str(service))} && git init -b main && git add -A && git commit -m 'Start from Plinth'"
    # Looked for by hand: git itself denies a repository that belongs to another user.
    if any((folder / ".git").exists() for folder in (service, *service.parents)):
        return say("git: the folder is in a repository already, which stays as it is.")
    if shutil.which("git") is None:
        return say(f"git: left out (git is not installed). Later: {by_hand}")
    try:
        for command in (
            ["git", "init", "--quiet", "--initial-branch=main"],
            ["git", "add", "--all"],
            ["git", "commit", "--quiet", "--message", "Start from Plinth"],
        ):
            result = run(service, *command)
            if result is None or result.returncode != 0:
                remove(service / ".git")  # made a moment ago, and of no use half done
                return say(f"git: left out ({reason(result, 'git')}). Later: {by_hand}")
    except KeyboardInterrupt:
        remove(service / ".git")
        raise
    return say("git: a repository with a first commit.")


def install(service: Path) -> None:
    """The dependencies, as the lockfile has them."""
    tool = manager(service)
    by_hand = f"cd {shlex.quote(str(service))} && {tool} install"
    if (service / "node_modules").exists():
        return say("packages: they are there, and stay as they are.")
    if shutil.which(tool) is None:
        return say(f"packages: left out ({tool} is not installed). Later: {by_hand}")
    say(f"packages: {tool} installs them ...")
    options = ["--no-audit", "--no-fund", "--fetch-retries=1"] if tool == "npm" else ["--frozen-lockfile"]
    try:
        result = run(service, tool, "ci" if tool == "npm" else "install", *options)
    except KeyboardInterrupt:
        remove(service / "node_modules")
        raise
    if result is None or result.returncode != 0:
        remove(service / "node_modules")
        return say(f"packages: left out ({reason(result, tool)}). Later: {by_hand}")
    return say("packages: installed.")


def say_next(service: Path, problem: str, path: str) -> None:
    """The next commands; first how to get the right Node or Bun, where the user's own will not do."""
    tool = manager(service)
    start = f"{tool} run dev" if (service / "node_modules").exists() else f"{tool} install && {tool} run dev"
    lines = [f"cd {shlex.quote(str(service))}", start]
    if problem:
        say(problem + (" This shell gets a new enough one by the first line below." if path else ""))
        if path:
            lines.insert(0, f'export PATH={shlex.quote(path)}:"$PATH"')
    print("\nNext:\n\n" + "\n".join(f"    {line}" for line in lines) + "\n", flush=True)


def runtime_problem(service: Path, program: str) -> str:
    """What is wrong with the Node or Bun on PATH, or nothing."""
    least = wanted(service, program)
    result = run(service, program, "--version")
    found = result.stdout.strip() if result is not None else ""
    if version(found) and version(found) >= version(least):
        return ""
    how = f" Get it by `npm install --global bun@{least.strip('>=')}`." if program == "bun" else ""
    needs = f"the service needs {program.capitalize()} {least}"
    return f"{program}: {needs}, and the one on PATH is {found or 'missing'}.{how}"


def wanted(service: Path, program: str) -> str:
    engines = json.loads((service / "package.json").read_text(encoding="utf-8")).get("engines", {})
    return str(engines.get(program, ">=0"))


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version, such as v24.9.0 or >=1.4; none if it has none."""
    match = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def manager(service: Path) -> str:
    return "bun" if (service / "bun.lock").exists() else "npm"


def runtime(service: Path) -> str:
    return "bun" if manager(service) == "bun" else "node"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str] | None:
    """Runs a program; None if it is not installed or takes for ever."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def reason(result: subprocess.CompletedProcess[str] | None, program: str) -> str:
    """Why a program failed, in one line."""
    if result is None:
        return f"{program} is not installed or did not end"
    lines = [line.strip() for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fatal|unable|identity|tell me", line, re.IGNORECASE)]
    return (telling or lines or [f"{program} ended with {result.returncode}"])[0]


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
