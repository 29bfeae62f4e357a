"""fastify-bun: users with keys for AI providers, and chats that are answered with them."""

from __future__ import annotations

import base64
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpx

from tests.conformance.drivers import Account, Call, Session
from tests.conformance.upstream import Reply, Upstream

PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that a test makes
ENCRYPTION_KEY = "b" * 64
OPENED = {"model": "some-model"}


@dataclass(frozen=True)
class ApiKey(Session):
    """What a program of a user has."""

    @property
    def headers(self) -> Mapping[str, str]:
        return {"x-api-key": self.token}


class FastifyBun:
    variant = "fastify-bun"
    checks = frozenset(
        {2, *range(4, 10), *range(11, 16), 17, 18, 19, 20, 21, 25, 26, *range(31, 37), 38, 39, 40, 42, 43, 44, 46, 60},
    )
    migrate: tuple[str, ...] = ("bun", "apps/api/dist/cli.js", "migrate")
    evaluate: tuple[str, ...] = ("bun", "--eval")
    problems = "./apps/api/src/shared/lib/errors/problem-catalog.ts"
    config = "./apps/api/src/shared/lib/config/config.ts"
    migration_config = config
    source = "apps/api/src"
    endings: frozenset[tuple[str, str]] = frozenset(
        {("POST", "/api/auth/sign-out"), ("POST", "/api/auth/revoke-session"), ("DELETE", "/users/me")}
    )
    shown_by_examples: tuple[str, ...] = ("200 -",)
    shipped = frozenset({"apps"})
    for_development: frozenset[str] = frozenset()
    required: Mapping[str, str] = {
        "DATABASE_URL": "postgresql://app@localhost:5432/app",
        "REDIS_URL": "redis://localhost:6379",
        "PUBLIC_URL": "http://localhost:3000",
        "AUTH_SECRET": "a" * 64,
        "ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "SMTP_URL": "smtp://localhost:2525",
    }
    privileged: Mapping[str, object] = {
        "id": "00000000-0000-4000-8000-000000000000",
        "version": 77,
        "userId": "00000000-0000-4000-8000-000000000000",
        "createdAt": "2001-01-01T00:00:00Z",
        "updatedAt": "2001-01-01T00:00:00Z",
        "role": "admin",
    }
    naming = "title"
    lock = "SELECT 1 FROM chats WHERE id = %(resource)s FOR UPDATE"
    touch = "UPDATE chats SET system_prompt = 'moved', version = version + 1 WHERE id = %(resource)s"
    effects = "SELECT count(*) FROM messages WHERE chat_id = %(resource)s"
    reserve = """
        INSERT INTO idempotency_keys (user_id, key, fingerprint, response)
        SELECT user_id, %(key)s, '', '{}' FROM chats WHERE id = %(resource)s"""
    give_back = "DELETE FROM idempotency_keys WHERE key = %(key)s"
    breakage = "ALTER TABLE chats RENAME TO gone"
    versions_per_write = 0
    identified = "SELECT user_id::text FROM chats WHERE id = %(resource)s"
    planted: Mapping[str, str] = {}
    public = frozenset(
        {
            ("post", "/api/auth/sign-up/email"),
            ("post", "/api/auth/sign-in/email"),
            ("post", "/api/auth/request-password-reset"),
            ("get", "/api/auth/instructions/{step}"),
            ("get", "/api/auth/reset-password/{token}"),
            ("post", "/api/auth/reset-password"),
            ("post", "/api/auth/send-verification-email"),
            ("get", "/api/auth/verify-email"),
            ("post", "/api/auth/verify-email"),
        }
    )

    @cached_property
    def upstream(self) -> Upstream:
        """The provider that keys are for."""
        return Upstream()

    @cached_property
    def _mails(self) -> tempfile.TemporaryDirectory[str]:
        """Gone when this process is."""
        return tempfile.TemporaryDirectory(prefix="plinth-mails-")

    def mails_to(self, email: str) -> list[str]:
        """The mails to an address, oldest first."""
        mails = [file.read_text() for file in sorted(Path(self._mails.name).glob("*.eml"))]
        return [mail for mail in mails if f"To: {email}\n" in mail]

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return {
            **self.required,
            "NODE_ENV": "test",  # production wants a server for its mails
            "SMTP_URL": "",
            "MAIL_FOLDER": self._mails.name,
            "AUTH_REQUIRE_VERIFIED_EMAIL": "false",
            "FRESH_SESSION_SECONDS": "86400",
            "LOGIN_ATTEMPTS_MAX": "1000",
            "LOGIN_ATTEMPTS_NETWORK_MAX": "1000000",
            "MAIL_REQUESTS_NETWORK_MAX": "1000000",
            "OPENAI_BASE_URL": self.upstream.url,
            "PROVIDER_ALLOWED_HOSTS": self.upstream.host,
            "SESSION_CACHE_MS": "1000",
        }

    def account(self) -> Account:
        return Account(self)

    def apart(self, name: str) -> Mapping[str, str]:
        return {"OTEL_SERVICE_NAME": name}

    def create(self, **members: object) -> Call:
        named = {self.naming: members.pop("name")} if "name" in members else {}
        return Call("POST", "/chats", {"title": f"Bridge {uuid.uuid4()}", **OPENED, **named, **members})

    def read(self, resource: str) -> Call:
        return Call("GET", f"/chats/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"/chats?{urlencode(query)}")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        named = {self.naming: changes.pop("name")} if "name" in changes else {}
        return Call("PATCH", f"/chats/{resource}", {**named, **changes}, {"if-match": f'"{version}"'})

    def at(self, _time: str, /) -> Call | None:
        return None

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        message = {"content": "x" * n, "answer": False}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", f"/chats/{resource}/messages", message | changes, headers)

    async def exercise(self, api: httpx.AsyncClient) -> None:
        await self.owned(api)
        chat = await self.answerable(api)
        await self.ask(chat).send(api)
        self.upstream.replies.append(Reply(400))
        await self.ask(chat).send(api)

    def ask(self, chat: str, *, stream: bool = True) -> Call:
        """Sends a message that is to be answered."""
        return Call("POST", f"/chats/{chat}/messages", {"content": "What is a loom?", "stream": stream})

    def key(self, secret: str = "sk-0123456789abcdefghij", **members: object) -> Call:  # noqa: S107 - of a fake provider
        """Stores a key for the provider."""
        given = {"provider": "openai", "label": str(uuid.uuid4()), "apiKey": secret}
        return Call("POST", "/providers", given | members)

    async def answerable(self, api: httpx.AsyncClient) -> str:
        """A chat that has a key."""
        key = (await self.key().send(api)).json()["id"]
        return str((await self.create(providerKeyId=key).send(api)).json()["id"])

    def sign_up(self) -> Call:
        email = f"user{uuid.uuid4().hex}@example.com"
        return Call("POST", "/api/auth/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada Lovelace"})

    def log_in(self, email: str, password: str) -> Call:
        return Call("POST", "/api/auth/sign-in/email", {"email": email, "password": password})

    def session(self, answer: Any) -> Session:
        user = answer["user"]["id"]
        return Session(user, user, answer["token"], answer["token"])

    def renew(self, session: Session) -> Call:
        return Call("GET", "/api/auth/get-session", headers=session.headers)

    def sign_out(self, session: Session) -> Call:
        return Call("POST", "/api/auth/sign-out", headers=session.headers)

    async def join(self, api: httpx.AsyncClient) -> Session:
        """A program of the user: it may use the service, and not administer the account."""
        made = (await Call("POST", "/api/auth/api-key/create", {"name": "a program"}).send(api)).json()
        user = (await Call("GET", "/users/me").send(api)).json()["id"]
        return ApiKey(user, user, made["key"], made["key"])

    def unique(self, value: str) -> Call:
        return self.key(label=value)

    def privileged_calls(self, resource: str, owner: Session) -> list[Call]:  # noqa: ARG002 - of the account, whosever
        return [
            Call("PATCH", "/users/me", {"name": "Mine"}),
            Call("DELETE", "/users/me"),
            Call("GET", "/users/me/export"),
            self.key(),
            Call("GET", "/api/auth/list-sessions"),
            Call("POST", "/api/auth/api-key/create", {"name": "another"}),
        ]

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        key = (await self.key().send(api)).json()["id"]
        chat = (await self.create(providerKeyId=key).send(api)).json()["id"]
        message = (await self.write_once(chat).send(api)).json()["userMessage"]["id"]
        paths = {
            "/chats/{id}": chat,
            "/chats/{id}/messages": chat,
            "/providers/{id}": key,
            "/providers/{id}/rotate": key,
            "/providers/{id}/test": key,
        }
        within = ("", "/stream", "/stop")
        return paths | {f"/chats/{{id}}/messages/{{messageId}}{end}": f"{chat}/{message}" for end in within}

    def addressed(self, template: str, method: str, path: str) -> Call:
        bodies: dict[tuple[str, str], Mapping[str, object]] = {
            ("patch", "/chats/{id}"): {"title": "Mine now"},
            ("post", "/chats/{id}/messages"): {"content": "Mine now"},
            ("patch", "/chats/{id}/messages/{messageId}"): {"content": "Mine now"},
            ("patch", "/providers/{id}"): {"position": 3},
            ("post", "/providers/{id}/rotate"): {"apiKey": "sk-mine-0123456789"},
            ("post", "/providers/{id}/test"): {"model": "some-model"},
        }
        return Call(method.upper(), path, bodies.get((method, template)), {"if-match": '"1"'})

    def referring(self, tenant: Session, resource: str) -> list[Call]:  # noqa: ARG002 - users cannot be referred to
        return [self.write_once(resource)]

    def forged(self, session: Session) -> Mapping[str, str]:
        token, signature = unquote(session.token).rsplit(".", 1)
        other = base64.b64encode(b"0" * 32).decode()
        return {
            "no signature": token,
            "an empty signature": f"{token}.",
            "a signature by another key": quote(f"{token}.{other}"),
            "another token under the signature": quote(f"{token[::-1]}.{signature}"),
            "cut": session.token[:-5],
            "not signed, and encoded": base64.b64encode(token.encode()).decode(),
        }
