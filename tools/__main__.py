"""The make targets' entry point: python -m tools COMMAND."""

from __future__ import annotations

import argparse
import sys

from tools import ROOT, VARIANTS, ToolError


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools", description="Plinth's own tools; `make help` lists them.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("new", help="a new service")
    command.add_argument("--dest", default="")
    command.add_argument("--variant", default="")
    command.add_argument("--data", default="")
    command = commands.add_parser("try", help="a service in a scratch folder, running")
    command.add_argument("--variant", default="")
    command.add_argument("--data", default="")
    command = commands.add_parser("render", help="variants with their defaults, in a scratch folder")
    command.add_argument("--variant", default="")
    command.add_argument("--watch", default="")
    command = commands.add_parser("check", help="the templates parse and render")
    command.add_argument("files", nargs="*", help="ignored: a change anywhere may break any variant")
    commands.add_parser("env", help="the line that puts the pinned Node, npm and Bun first on PATH")
    command = commands.add_parser("bench", help="the figures of the README")
    command.add_argument("--variant", default="")
    command.add_argument("--quick", default="")
    command = commands.add_parser("regenerate", help="lockfiles and OpenAPI documents of variants, from their sources")
    command.add_argument("--variant", default="")
    command = commands.add_parser("release", help="date, commit, tag and list a version")
    command.add_argument("--version", default="")
    command.add_argument("--check", action="store_true", help="only say whether it can be released")
    arguments = parser.parse_args(argv)
    try:
        return run(arguments)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def run(arguments: argparse.Namespace) -> int:
    from tools import bench, check, figures, install, new, regenerate, releases, render, toolchain

    if arguments.command == "env":
        print(toolchain.shell_line())
        return 0
    if arguments.command == "check":
        found = check.problems()
        for problem in found:
            print(problem, file=sys.stderr)
        return 1 if found else 0
    if arguments.command == "new":
        new.new(arguments.dest, arguments.variant, arguments.data)
        return 0
    if arguments.command == "try":
        if not arguments.variant:
            raise ToolError(f"Which variant? For example: make try VARIANT={VARIANTS[0]}")
        return new.try_out(arguments.variant, arguments.data)
    if arguments.command == "release":
        (releases.check if arguments.check else releases.release)(arguments.version)
        return 0
    quick = getattr(arguments, "quick", "") not in {"", "0"}
    if arguments.command == "bench" and arguments.variant in {"", figures.COPIER}:
        bench.bench(figures.COPIER, quick=quick)
        if arguments.variant:
            return 0
    variants = (new.check_variant(arguments.variant),) if arguments.variant else VARIANTS
    if arguments.command == "regenerate":
        for variant in variants:
            regenerate.regenerate(variant)
        return 0
    if arguments.command == "bench":
        for variant in variants:
            bench.bench(variant, quick=quick)
        return 0
    folder = ROOT / ".render"
    for variant in variants:
        changed = render.refresh(variant, folder / variant)
        print(f"{folder / variant}: {len(changed)} files changed", flush=True)
        if not (folder / variant / "node_modules").exists():
            print("Installing its packages, for tsc and the editor (a minute the first time) ...", flush=True)
            install.install(folder / variant)
    if arguments.watch not in {"", "0"}:
        print("Watching template/ and variants/ (Ctrl-C ends it) ...", flush=True)
        render.follow(variants, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
