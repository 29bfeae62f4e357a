"""nest-drizzle: tenants with projects, tasks in them, events and jobs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import tempfile
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conformance.drivers import Account, Call, Security, Session
from tests.conformance.processes import PATIENCE

PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that a test makes
SIGNING_KEY = secrets.token_hex(32)


class NestDrizzle:
    variant = "nest-drizzle"
    checks = frozenset(
        {*range(1, 15), *range(17, 22), *range(23, 27), *range(28, 34), *range(38, 44), 46, 53, 54, 60},
    )
    migrate: tuple[str, ...] = ("node", "packages/database/dist/cli.js", "migrate")
    evaluate: tuple[str, ...] = ("node", "--input-type=module", "--eval")
    problems = "./packages/api/dist/common/errors/problem-catalog.js"
    config = "./packages/api/dist/config/config.js"
    source = "packages/api/src"
    migration_config = "./packages/database/dist/config/index.js"
    endings: frozenset[tuple[str, str]] = frozenset()
    shown_by_examples: tuple[str, ...] = ("201 -", "201 -", "200 -", "404 -")
    shipped = frozenset({"packages"})
    for_development: frozenset[str] = frozenset()
    required: Mapping[str, str] = {
        "DATABASE_URL": "postgresql://app@localhost:5432/app",
        "JWT_KEYS": "1" * 64,
        "NATS_URL": "nats://localhost:4222",
        "REDIS_URL": "redis://localhost:6379",
        "SMTP_URL": "smtp://localhost:2525",
    }
    privileged: Mapping[str, object] = {
        "id": "00000000-0000-4000-8000-000000000000",
        "version": 77,
        "tenantId": "00000000-0000-4000-8000-000000000000",
        "deletedAt": "2001-01-01T00:00:00Z",
        "createdAt": "2001-01-01T00:00:00Z",
        "updatedAt": "2001-01-01T00:00:00Z",
        "role": "owner",
    }
    naming = "name"
    lock = "SELECT 1 FROM projects WHERE id = %(resource)s FOR UPDATE"
    touch = "UPDATE projects SET description = 'moved', version = version + 1 WHERE id = %(resource)s"
    effects = "SELECT count(*) FROM tasks WHERE project_id = %(resource)s"
    reserve = """
        INSERT INTO idempotency_keys (tenant_id, key, fingerprint, response)
        SELECT tenant_id, %(key)s, '', '{}' FROM projects WHERE id = %(resource)s"""
    give_back = "DELETE FROM idempotency_keys WHERE key = %(key)s"
    breakage = "ALTER TABLE projects RENAME TO gone"
    versions_per_write = 0
    security = Security(
        column="tenant_id",
        setting="app.tenant_id",
        tables_without=frozenset({"tenants", "users", "passwords", "password_resets", "registrations", "rate_limits"}),
    )
    identified = "SELECT tenant_id::text FROM projects WHERE id = %(resource)s"
    planted: Mapping[str, str] = {}
    public = frozenset(
        {
            ("post", "/auth/register"),
            ("post", "/auth/verify-email"),
            ("post", "/auth/login"),
            ("post", "/auth/refresh"),
            ("post", "/auth/switch-tenant"),
            ("post", "/auth/logout"),
            ("post", "/auth/request-password-reset"),
            ("post", "/auth/reset-password"),
            ("post", "/auth/accept-invitation"),
        }
    )

    @cached_property
    def mails(self) -> tempfile.TemporaryDirectory[str]:
        """Gone when this process is."""
        return tempfile.TemporaryDirectory(prefix="plinth-mails-")

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return {
            "JWT_KEYS": SIGNING_KEY,
            "SMTP_URL": "",
            "MAIL_FOLDER": self.mails.name,
            "AUTH_REQUIRE_VERIFIED_EMAIL": "false",
            "LOGIN_ATTEMPTS_MAX": "1000",
            "LOGIN_ATTEMPTS_ACCOUNT_MAX": "1000000",
            "LOGIN_ATTEMPTS_NETWORK_MAX": "1000000",
            "MAIL_REQUESTS_NETWORK_MAX": "1000000",
        }

    def account(self) -> Account:
        return Account(self)

    def apart(self, name: str) -> Mapping[str, str]:
        return {"NATS_PREFIX": name, "QUEUE_PREFIX": name}

    def create(self, **members: object) -> Call:
        project = {"name": f"Bridge {uuid.uuid4()}", "description": "From bank to bank"}
        return Call("POST", "/projects", project | members)

    def read(self, resource: str) -> Call:
        return Call("GET", f"/projects/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"/projects?{urlencode(query)}")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        return Call("PATCH", f"/projects/{resource}", changes, {"if-match": f'"{version}"'})

    def at(self, time: str, /) -> Call | None:
        return Call("POST", "/tasks", {"projectId": str(uuid.uuid4()), "title": "x", "type": "feature", "dueAt": time})

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        task = {"projectId": resource, "title": "x" * n, "type": "feature"}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", "/tasks", task | changes, headers)

    async def exercise(self, api: httpx.AsyncClient) -> None:
        await self.owned(api)

    def sign_up(self) -> Call:
        name = f"user{uuid.uuid4().hex}"
        registration = {
            "email": f"{name}@example.com",
            "password": PASSWORD,
            "name": "Ada Lovelace",
            "tenantName": "Engines",
        }
        return Call("POST", "/auth/register", registration)

    def log_in(self, email: str, password: str) -> Call:
        return Call("POST", "/auth/login", {"email": email, "password": password})

    def session(self, answer: Any) -> Session:
        claims = jwt.decode(answer["accessToken"], options={"verify_signature": False})
        return Session(answer["tenantId"], claims["sub"], answer["accessToken"], answer["refreshToken"])

    def renew(self, session: Session) -> Call:
        return Call("POST", "/auth/refresh", {"refreshToken": session.renewal})

    def sign_out(self, session: Session) -> Call:
        return Call("POST", "/auth/logout", {"refreshToken": session.renewal})

    def mails_to(self, email: str, subject: str) -> list[str]:
        """The mails with a subject that an address has, oldest first."""
        mails = [mail.read_text() for mail in sorted(Path(self.mails.name).glob("*.eml"))]
        return [mail for mail in mails if f"To: {email}\nSubject: {subject}\n" in mail]

    async def mailed_token(self, email: str, subject: str, earlier: int = 0) -> str:
        """Waits for the next mail with a subject, and returns its token.

        Args:
            earlier: how many such mails the address had before
        """
        async with asyncio.timeout(PATIENCE):
            while len(mails := self.mails_to(email, subject)) <= earlier:
                await asyncio.sleep(0.02)
        found = re.search(r"Your token: (\S+)", mails[-1])
        assert found, mails[-1]
        return found[1]

    async def invite(self, api: httpx.AsyncClient, email: str) -> str:
        """Invites an address, and returns the token of the mail."""
        earlier = len(self.mails_to(email, "You are invited"))
        answer = await Call("POST", "/invitations", {"email": email}).send(api)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return await self.mailed_token(email, "You are invited", earlier)

    async def join(self, api: httpx.AsyncClient) -> Session:
        email = f"member{uuid.uuid4().hex}@example.com"
        acceptance = {"token": await self.invite(api, email), "name": "Charles Babbage", "password": PASSWORD}
        return self.session((await Call("POST", "/auth/accept-invitation", acceptance).send(api)).json())

    def unique(self, value: str) -> Call:
        return self.create(name=value)

    def privileged_calls(self, resource: str, owner: Session) -> list[Call]:
        return [
            Call("DELETE", f"/projects/{resource}", headers={"if-match": '"1"'}),
            Call("POST", "/invitations", {"email": "friend@example.com"}),
            Call("PATCH", f"/members/{owner.user}", {"role": "member"}),
            Call("DELETE", f"/members/{owner.user}"),
        ]

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        project = (await self.create().send(api)).json()["id"]
        task = (await self.write_once(project).send(api)).json()["id"]
        export = (await Call("POST", f"/projects/{project}/exports").send(api)).json()["id"]
        member = await self.join(api)
        invited = await Call("POST", "/invitations", {"email": f"{uuid.uuid4().hex}@example.com"}).send(api)
        return {
            "/projects/{id}": project,
            "/projects/{id}/restore": project,
            "/projects/{projectId}/stats": project,
            "/projects/{projectId}/exports": project,
            "/tasks/{id}": task,
            "/exports/{id}": export,
            "/members/{userId}": member.user,
            "/invitations/{id}": invited.json()["id"],
        }

    def addressed(self, template: str, method: str, path: str) -> Call:
        bodies = {
            "/projects/{id}": {"name": "Mine now"},
            "/tasks/{id}": {"title": "Mine now"},
            "/members/{userId}": {"role": "admin"},
        }
        body = bodies[template] if method == "patch" else None
        return Call(method.upper(), path, body, {"if-match": '"1"'} if method in ("patch", "delete") else {})

    def referring(self, tenant: Session, resource: str) -> list[Call]:
        return [self.write_once(resource), self.write_once(resource, assigneeId=tenant.user)]

    def forged(self, session: Session) -> Mapping[str, str]:
        header = jwt.get_unverified_header(session.token)
        claims = jwt.decode(session.token, options={"verify_signature": False})
        own = ec.derive_private_key(int(SIGNING_KEY, 16), ec.SECP256R1())
        other = ec.generate_private_key(ec.SECP256R1())
        past, kid = datetime.now(UTC) - timedelta(hours=1), {"kid": header["kid"]}

        def signed(changes: dict[str, object], key: ec.EllipticCurvePrivateKey = own) -> str:
            return jwt.encode(claims | changes, key, algorithm="ES256", headers=kid)

        # Our own key makes a token that is believed: what follows is refused for what it changes, and nothing else.
        assert jwt.decode(signed({}), own.public_key(), algorithms=["ES256"], audience=claims["aud"]) == claims
        head, body, signature = session.token.split(".")
        elsewhere = encoded({**claims, "tid": str(uuid.uuid4())})
        return {
            "alg none": jwt.encode(claims, "", algorithm="none", headers=kid),
            "alg none with the signature": f"{encoded({**header, 'alg': 'none'})}.{body}.{signature}",
            "signed with the public key as a secret": symmetric(claims, own.public_key(), kid),
            "another audience": signed({"aud": "another-service"}),
            "no audience": signed({"aud": None}),
            "another issuer": signed({"iss": "https://accounts.example.com"}),
            "expired": signed({"iat": past, "exp": past + timedelta(minutes=5)}),
            "not valid yet": signed({"nbf": datetime.now(UTC) + timedelta(hours=1)}),
            "signed by another key": signed({}, other),
            "of a key that nobody knows": jwt.encode(claims, other, algorithm="ES256", headers={"kid": "unknown"}),
            "of another tenant, with the signature of ours": f"{head}.{elsewhere}.{signature}",
            "a role that there is not": signed({"role": "root"}),
            "without the last character": session.token[:-1],
            "without a signature": f"{head}.{body}.",
            "half of it": session.token[: len(session.token) // 2],
        }


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def symmetric(claims: Mapping[str, object], key: ec.EllipticCurvePublicKey, headers: Mapping[str, str]) -> str:
    """A token whose secret is what everybody knows: the public key (CVE-2015-9235)."""
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', **headers})}.{encoded(claims)}"
    digest = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
