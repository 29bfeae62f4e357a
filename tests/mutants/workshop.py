"""Where services are sabotaged, built and checked."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests import next_cache
from tests.conformance.drivers.modules import answers
from tests.conftest import DISK
from tests.modules.adding import service_with_module
from tests.mutants import Edit, Mutant
from tools import ROOT
from tools.install import install, manager
from tools.render import render
from tools.toolchain import environment

Verdict = Literal["killed", "SURVIVED", "BROKEN"]


class Workshop:
    """A service with its packages, and with a module if its subject has one, which mutants change for their tests."""

    def __init__(self, subject: str, folder: Path, shared: Path) -> None:
        variant = subject.removesuffix("-module")
        self._report = folder / f"{subject}.xml"
        if subject == variant:
            self._service = render(variant, folder / subject)
            install(self._service)
        else:
            self._service = service_with_module(variant, answers(variant), folder / subject, shared)
        next_cache.take(self._service, shared)

    def applies(self, mutant: Mutant) -> bool:
        """Whether what is to be replaced is there, once."""
        return all(self._target(edit) is not None for edit in mutant.edits)

    def judge(self, *mutants: Mutant, by: Sequence[Mutant] | None = None) -> tuple[dict[Mutant, Verdict], str]:
        """Builds the service with some sabotages at once and runs the tests that must fail.

        Args:
            by: the mutants whose tests are run, where it is not the tests of these

        Returns:
            the verdict on each mutant whose tests were run, and what was printed
        """
        tested = mutants if by is None else by
        originals: dict[Path, str] = {}
        try:
            for edit in (edit for mutant in mutants for edit in mutant.edits):
                file = self._target(edit)
                if file is None:
                    return dict.fromkeys(tested, "BROKEN"), f"{edit.file} does not hold this once: {edit.find}"
                text = file.read_text()
                originals.setdefault(file, text)
                file.write_text(text.replace(edit.find, edit.replace))
            build = subprocess.run(
                [manager(self._service), "run", "build"],
                cwd=self._service,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if build.returncode != 0:
                return dict.fromkeys(tested, "BROKEN"), build.stdout + build.stderr
            return self._check(tested)
        finally:
            for file, text in originals.items():
                file.write_text(text)

    def _target(self, edit: Edit) -> Path | None:
        path = edit.file
        found = list(self._service.glob(path)) if "*" in path else [self._service / path]  # [id] is a name, no pattern
        files = [file for file in found if file.is_file()]
        return files[0] if len(files) == 1 and files[0].read_text().count(edit.find) == 1 else None

    def _check(self, mutants: Sequence[Mutant]) -> tuple[dict[Mutant, Verdict], str]:
        subject = mutants[0].subject
        self._report.unlink(missing_ok=True)
        result = subprocess.run(
            [
                sys.executable,
                *(
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "no:cacheprovider",
                    f"--junit-xml={self._report}",
                    f"--basetemp={self._report.with_suffix('')}-tests",
                    "-k",
                    subject if mutants[0].module else f"{subject} and not {subject}-module",
                ),
                *(["-x"] if len(mutants) == 1 else []),
                *(f"tests/conformance/{mutant.test}" for mutant in mutants),
            ],
            cwd=ROOT,
            env=_outside() | {"CONFORMANCE_SERVICE": str(self._service)},
            capture_output=True,
            text=True,
            check=False,
        )
        output = result.stdout + result.stderr
        if not self._report.exists():
            return dict.fromkeys(mutants, "BROKEN"), output
        cases = list(ElementTree.parse(self._report).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it
        return {mutant: _verdict([case for case in cases if _is_of(case, mutant)]) for mutant in mutants}, output


def _outside() -> dict[str, str]:
    """The environment of a run of tests that knows nothing of the one that it is started by."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
    return inherited | {"TMPDIR": DISK}


def _is_of(case: ElementTree.Element, mutant: Mutant) -> bool:
    file, _, name = mutant.test.partition("::")
    found = case.attrib["classname"].rpartition(".")[2], case.attrib["name"].partition("[")[0]
    return found == (file.removesuffix(".py"), name or found[1])


def _verdict(cases: Sequence[ElementTree.Element]) -> Verdict:
    """A test that cannot even begin, since the service does not start, proves nothing."""
    if not cases or any(case.find("error") is not None for case in cases):
        return "BROKEN"
    return "killed" if any(case.find("failure") is not None for case in cases) else "SURVIVED"


class Workshops(dict[str, Workshop]):
    """One per variant, and one per variant with a module, made when it is needed."""

    def __init__(self, folder: Path, shared: Path) -> None:
        self._folder, self._shared = folder, shared

    def __missing__(self, subject: str) -> Workshop:
        self[subject] = Workshop(subject, self._folder, self._shared)
        return self[subject]
