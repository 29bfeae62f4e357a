"""The family's own tools: what the Makefile's targets and the tests run."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOLCHAIN = ROOT / ".toolchain"
VARIANTS: tuple[str, ...] = tuple(
    sorted(yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["variant"]["choices"].values())
)
"""The variants that are offered; a folder under variants/ that is still being built is none."""


class ToolError(Exception):
    """Something that the user can mend; the message says how."""
