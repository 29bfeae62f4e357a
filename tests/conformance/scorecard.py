"""The checks of the scorecard: their titles, to which variants they apply, and how a run of them went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tools import VARIANTS

Outcome = Literal["passed", "failed"]

LETTERS = {
    "T": "nest-typeorm",
    "D": "nest-drizzle",
    "F": "fastify-bun",
    "P": "nest-prisma",
    "S": "next-supabase",
}


@dataclass(frozen=True)
class Check:
    """What every service of some variants must survive."""

    number: int
    title: str
    letters: str

    @property
    def variants(self) -> frozenset[str]:
        return frozenset(LETTERS[letter] for letter in self.letters)


CHECKS = (
    Check(1, "the application's role is no superuser, bypasses no RLS and owns no table", "DS"),
    Check(
        2, "every tenant table has RLS, FORCE and a policy, or its tenant column, not null and indexed first", "DFPS"
    ),
    Check(3, "a SELECT without a tenant gives no row and no error", "D"),
    Check(4, "another tenant's id is answered like a random one, to the byte", "DFPS"),
    Check(5, "another tenant's id in a body changes nothing of theirs", "DFPS"),
    Check(6, "a reference to another tenant's row is answered like one to no row", "DFPS"),
    Check(7, "two tenants may hold the same unique value", "DFPS"),
    Check(8, "a pool of one connection never mixes tenants up", "DFPS"),
    Check(9, "views, partitions and definer functions show no other tenant's row", "DFPS"),
    Check(10, "a job without a tenant is refused, and one with a tenant stays within it", "DP"),
    Check(11, "schemathesis over the whole document: no 5xx, no response outside it", "TDFPS"),
    Check(12, "unknown and privileged members change nothing", "TDFPS"),
    Check(13, "hostile bodies get 4xx and the process stays up", "TDFPS"),
    Check(14, "every error is an RFC 9457 document that leaks nothing", "TDFPS"),
    Check(15, "no connection goes to a private address that a user supplied", "F"),
    Check(16, "a soft-deleted unique value can be used again", "P"),
    Check(17, "every route off the public list answers 401 to a stranger", "DFPS"),
    Check(18, "forged, foreign, expired and cut tokens get 401", "DFPS"),
    Check(19, "a token is worth nothing after logout, within the documented bound", "DFPS"),
    Check(20, "a member gets 403 on an admin route", "DFPS"),
    Check(21, "two processes share one rate limit, and X-Forwarded-For does not reset it", "DFPS"),
    Check(22, "400 concurrent purchases of 100 seats sell exactly 100", "T"),
    Check(23, "one idempotency key 50 times in parallel has one effect", "TDPS"),
    Check(24, "an idempotency key with another body gets 422", "TDPS"),
    Check(25, "a row lock held past lock_timeout gives a bounded 409 or 503", "TDFPS"),
    Check(26, "200 pairs that lock in opposite order lose nothing: deadlocks are retried", "TDFPS"),
    Check(27, "50 refreshes of one OAuth token through two processes are one call", "P"),
    Check(28, "a job whose worker is killed runs again, with one effect", "DP"),
    Check(29, "an event is delivered once though its process died before it was published", "D"),
    Check(30, "a message that comes again after the broker's window has no second effect", "D"),
    Check(31, "with its servers stopped: readiness 503, liveness 200, recovery by itself", "TDFPS"),
    Check(32, "5 s of latency on the database link: bounded answers, no connection leaks", "TDFPS"),
    Check(33, "SIGTERM under load drops no request and exits 0 in time", "TDFPS"),
    Check(34, "an upstream's 429, quota or 503 is retried with caps and jitter, invalid_grant is not", "FPS"),
    Check(35, "swapped, flipped and cut ciphertexts refuse to decrypt", "FPS"),
    Check(36, "keys rotate, and none is in a log, trace, error or dump", "FPS"),
    Check(37, "webhooks: bad signature, old, altered and repeated ones have no effect", "S"),
    Check(38, "linters and a secret scan find nothing without a waiver; images and actions by digest", "TDFPS"),
    Check(39, "the image's process is unprivileged, and a missing setting stops the start by name", "TDFPS"),
    Check(40, "one request has one trace id in spans and logs; every metric of the dashboards exists", "TDFPS"),
    Check(41, "a demoted or removed member can do no more than its new role", "DPS"),
    Check(42, "login limits stop the attacker and nobody else", "DFS"),
    Check(43, "no input of a failed write is in a log line, span or metric", "TDFPS"),
    Check(44, "a slow or endless upstream is bounded and delays no other user", "FPS"),
    Check(45, "PostgREST refuses the values that the API refuses", "S"),
    Check(46, "a column without a response member is in no response", "TDFPS"),
    Check(53, "children of a soft-deleted parent are gone, and return with it", "DP"),
    Check(54, "a session survives concurrent refreshes and a lost response", "DS"),
    Check(60, "linters find no error in openapi.json; generated clients compile and do a round trip", "TDFPS"),
)


def applicable(variant: str) -> frozenset[int]:
    """The numbers of the checks that a variant must survive."""
    return frozenset(check.number for check in CHECKS if variant in check.variants)


def table(outcomes: Mapping[tuple[int, str], Iterable[Outcome]]) -> list[str]:
    """One line per check: how it went for each built variant, `-` where it does not apply.

    Args:
        outcomes: those of each test, by check and variant
    """
    lines = [f"{'':3} {'check':95} {' '.join(VARIANTS)}"]
    for check in CHECKS:
        cells = (_cell(check, variant, outcomes).ljust(len(variant)) for variant in VARIANTS)
        lines.append(f"{check.number:3} {check.title:95} {' '.join(cells)}".rstrip())
    return lines


def _cell(check: Check, variant: str, outcomes: Mapping[tuple[int, str], Iterable[Outcome]]) -> str:
    if variant not in check.variants:
        return "-"
    found = set(outcomes.get((check.number, variant), ()))
    return "not run" if not found else "FAILED" if "failed" in found else "ok"
