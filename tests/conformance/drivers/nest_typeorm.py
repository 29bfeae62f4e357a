"""nest-typeorm: events, and tickets that are sold for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.conformance.drivers import Call


class NestTypeorm:
    variant = "nest-typeorm"
    # No authentication, no tenants, no jobs, no upstream services, no user's secrets.
    checks = frozenset({11, 12, 13, 14, 22, 23, 24, 25, 26, 31, 32, 33, 38, 39, 40, 43, 46, 60})
    migrate: tuple[str, ...] = ("node", "dist/database/cli.js", "migrate")
    evaluate: tuple[str, ...] = ("node", "--input-type=module", "--eval")
    problems = "./dist/common/errors/problem-catalog.js"
    config = "./dist/config/config.js"
    source = "src"
    migration_config = "./dist/config/config.js"
    endings: frozenset[tuple[str, str]] = frozenset()
    shown_by_examples: tuple[str, ...] = ("201 -", "201 true", "200 -", "200 -", "201 -", "200 -")
    shipped = frozenset({"dist"})
    for_development: frozenset[str] = frozenset()
    required: Mapping[str, str] = {"DATABASE_URL": "postgresql://app@localhost:5432/app"}
    settings: Mapping[str, str] = {}
    privileged: Mapping[str, object] = {
        "id": "00000000-0000-4000-8000-000000000000",
        "version": 77,
        "sold": 7,
        "soldOut": True,
        "available": 7,
        "createdAt": "2001-01-01T00:00:00Z",
        "updatedAt": "2001-01-01T00:00:00Z",
        "role": "admin",
        "tenantId": "00000000-0000-4000-8000-000000000000",
    }
    naming = "name"
    lock = "SELECT 1 FROM events WHERE id = %(resource)s FOR UPDATE"
    touch = "UPDATE events SET venue = 'moved', version = version + 1 WHERE id = %(resource)s"
    effects = "SELECT count(*) FROM purchases WHERE event_id = %(resource)s"
    reserve = "INSERT INTO idempotency_keys (key, fingerprint, response) VALUES (%(key)s, '', '{}')"
    give_back = "DELETE FROM idempotency_keys WHERE key = %(key)s"
    breakage = "ALTER TABLE events RENAME TO gone"
    versions_per_write = 0

    def account(self) -> None:
        return None

    def apart(self, name: str) -> Mapping[str, str]:  # noqa: ARG002 - it has neither queues nor streams
        return {}

    def create(self, **members: object) -> Call:
        event = {
            "name": "An evening of string quartets",
            "description": "Haydn and Bartók",
            "venue": "Town hall",
            "startsAt": "2099-05-01T19:30:00.000Z",
            "capacity": 1_000_000,
            "price": 4_500,
            "currency": "EUR",
        }
        return Call("POST", "/events", event | members)

    def read(self, resource: str) -> Call:
        return Call("GET", f"/events/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"/events?{urlencode(query)}")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        return Call("PATCH", f"/events/{resource}", changes, {"if-match": f'"{version}"'})

    def at(self, time: str, /) -> Call | None:
        return self.create(startsAt=time)

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        purchase = {"quantity": n, "buyer": {"name": "Ada Lovelace", "email": "ada@example.com"}}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", f"/events/{resource}/tickets/purchase", purchase | changes, headers)

    async def exercise(self, api: httpx.AsyncClient) -> None:
        event = (await self.create(capacity=1).send(api)).json()["id"]
        for call in (self.write_once(event), self.write_once(event), self.read(event)):
            await call.send(api)
