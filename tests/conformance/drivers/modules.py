"""A module that `copier copy` has written into a service: it must pass what the sample's own modules pass."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlencode

import httpx

from tests.conformance.drivers import Call, Driver, Session, TenantDriver
from tests.conformance.drivers.fastify_bun import FastifyBun
from tests.conformance.drivers.nest_drizzle import NestDrizzle
from tests.conformance.drivers.nest_prisma import API, NestPrisma
from tests.conformance.drivers.nest_typeorm import NestTypeorm
from tests.conformance.drivers.next_supabase import NextSupabase, Stored
from tests.modules.adding import every_type

_numbers = itertools.count(1)


@runtime_checkable
class ModuleDriver(Driver, Protocol):
    """A driver whose resource is one of a module's."""

    module: Mapping[str, object]
    """What was answered for the module."""


def answers(variant: str) -> Mapping[str, object]:
    return {"create": "module", "module_singular": "venue", "module_fields": every_type(variant)}


def a_venue(**members: object) -> dict[str, object]:
    """A valid body: all that is required, and what is unique is new."""
    number = next(_numbers)
    return {
        "name": f"Venue {uuid.uuid4()}",
        "summary": "By the river",
        "capacity": number,
        "rating": 4.5,
        "isOpen": True,
        "builtOn": f"{1000 + number // 300}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}",
        "opensAt": f"{2000 + number // 3000}-01-01T{number // 60 % 24:02}:{number % 60:02}:00.{number % 1000:03}Z",
        "status": "open",
        "layout": {"rows": [1, 2, {"deep": None}]},
        **members,
    }


class _Venues:
    """The calls of all."""

    naming = "name"
    touch = "UPDATE venues SET summary = 'moved', version = version + 1 WHERE id = %(resource)s"
    lock = "SELECT 1 FROM venues WHERE id = %(resource)s FOR UPDATE"
    effects = "SELECT count(*) FROM venues WHERE parent_id = %(resource)s"
    breakage = "ALTER TABLE venues RENAME TO gone"
    versions_per_write = 0
    venues = "/venues"

    def create(self, **members: object) -> Call:
        return Call("POST", self.venues, a_venue(**members))

    def read(self, resource: str) -> Call:
        return Call("GET", f"{self.venues}/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"{self.venues}?{urlencode(query)}")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        return Call("PATCH", f"{self.venues}/{resource}", changes, {"if-match": f'"{version}"'})

    def at(self, time: str, /) -> Call | None:
        return self.create(opensAt=time)

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", self.venues, a_venue(parentId=resource, nickname="x" * n, **changes), headers)


class NestTypeormModule(_Venues, NestTypeorm):
    module = answers("nest-typeorm")
    checks = frozenset({12, 13, 14, 46})


class _OwnVenues(_Venues):
    """The calls of those variants in which rows belong to somebody."""

    def sample(self) -> TenantDriver:
        """The driver of the sample's own modules, which the service has as well."""
        raise NotImplementedError

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        sample = await self.sample().owned(api)
        return {**sample, f"{self.venues}/{{id}}": (await self.create().send(api)).json()["id"]}

    def addressed(self, template: str, method: str, path: str) -> Call:
        if template != f"{self.venues}/{{id}}":
            return self.sample().addressed(template, method, path)
        bodies: dict[str, Mapping[str, object]] = {"put": a_venue(), "patch": {"summary": "Mine now"}}
        headers = {"if-match": '"1"'} if method in ("put", "patch", "delete") else {}
        return Call(method.upper(), path, bodies.get(method), headers)

    def referring(self, tenant: Session, resource: str) -> list[Call]:  # noqa: ARG002 - none refers to a user
        return [self.write_once(resource)]

    def unique(self, value: str) -> Call:
        return self.create(name=value)


class NestDrizzleModule(_OwnVenues, NestDrizzle):
    module = answers("nest-drizzle")
    checks = frozenset({2, 3, 4, 5, 6, 7, 12, 13, 14, 46})
    identified = "SELECT tenant_id::text FROM venues WHERE id = %(resource)s"

    def sample(self) -> NestDrizzle:
        sample = NestDrizzle()
        sample.mails = self.mails  # where the service writes them
        return sample


class FastifyBunModule(_OwnVenues, FastifyBun):
    module = answers("fastify-bun")
    checks = frozenset({2, 4, 5, 6, 7, 12, 13, 14, 46})
    identified = "SELECT user_id::text FROM venues WHERE id = %(resource)s"

    def sample(self) -> FastifyBun:
        return FastifyBun()


class NestPrismaModule(_OwnVenues, NestPrisma):
    module = answers("nest-prisma")
    checks = frozenset({2, 4, 5, 6, 7, 12, 13, 14, 46})
    venues = f"{API}/venues"
    identified = "SELECT organization_id::text FROM venues WHERE id = %(resource)s"

    def sample(self) -> NestPrisma:
        sample = NestPrisma()
        sample.google = self.google  # which the service knows
        return sample


class NextSupabaseModule(_OwnVenues, NextSupabase):
    module = answers("next-supabase")
    checks = frozenset({4, 5, 6, 7, 12, 13, 14, 23, 24, 45, 46})
    venues = f"{API}/venues"
    identified = "SELECT user_id::text FROM venues WHERE id = %(resource)s"
    privileged: Mapping[str, object] = {
        name: value
        for name, value in NextSupabase.privileged.items()
        if name != "ownerId"  # a field of the module
    }

    def sample(self) -> NextSupabase:
        return NextSupabase()

    async def stored(self, api: httpx.AsyncClient) -> list[Stored]:
        return [*await super().stored(api), Stored("venues", self.venues, a_venue)]

    @cached_property
    def _keyed(self) -> dict[tuple[object, ...], Call]:
        return {}

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        """With a key, the same each time, unique values and all: by these, too, requests of one key meet each other."""
        call = super().write_once(resource, key, n, **changes)
        return call if key is None else self._keyed.setdefault((resource, key, n), call)
