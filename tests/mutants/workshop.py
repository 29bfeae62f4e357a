"""Where services are sabotaged, built and checked."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Literal

from tests.conformance.drivers.modules import answers
from tests.modules.adding import add_module
from tests.mutants import Mutant
from tools import ROOT
from tools.install import install, manager
from tools.render import render
from tools.toolchain import environment

Verdict = Literal["killed", "SURVIVED", "BROKEN"]


class Workshop:
    """A service with its packages, and with a module if its subject has one, changed for one mutant at a time."""

    def __init__(self, subject: str, folder: Path) -> None:
        variant = subject.removesuffix("-module")
        self._service = render(variant, folder / subject)
        self._report = folder / f"{subject}.xml"
        install(self._service)
        if subject != variant:
            add_module(self._service, answers(variant))

    def applies(self, mutant: Mutant) -> bool:
        """Whether what is to be replaced is there, once."""
        return self._target(mutant) is not None

    def judge(self, mutant: Mutant) -> tuple[Verdict, str]:
        """Builds the sabotaged service and runs the test that must fail. Returns the verdict, and what was printed."""
        file = self._target(mutant)
        if file is None:
            return "BROKEN", f"{mutant.file} does not hold this once: {mutant.find}"
        original = file.read_text()
        file.write_text(original.replace(mutant.find, mutant.replace))
        try:
            build = subprocess.run(
                [manager(self._service), "run", "build"],
                cwd=self._service,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            return self._check(mutant) if build.returncode == 0 else ("BROKEN", build.stdout + build.stderr)
        finally:
            file.write_text(original)

    def _target(self, mutant: Mutant) -> Path | None:
        path = mutant.file
        found = list(self._service.glob(path)) if "*" in path else [self._service / path]  # [id] is a name, no pattern
        files = [file for file in found if file.is_file()]
        return files[0] if len(files) == 1 and files[0].read_text().count(mutant.find) == 1 else None

    def _check(self, mutant: Mutant) -> tuple[Verdict, str]:
        """A test that cannot even begin, since the service does not start, proves nothing."""
        self._report.unlink(missing_ok=True)
        result = subprocess.run(
            [
                sys.executable,
                *(
                    "-m",
                    "pytest",
                    "-q",
                    "-x",
                    "-p",
                    "no:cacheprovider",
                    f"--junit-xml={self._report}",
                    "-k",
                    mutant.subject if mutant.module else f"{mutant.subject} and not {mutant.subject}-module",
                ),
                f"tests/conformance/{mutant.test}",
            ],
            cwd=ROOT,
            env=os.environ | {"CONFORMANCE_SERVICE": str(self._service)},
            capture_output=True,
            text=True,
            check=False,
        )
        if not self._report.exists():
            return "BROKEN", result.stdout + result.stderr
        suite = ElementTree.parse(self._report).getroot().find("testsuite")  # noqa: S314 - pytest wrote it
        assert suite is not None
        if int(suite.attrib["errors"]) or not int(suite.attrib["tests"]):
            return "BROKEN", result.stdout + result.stderr
        return "killed" if int(suite.attrib["failures"]) else "SURVIVED", result.stdout


class Workshops(dict[str, Workshop]):
    """One per variant, and one per variant with a module, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __missing__(self, subject: str) -> Workshop:
        self[subject] = Workshop(subject, self._folder)
        return self[subject]
