"""The family's own tools: what the Makefile's targets and the tests run."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLCHAIN = ROOT / ".toolchain"
VARIANTS: tuple[str, ...] = tuple(sorted(path.name for path in (ROOT / "variants").iterdir() if path.is_dir()))
"""The variants that are built."""


class ToolError(Exception):
    """Something that the user can mend; the message says how."""
