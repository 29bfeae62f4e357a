"""What the suite needs to know of a variant to drive its services from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

Json = Mapping[str, object]


@dataclass(frozen=True)
class Call:
    """A request, without the service that it goes to."""

    method: str
    path: str
    json: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(self.method, self.path, json=self.json, headers=self.headers)


class Driver(Protocol):
    """One per variant, in a module of its own; `drivers.all_drivers` collects them."""

    variant: str
    checks: frozenset[int]
    """Which checks of the scorecard apply. `test_scorecard.py` compares it with the scorecard itself."""
    migrate: tuple[str, ...]
    """The command of a built service that applies its migrations."""
    privileged: Mapping[str, object]
    """Members that a client might want to set and must not, with values that no service chooses by itself."""
    lock: str
    """SQL that locks the row of a resource, by its id."""
    touch: str
    """SQL that changes a resource as another writer would, by its id: its version goes up by one."""
    effects: str
    """SQL that counts the effects that `write_once` had on a resource, by its id."""
    reserve: str
    """SQL that takes, by the key of a `write_once`, a lock that `write_once` takes after the resource's row."""
    give_back: str
    """SQL that undoes `reserve`, by the key."""

    breakage: str
    """SQL after which every statement about resources fails."""

    def create(self, **members: object) -> Call:
        """Makes the resource that the other calls work on; answered 201 with its `id`."""
        ...

    def read(self, resource: str) -> Call:
        """Reads the resource."""
        ...

    def find(self, **query: object) -> Call:
        """Lists resources of this kind."""
        ...

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        """Changes the resource where it is still at a version."""
        ...

    def write_once(self, resource: str, key: str | None = None, /, **changes: Any) -> Call:
        """The write whose repetition would hurt: it locks the resource's row and adds an effect, once per key."""
        ...
