"""What the suite needs to know of a variant to drive its services from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
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


@dataclass(frozen=True)
class Session:
    """What a client has once it is signed in."""

    tenant: str
    """Whose rows it sees: an id of whatever separates the users of the variant from each other."""
    user: str
    token: str
    """Sent with every request."""
    renewal: str
    """What gives another token."""

    @property
    def headers(self) -> Mapping[str, str]:
        """How the token is sent."""
        return {"authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Security:
    """How PostgreSQL keeps tenants apart."""

    column: str
    """Holds the tenant of a row."""
    setting: str
    """Of a session: the tenant whose rows the policies show."""
    tables_without: frozenset[str]
    """Those that come before there is a tenant; a row of theirs belongs to a person, or to nobody."""
    tables_of_tools: frozenset[str] = frozenset()
    """Those that hold nothing of anybody."""
    reachable: frozenset[str] = frozenset()
    """The roles that the service's may become, for whom the same holds."""


class Account(httpx.Auth):
    """Whoever sends a client's requests: signs up at the first of them, as a tenant of its own."""

    def __init__(self, driver: TenantDriver, session: Session | None = None) -> None:
        self._driver = driver
        self._session = session
        self._signing_up = asyncio.Lock()

    @property
    def session(self) -> Session:
        assert self._session, "nobody has signed up yet: send a request first"
        return self._session

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with self._signing_up:
            if self._session is None:
                call = self._driver.sign_up()
                url = request.url.join(call.path)
                answer = yield httpx.Request(call.method, url, json=call.json, headers=call.headers)
                await answer.aread()
                assert answer.is_success, answer.text
                self._session = self._driver.session(answer.json())
        for name, value in self._session.headers.items():
            request.headers.setdefault(name, value)
        yield request


class Driver(Protocol):
    """One per variant, in a module of its own; `conftest.DRIVERS` lists them.

    Its SQL takes the id of a resource as `%(resource)s` and a key of `write_once` as `%(key)s`.
    """

    variant: str
    checks: frozenset[int]
    """Which checks of the scorecard apply. `test_scorecard.py` compares it with the scorecard itself."""
    migrate: tuple[str, ...]
    """The command of a built service that applies its migrations."""
    evaluate: tuple[str, ...]
    """The command that runs a script in a built service, without the script."""
    problems: str
    """The module of a built service, as `import` names it, with its catalog of errors."""
    config: str
    """The module that reads the settings of the service."""
    migration_config: str
    """The module that reads the settings of its migrations."""
    source: str
    """The folder that holds the code."""
    endings: frozenset[tuple[str, str]]
    """The operations that end their caller's session, as (method, path)."""
    shown_by_examples: tuple[str, ...]
    """The status of each request that the README shows the answer of, and whether it was a repeated one."""
    shipped: frozenset[str]
    """What the image holds beside packages and their manifest."""
    for_development: frozenset[str]
    """The variables of servers that production has no use for, and refuses."""
    required: Mapping[str, str]
    """The settings without which it does not start, with values that production accepts."""
    privileged: Mapping[str, object]
    """Members that a client might want to set and must not, with values that no service chooses by itself."""
    naming: str
    """The member of a resource that holds its name. `create` and `change` take it as `name`."""
    lock: str
    """SQL that locks the row of a resource."""
    touch: str
    """SQL that changes a resource as another writer would: its version goes up by one."""
    effects: str
    """SQL that counts the effects that `write_once` had on a resource."""
    reserve: str
    """SQL that takes, by the key of a `write_once`, a lock that `write_once` takes after the resource's row."""
    give_back: str
    """SQL that undoes `reserve`."""
    breakage: str
    """SQL after which every statement about resources fails."""
    versions_per_write: int
    """By how much `write_once` raises the version of the resource."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What the tests set beside the URLs of servers: secrets, and limits that are a matter of their own tests."""
        ...

    def account(self) -> Account | None:
        """Somebody new to send requests; None where nobody needs to say who they are."""
        ...

    def apart(self, name: str) -> Mapping[str, str]:
        """Settings with which a service on a database of its own shares no queue and no stream with the others."""
        ...

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

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        """The write whose repetition would hurt: it locks the resource's row and adds an effect, once per key.

        Args:
            n: bodies of another `n` differ; that of 0 is not valid
        """
        ...

    def at(self, time: str, /) -> Call | None:
        """A valid request but for a point in time; None if no request of the variant has one."""
        ...

    async def exercise(self, api: httpx.AsyncClient) -> None:
        """Does something of each kind, so that each metric has a sample."""
        ...


class TenantDriver(Driver, Protocol):
    """A variant whose users must not see each other."""

    public: frozenset[tuple[str, str]]
    """The operations of the OpenAPI document that need no token, as method and path."""
    identified: str
    """SQL that gives the tenant of a resource."""
    planted: Mapping[str, str]
    """SQL that makes a row for the tenant `%(tenant)s`, and gives its id, by path: of kinds that no request makes."""

    def account(self) -> Account: ...

    def sign_up(self) -> Call:
        """Makes somebody new, with a tenant of their own."""
        ...

    def log_in(self, email: str, password: str) -> Call:
        """Asks for a session."""
        ...

    def session(self, answer: Any) -> Session:
        """Reads the answer to `sign_up` and to `renew`."""
        ...

    def renew(self, session: Session) -> Call:
        """Exchanges the renewal of a session for a new session."""
        ...

    def sign_out(self, session: Session) -> Call:
        """Ends a session."""
        ...

    async def join(self, api: httpx.AsyncClient) -> Session:
        """Makes somebody new who belongs to the tenant of the client, with the least rights."""
        ...

    def unique(self, value: str) -> Call:
        """Makes something that has a value which nothing else of the tenant may have; answered 201, and then 409."""
        ...

    def privileged_calls(self, resource: str, owner: Session) -> list[Call]:
        """What a member with the least rights may not do to a resource, or to the owner of the tenant."""
        ...

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        """Makes a row of each kind that has a path, and returns the ids by its template, with slashes between them."""
        ...

    def addressed(self, template: str, method: str, path: str) -> Call:
        """A request that would be granted to whoever owns what the path addresses.

        Args:
            template: the path in the OpenAPI document
            path: the same with ids in place
        """
        ...

    def referring(self, tenant: Session, resource: str) -> list[Call]:
        """Writes that refer to a resource and to a user by their ids."""
        ...

    def forged(self, session: Session) -> Mapping[str, str]:
        """Tokens that look like a session's and must not be believed, by what is wrong with them."""
        ...


class SecuredDriver(TenantDriver, Protocol):
    """A variant whose tenants are kept apart by row-level security."""

    security: Security
