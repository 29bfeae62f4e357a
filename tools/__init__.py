"""The family's own tools: what the Makefile's targets and the tests run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOLCHAIN = ROOT / ".toolchain"
QUESTIONS: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
VARIANTS: tuple[str, ...] = tuple(sorted(QUESTIONS["variant"]["choices"].values()))
"""The variants that are offered. A folder of variants/ that copier.yml does not offer is not finished yet."""

DEFAULT_VARIANT: str = QUESTIONS["variant"]["default"]


def of_services(variant: str) -> dict[str, Any]:
    """The questions that a new service of a variant is asked, after which one it is."""
    return {
        name: question
        for name, question in QUESTIONS.items()
        if not name.startswith("_")
        and "create == 'service'" in str(question.get("when"))
        and ("variant" not in question["when"] or f"'{variant}'" in question["when"])
    }


class ToolError(Exception):
    """Something that the user can mend; the message says how."""
