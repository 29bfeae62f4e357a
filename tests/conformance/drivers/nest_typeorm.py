"""nest-typeorm: events, and tickets that are sold for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tests.conformance.drivers import Call


class NestTypeorm:
    variant = "nest-typeorm"
    # No authentication, no tenants, no jobs, no upstream services, no user's secrets.
    checks = frozenset({11, 12, 13, 14, 22, 23, 24, 25, 26, 31, 32, 33, 38, 39, 40})
    migrate: tuple[str, ...] = ("node", "dist/database/cli.js", "migrate")
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
    lock = "SELECT 1 FROM events WHERE id = %s FOR UPDATE"
    touch = "UPDATE events SET venue = 'moved', version = version + 1 WHERE id = %s"
    effects = "SELECT count(*) FROM purchases WHERE event_id = %s"
    reserve = "INSERT INTO idempotency_keys (key, fingerprint, response) VALUES (%s, '', '{}')"
    give_back = "DELETE FROM idempotency_keys WHERE key = %s"
    breakage = "ALTER TABLE events RENAME TO gone"

    def create(self, **members: object) -> Call:
        event = {
            "name": "An evening of string quartets",
            "description": "Haydn and Bartók",
            "venue": "Town hall",
            "startsAt": "2099-05-01T19:30:00.000Z",
            "capacity": 500,
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

    def write_once(self, resource: str, key: str | None = None, /, **changes: Any) -> Call:
        purchase = {"quantity": 1, "buyer": {"name": "Ada Lovelace", "email": "ada@example.com"}}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", f"/events/{resource}/tickets/purchase", purchase | changes, headers)
