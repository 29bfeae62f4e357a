"""next-supabase: users with projects that they share, through Supabase's Auth and row-level security."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.drivers import Account, Call, Security, Session
from tests.conformance.upstream import Upstream

PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that a test makes
LEGACY_SECRET = secrets.token_hex(32)
"""With which a project may still sign its tokens: the tests have the key of no other."""
API = "/api/v1"


@dataclass(frozen=True)
class Stored:
    """A table, and the operation of the API that adds rows to it."""

    table: str
    template: str
    """The path of the `POST` in the OpenAPI document."""
    body: Callable[[], Mapping[str, object]]
    """A valid body, with new unique values."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """The columns that the path determines."""

    @property
    def path(self) -> str:
        return self.template.replace("{id}", self.fixed.get("project_id", ""))


class EnvelopeAccount(Account):
    """Takes things out of `{"data": ...}`: the suite reads what the other variants answer."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = super().async_auth_flow(request)
        sent = await anext(flow)
        while True:
            answer = yield sent
            if sent is request:
                await open_envelope(answer)
                return
            sent = await flow.asend(answer)


async def open_envelope(answer: httpx.Response) -> None:
    if not answer.is_success or not answer.headers.get("content-type", "").startswith("application/json"):
        return
    body = json.loads(await answer.aread() or "null")
    if isinstance(body, dict) and body.keys() == {"data"} and isinstance(body["data"], dict):
        answer._content = json.dumps(body["data"]).encode()  # httpx has no other way to change an answer


class NextSupabase:
    variant = "next-supabase"
    checks = frozenset(
        {1, 2, *range(4, 10), *range(11, 15), *range(17, 22), *range(23, 27), *range(31, 47), 54, 60},
    )
    migrate: tuple[str, ...] = ("node", "scripts/database.mjs", "migrate")
    evaluate: tuple[str, ...] = ("node", "--input-type=module", "--eval")
    problems = "./dist/lib/errors/problem-catalog.js"
    config = "./dist/lib/config/config.js"
    migration_config = config
    source = "lib"
    endings: frozenset[tuple[str, str]] = frozenset({("POST", "/api/v1/auth/sign-out")})
    shown_by_examples: tuple[str, ...] = ("200 -", "200 -", "200 -")
    shipped = frozenset({".next", "dist", "next.config.mjs"})
    for_development: frozenset[str] = frozenset()
    required: Mapping[str, str] = {
        "DATABASE_URL": "postgresql://api@localhost:5432/postgres",
        "REDIS_URL": "redis://localhost:6379",
        "SUPABASE_URL": "https://abcdefghijkl.supabase.co",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_key",
        "ENCRYPTION_KEYS": "b" * 64,
    }
    privileged: Mapping[str, object] = {
        "id": "00000000-0000-4000-8000-000000000000",
        "version": 77,
        "ownerId": "00000000-0000-4000-8000-000000000000",
        "user_id": "00000000-0000-4000-8000-000000000000",
        "createdAt": "2001-01-01T00:00:00Z",
        "updatedAt": "2001-01-01T00:00:00Z",
        "role": "owner",
    }
    naming = "name"
    lock = "SELECT 1 FROM projects WHERE id = %(resource)s FOR UPDATE"
    touch = "UPDATE projects SET description = 'moved' WHERE id = %(resource)s"
    effects = "SELECT count(*) FROM usage_metrics WHERE project_id = %(resource)s AND event_type LIKE 'custom.%%'"
    reserve = """
        INSERT INTO private.idempotency_keys (user_id, key, fingerprint, status, headers)
        SELECT user_id, %(key)s, decode(repeat('00', 32), 'hex'), 201, '{}' FROM projects WHERE id = %(resource)s"""
    give_back = "DELETE FROM private.idempotency_keys WHERE key = %(key)s"
    breakage = "ALTER TABLE projects RENAME TO gone; ALTER TABLE usage_metrics RENAME TO gone_too"
    versions_per_write = 0
    security = Security(
        column="user_id",
        setting="request.jwt.claims",
        tables_without=frozenset(),
        reachable=frozenset({"api", "api_user", "authenticated"}),
    )
    identified = "SELECT user_id::text FROM projects WHERE id = %(resource)s"
    planted: Mapping[str, str] = {}
    public = frozenset(
        {("post", f"{API}/{name}") for name in ("auth/sign-up", "auth/sign-in", "auth/refresh", "webhooks/stripe")}
    )

    keyed = frozenset(
        {
            ("get", f"{API}/ai/budget"),
            ("post", f"{API}/ai/complete"),
            ("get", f"{API}/analytics/usage"),
            *((method, f"{API}/projects") for method in ("get", "post")),
            *((method, f"{API}/projects/{{id}}") for method in ("get", "put", "patch", "delete")),
            ("get", f"{API}/projects/{{id}}/events"),
            ("get", f"{API}/projects/{{id}}/members"),
            ("post", f"{API}/projects/{{id}}/usage"),
            ("get", f"{API}/projects/{{id}}/webhooks"),
            ("get", f"{API}/projects/{{id}}/webhooks/{{webhookId}}"),
            ("get", f"{API}/projects/{{id}}/webhooks/{{webhookId}}/deliveries"),
        }
    )
    """All that an API key with every scope may do."""

    @cached_property
    def upstream(self) -> Upstream:
        """The model that is asked."""
        return Upstream()

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return {
            "ENCRYPTION_KEYS": "b" * 64,
            "OPENAI_API_KEY": "sk-0123456789abcdef",
            "OPENAI_BASE_URL": self.upstream.url,
            "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
            "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
            "WEBHOOK_POLL_MS": "0",
            "LOGIN_ATTEMPTS_MAX": "1000000",
            "RATE_LIMIT_CREDENTIALS_MAX": "1000000",
            "SUPABASE_JWT_SECRET": LEGACY_SECRET,
        }

    def account(self) -> Account:
        return EnvelopeAccount(self)

    def apart(self, name: str) -> Mapping[str, str]:
        return {"OTEL_SERVICE_NAME": name}

    def create(self, **members: object) -> Call:
        project = {"name": f"Bridge {uuid.uuid4()}", "description": "From bank to bank"}
        return Call("POST", f"{API}/projects", project | members)

    def read(self, resource: str) -> Call:
        return Call("GET", f"{API}/projects/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"{API}/projects?{urlencode(query)}" if query else f"{API}/projects")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        return Call("PATCH", f"{API}/projects/{resource}", changes, {"if-match": f'"{version}"'})

    def at(self, time: str, /) -> Call | None:
        return Call("POST", f"{API}/api-keys", {"name": "x", "scopes": ["projects:read"], "expiresAt": time})

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        usage = {"eventType": "custom." + "x" * n}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", f"{API}/projects/{resource}/usage", usage | changes, headers)

    async def exercise(self, api: httpx.AsyncClient) -> None:
        await self.owned(api)
        question = {"messages": [{"role": "user", "content": "What is a bridge?"}]}
        assert (await Call("POST", f"{API}/ai/complete", question).send(api)).status_code == 200

    def sign_up(self) -> Call:
        return Call("POST", f"{API}/auth/sign-up", {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD})

    def log_in(self, email: str, password: str) -> Call:
        return Call("POST", f"{API}/auth/sign-in", {"email": email, "password": password})

    def session(self, answer: Any) -> Session:
        data = answer.get("data", answer)
        user = data["user"]["id"]
        return Session(user, user, data["accessToken"], data["refreshToken"])

    def renew(self, session: Session) -> Call:
        return Call("POST", f"{API}/auth/refresh", {"refreshToken": session.renewal})

    def sign_out(self, session: Session) -> Call:
        return Call("POST", f"{API}/auth/sign-out", {}, session.headers)

    async def join(self, api: httpx.AsyncClient) -> Session:
        """An editor of the projects that there are so far."""
        member = self.session((await self.sign_up().send(api)).json())
        for project in (await self.find(limit=100).send(api)).json()["data"]:
            membership = {"userId": member.user, "role": "editor"}
            await Call("POST", f"{API}/projects/{project['id']}/members", membership).send(api)
        return member

    def unique(self, value: str) -> Call:
        return Call("POST", f"{API}/api-keys", {"name": value, "scopes": ["projects:read"]})

    def privileged_calls(self, resource: str, owner: Session) -> list[Call]:
        project = f"{API}/projects/{resource}"
        return [
            Call("GET", f"{API}/admin/metrics"),
            Call("DELETE", project, headers={"if-match": '"1"'}),
            Call("POST", f"{project}/members", {"userId": str(uuid.uuid4()), "role": "admin"}),
            Call("PATCH", f"{project}/members/{owner.user}", {"role": "viewer"}),
            Call("DELETE", f"{project}/members/{owner.user}"),
        ]

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        project = (await self.create().send(api)).json()["id"]
        member = (await self.join(api)).user
        key = (await self.unique(str(uuid.uuid4())).send(api)).json()["id"]
        await self.write_once(project).send(api)
        webhook = (await self.webhook(project, "http://127.0.0.1:9/hook").send(api)).json()["id"]
        within = ("", "/events", "/members", "/usage", "/webhooks")
        of_webhook = ("", "/deliveries", "/secret")
        return (
            {f"{API}/projects/{{id}}{end}": project for end in within}
            | {f"{API}/projects/{{id}}/webhooks/{{webhookId}}{end}": f"{project}/{webhook}" for end in of_webhook}
            | {
                f"{API}/projects/{{id}}/members/{{userId}}": f"{project}/{member}",
                f"{API}/api-keys/{{id}}": key,
            }
        )

    async def stored(self, api: httpx.AsyncClient) -> list[Stored]:
        """Every table that users write to by the API."""
        project = (await NextSupabase.create(self).send(api)).json()["id"]
        other = self.session((await self.sign_up().send(api)).json()).user
        within, hook = f"{API}/projects/{{id}}", self.webhook("", "http://127.0.0.1:9/hook").json or {}
        of_project = {"project_id": project}
        return [
            Stored("projects", f"{API}/projects", lambda: NextSupabase.create(self).json or {}),
            Stored("project_members", f"{within}/members", lambda: {"userId": other, "role": "viewer"}, of_project),
            Stored("usage_metrics", f"{within}/usage", lambda: {"eventType": "custom.x", "metadata": {}}, of_project),
            Stored("webhook_endpoints", f"{within}/webhooks", lambda: hook, of_project),
            Stored("api_keys", f"{API}/api-keys", lambda: {"name": str(uuid.uuid4()), "scopes": ["projects:read"]}),
        ]

    def webhook(self, project: str, url: str) -> Call:
        """Adds a webhook that tells of changes of the project."""
        return Call("POST", f"{API}/projects/{project}/webhooks", {"url": url, "eventTypes": ["project.updated"]})

    def addressed(self, template: str, method: str, path: str) -> Call:
        bodies: dict[tuple[str, str], Mapping[str, object]] = {
            ("put", f"{API}/projects/{{id}}"): {"name": "Mine now"},
            ("patch", f"{API}/projects/{{id}}"): {"name": "Mine now"},
            ("post", f"{API}/projects/{{id}}/members"): {"userId": str(uuid.uuid4())},
            ("patch", f"{API}/projects/{{id}}/members/{{userId}}"): {"role": "admin"},
            ("post", f"{API}/projects/{{id}}/usage"): {"eventType": "custom.mine"},
            ("post", f"{API}/projects/{{id}}/webhooks"): self.webhook("", "http://127.0.0.1:9/hook").json or {},
            ("patch", f"{API}/projects/{{id}}/webhooks/{{webhookId}}"): {"enabled": False},
        }
        return Call(method.upper(), path, bodies.get((method, template)), {"if-match": '"1"'})

    def referring(self, tenant: Session, resource: str) -> list[Call]:  # noqa: ARG002 - a member may be anybody
        return [self.write_once(resource)]

    def forged(self, session: Session) -> Mapping[str, str]:
        header = jwt.get_unverified_header(session.token)
        claims = jwt.decode(session.token, options={"verify_signature": False})
        past, kid = datetime.now(UTC) - timedelta(hours=1), {"kid": header["kid"]}

        def signed(changes: dict[str, object], key: str = LEGACY_SECRET) -> str:
            merged = {name: value for name, value in (claims | changes).items() if value is not None}
            return jwt.encode(merged, key, algorithm="HS256")

        other = ec.generate_private_key(ec.SECP256R1())
        head, body, signature = session.token.split(".")
        return {
            "alg none": jwt.encode(claims, "", algorithm="none", headers=kid),
            "signed by another key": jwt.encode(claims, other, algorithm="ES256", headers=kid),
            "of a key that nobody knows": jwt.encode(claims, other, algorithm="ES256", headers={"kid": "unknown"}),
            "signed with another secret": signed({}, "0" * 64),
            "another audience": signed({"aud": "another-service"}),
            "no audience": signed({"aud": None}),
            "another issuer": signed({"iss": "https://accounts.example.com"}),
            "expired": signed({"iat": past, "exp": past + timedelta(minutes=5)}),
            "without an end": signed({"exp": None}),
            "not valid yet": signed({"nbf": datetime.now(UTC) + timedelta(hours=1)}),
            "of the service role": signed({"role": "service_role"}),
            "of another user, in this one's session": signed({"sub": str(uuid.uuid4())}),
            "of a session that there is not": signed({"session_id": str(uuid.uuid4())}),
            "without the last character": session.token[:-1],
            "without a signature": f"{head}.{body}.",
            "half of it": session.token[: len(session.token) // 2],
            "another signature": f"{head}.{body}.{signature[::-1]}",
        }
