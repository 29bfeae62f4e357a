"""Copier in half of the CPU time, for tests: in their own process, and as a program.

Copier compiles a template for each part of each path anew, asks git for each file whether it keeps modes, and checks
out the template five times for an update. What it writes is the same: tests/test_copier.py compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from unittest.mock import patch

from copier._cli import CopierApp
from copier._vcs import clone
from jinja2 import Environment
from jinja2.lexer import get_lexer


@contextmanager
def lean_copier() -> Iterator[None]:
    compile_anew = Environment.compile
    compiled: dict[object, Any] = {}

    def compile_once(env: Environment, source: str, *arguments: Any, **options: Any) -> Any:
        key = (type(env), get_lexer(env), *env.extensions, source, *arguments, *sorted(options.items()))
        if key not in compiled:
            compiled[key] = compile_anew(env, source, *arguments, **options)
        return compiled[key]

    with (
        patch.object(Environment, "compile", compile_once),
        patch("copier._main.Worker._sync_git_index_executable_bit", lambda *_: None),
    ):
        yield


@contextmanager
def each_template_once() -> Iterator[None]:
    """A state of a template is checked out once by a process, which changes no template."""
    with TemporaryDirectory(prefix="lean-copier-", ignore_cleanup_errors=True) as folder:

        @cache
        def checked_out(url: str, ref: str) -> str:
            return clone(url, ref, mkdtemp(dir=folder))

        # Copier deletes the empty folder that it would have the template in.
        with patch("copier._template.clone", lambda url, ref, **_: checked_out(url, ref)):
            yield


if __name__ == "__main__":
    with lean_copier(), each_template_once():
        CopierApp.run()
