"""What every error of every service looks like: RFC 9457, with the family's own members."""

from __future__ import annotations

import re
from typing import Any

import httpx

_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
# What a client must never read in an error: stacks, SQL, paths of the machine, secrets, the driver's own words.
_LEAK = re.compile(
    r"\n\s+at |node_modules|/dist/|file://|\.(?:[cm]?[jt]s):\d+|/(?:home|root|tmp|usr|var|work)/"
    r"|\b(?i:SELECT .+ FROM|INSERT INTO|DELETE FROM|UPDATE \S+ SET|failed query)\b"
    r"|\brelation\b|\bviolates\b|constraint \"|CHK_|PK_|FK_|IDX_"
    r"|postgres(?:ql)?:|password(?:=| auth|_)|\bECONN|127\.0\.0\.1|QueryFailedError|TypeError|ReferenceError",
)


def problem(response: httpx.Response, status: int | None = None, code: str | None = None) -> dict[str, Any]:
    """Asserts that an answer is a complete problem document that tells no secret, and returns it."""
    assert status in (None, response.status_code), f"{response.status_code} instead of {status}: {response.text}"
    assert response.headers["content-type"].partition(";")[0] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    for member in ("type", "title", "detail", "instance", "code", "requestId"):
        assert isinstance(document.get(member), str), f"{member}: {response.text}"
        assert document[member], f"{member} is empty: {response.text}"
    assert document["status"] == response.status_code
    assert document["requestId"] == response.headers["x-request-id"]
    assert _CODE.fullmatch(document["code"]), document["code"]
    assert code in (None, document["code"]), response.text
    for fault in document.get("errors", []):
        assert fault["pointer"] == "" or fault["pointer"].startswith("/"), fault
        assert fault["message"], fault
    leak = _LEAK.search(response.text)
    assert leak is None, f"{leak[0]!r} leaks: {response.text}"
    return document


def is_refusal(response: httpx.Response) -> bool:
    """Whether an answer blames the request."""
    return 400 <= response.status_code < 500
