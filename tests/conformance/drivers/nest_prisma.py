"""nest-prisma: organizations with customers, trackings of those, and the Google accounts that they connect."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from tests.conformance.drivers import Account, Call, Json, Security, Session
from tests.conformance.google import Google

API = "/api/v1"
PROJECT = "demo-local"
"""The Firebase project whose tokens the local issuer makes. It signs none, and so anybody can make them."""
SERVICE_KEY = secrets.token_hex(32)
CONVERSION = {"conversionActionId": "1", "transactionId": "1", "occurredAt": "2026-01-01T00:00:00Z", "clickId": "1"}
AUDIENCE = "conformance"


@dataclass(frozen=True)
class Membership(Session):
    """Of somebody who may belong to other organizations, too."""

    @property
    def headers(self) -> Mapping[str, str]:
        return {**super().headers, "x-organization-id": self.tenant}


class NestPrisma:
    variant = "nest-prisma"
    checks = frozenset(
        {2, *range(4, 15), *range(16, 22), *range(23, 29), *range(31, 37), *range(38, 42), 43, 44, 46, 53, 60}
    )
    migrate: tuple[str, ...] = ("node", "dist/database/cli.js", "migrate")
    evaluate: tuple[str, ...] = ("node", "--input-type=module", "--eval")
    problems = "./dist/common/errors/problem-catalog.js"
    config = "./dist/config/config.js"
    migration_config = config
    source = "src"
    endings: frozenset[tuple[str, str]] = frozenset()
    shown_by_examples: tuple[str, ...] = ("201 -", "200 -", "200 -", "204 -", "200 -")
    shipped = frozenset({"dist", "prisma", "prisma.config.ts", "scripts"})
    for_development = frozenset({"FIREBASE_AUTH_EMULATOR_HOST"})
    required: Mapping[str, str] = {
        "DATABASE_URL": "postgresql://app@localhost:5432/app",
        "REDIS_URL": "redis://localhost:6379",
        "FIREBASE_PROJECT_ID": PROJECT,
        "ENCRYPTION_KEYS": "1" * 64,
    }
    privileged: Mapping[str, object] = {
        "id": "00000000-0000-4000-8000-000000000000",
        "version": 77,
        "organizationId": "00000000-0000-4000-8000-000000000000",
        "createdBy": "00000000-0000-4000-8000-000000000000",
        "createdAt": "2001-01-01T00:00:00Z",
        "updatedAt": "2001-01-01T00:00:00Z",
        "deletedAt": "2001-01-01T00:00:00Z",
        "role": "OWNER",
    }
    naming = "name"
    security = Security(
        column="organization_id",
        setting="app.organization_id",
        tables_without=frozenset({"users", "organizations"}),
        tables_of_tools=frozenset({"_prisma_migrations"}),
    )
    lock = "SELECT 1 FROM customers WHERE id = %(resource)s FOR UPDATE"
    touch = "UPDATE customers SET website_url = 'https://moved.example', version = version + 1 WHERE id = %(resource)s"
    effects = "SELECT count(*) FROM trackings WHERE customer_id = %(resource)s"
    reserve = """
        INSERT INTO idempotency_keys (organization_id, key, fingerprint, status, response)
        SELECT organization_id, %(key)s, '', 201, '{}' FROM customers WHERE id = %(resource)s"""
    give_back = "DELETE FROM idempotency_keys WHERE key = %(key)s"
    breakage = "ALTER TABLE customers RENAME TO gone"
    versions_per_write = 0
    identified = "SELECT organization_id::text FROM customers WHERE id = %(resource)s"
    planted: Mapping[str, str] = {
        f"{API}/dead-letters/{{id}}/requeue": """
            INSERT INTO dead_letters
                   (organization_id, id, queue, job, job_id, subject_id, failure, attempts, updated_at)
            SELECT %(tenant)s, id, 'sync', 'sync', id, id, 'FAILED', 1, now() FROM gen_random_uuid() AS id
            RETURNING id::text""",
    }
    public: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def google(self) -> Google:
        """Where connections lead."""
        return Google()

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return {
            "NODE_ENV": "test",
            "FIREBASE_PROJECT_ID": PROJECT,
            "ENCRYPTION_KEYS": secrets.token_hex(32),
            "SERVICE_TOKEN_KEYS": SERVICE_KEY,
            "SERVICE_TOKEN_AUDIENCE": AUDIENCE,
            "RATE_LIMIT_USER_MAX": "1000000",
            "RATE_LIMIT_ORGANIZATION_MAX": "1000000",
            # Google is asked by the requests of a test alone, and not by syncs as well; tests of jobs start workers.
            "WORKER_IN_API": "false",
            **self.google.settings,
        }

    def account(self) -> Account:
        return Account(self)

    def apart(self, name: str) -> Mapping[str, str]:
        return {"REDIS_PREFIX": name}

    def create(self, **members: object) -> Call:
        customer = {"name": f"Bakery {uuid.uuid4()}", "email": f"{uuid.uuid4()}@example.com"}
        return Call("POST", f"{API}/customers", customer | members)

    def read(self, resource: str) -> Call:
        return Call("GET", f"{API}/customers/{resource}")

    def find(self, **query: object) -> Call:
        return Call("GET", f"{API}/customers?{urlencode(query)}")

    def change(self, resource: str, version: int, /, **changes: Any) -> Call:
        return Call("PATCH", f"{API}/customers/{resource}", changes, {"if-match": f'"{version}"'})

    def at(self, time: str, /) -> Call | None:
        return self.find(createdFrom=time)

    def write_once(self, resource: str, key: str | None = None, /, n: int = 1, **changes: Any) -> Call:
        # A customer has one tracking of a name, and a repeated request has the body of the first.
        unique = uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_OID, key)
        tracking = {"customerId": resource, "name": f"{unique} {n}" if n else "", "kind": "PAGE_VIEW"}
        headers = {} if key is None else {"idempotency-key": key}
        return Call("POST", f"{API}/trackings", tracking | changes, headers)

    async def exercise(self, api: httpx.AsyncClient) -> None:
        owned = await self.owned(api)
        assert (await self.use(owned[f"{API}/connections/{{id}}"]).send(api)).status_code == 200
        customer = (await self.create().send(api)).json()["id"]
        await self.write_once(customer, f"key-{uuid.uuid4()}").send(api)

    def sign_up(self) -> Call:
        email = f"user{uuid.uuid4().hex}@example.com"
        return Call("POST", f"{API}/organizations", {"name": email}, {"authorization": f"Bearer {id_token(email)}"})

    def log_in(self, email: str, password: str) -> Call:
        raise NotImplementedError("people log in at Firebase, and not here")

    def session(self, answer: Any) -> Session:
        token = id_token(answer["name"])
        return Membership(answer["id"], answer["createdBy"], token, token)

    def firebase_uid(self, session: Session) -> str:
        """Who somebody is at Firebase."""
        return str(jwt.decode(session.token, options={"verify_signature": False})["sub"])

    def unique(self, value: str) -> Call:
        return self.create(email=f"{uuid.uuid5(uuid.NAMESPACE_OID, value)}@example.com")

    def renew(self, session: Session) -> Call:
        raise NotImplementedError("Firebase renews its tokens, and not the service")

    def sign_out(self, session: Session) -> Call:
        raise NotImplementedError("Firebase ends its sessions, and not the service")

    async def join(self, api: httpx.AsyncClient) -> Session:
        email = f"member{uuid.uuid4().hex}@example.com"
        invitation = Call("POST", f"{API}/members/invitations", {"email": email, "role": "MEMBER"})
        assert (await invitation.send(api)).status_code == 201
        token = id_token(email)
        own = {"authorization": f"Bearer {token}"}
        [invited] = (await api.get(f"{API}/me/invitations", headers=own, auth=httpx.Auth())).json()["data"]
        accept = f"{API}/me/invitations/{invited['organizationId']}/accept"
        assert (await api.post(accept, headers=own, auth=httpx.Auth())).status_code == 204
        me = (await api.get(f"{API}/me", headers=own, auth=httpx.Auth())).json()
        [membership] = me["memberships"]
        return Membership(membership["organizationId"], me["userId"], token, token)

    def privileged_calls(self, resource: str, owner: Session) -> list[Call]:  # noqa: ARG002 - members may delete it
        return [
            Call("PATCH", f"{API}/organizations/current", {"name": "Mine"}, {"if-match": '"1"'}),
            Call("POST", f"{API}/members/invitations", {"email": "friend@example.com", "role": "VIEWER"}),
            Call("PATCH", f"{API}/members/{owner.user}", {"role": "VIEWER"}),
            Call("DELETE", f"{API}/members/{owner.user}"),
            Call("POST", f"{API}/connections/authorizations"),
        ]

    async def owned(self, api: httpx.AsyncClient) -> Mapping[str, str]:
        customer = (await self.create().send(api)).json()["id"]
        tracking = (await self.write_once(customer).send(api)).json()["id"]
        connection = await self.connect(api)
        setup = (await self.set_up(tracking, connection).send(api)).json()["id"]
        sync = (await Call("POST", f"{API}/syncs", {"connectionId": connection}).send(api)).json()["id"]
        member = await self.join(api)
        organization = (await api.get(f"{API}/organizations/current")).json()["id"]
        invited = f"guest{uuid.uuid4().hex}@example.com"
        await Call("POST", f"{API}/members/invitations", {"email": invited, "role": "VIEWER"}).send(api)
        return {
            f"{API}/customers/{{id}}": customer,
            f"{API}/customers/{{id}}/restore": customer,
            f"{API}/trackings/{{id}}": tracking,
            f"{API}/trackings/{{id}}/detach": tracking,
            f"{API}/trackings/{{id}}/restore": tracking,
            f"{API}/tracking-setups/{{id}}": setup,
            f"{API}/tracking-setups/{{id}}/events": setup,
            f"{API}/syncs/{{id}}": sync,
            f"{API}/syncs/{{id}}/events": sync,
            f"{API}/connections/{{id}}": connection,
            f"{API}/connections/{{id}}/tag-manager/accounts": connection,
            f"{API}/connections/{{id}}/tag-manager/accounts/{{accountId}}/containers": f"{connection}/1",
            f"{API}/connections/{{id}}/ads/customers": connection,
            f"{API}/connections/{{id}}/ads/customers/{{customerId}}/conversions": f"{connection}/1",
            f"{API}/members/{{userId}}": member.user,
            f"{API}/members/invitations/{{email}}": invited,
            f"{API}/me/invitations/{{organizationId}}": organization,
            f"{API}/me/invitations/{{organizationId}}/accept": organization,
        }

    async def connect(self, api: httpx.AsyncClient) -> str:
        """Connects a Google account of a new user. Returns the connection's id."""
        begun = await Call("POST", f"{API}/connections/authorizations").send(api)
        brought = self.google.agree(begun.json()["authorizationUrl"])
        connected = await Call("POST", f"{API}/connections", brought).send(api)
        assert connected.status_code == 201, connected.text
        return str(connected.json()["id"])

    def set_up(self, tracking: str, connection: str) -> Call:
        """Asks for a tracking to be set up at Google, which is a job."""
        ids = {"trackingId": tracking, "connectionId": connection}
        return Call(
            "POST", f"{API}/tracking-setups", {**ids, "tagManagerAccountId": "1", "adsCustomerId": "1234567890"}
        )

    def use(self, connection: str) -> Call:
        """Asks Google something by a connection's token."""
        return Call("GET", f"{API}/connections/{connection}/tag-manager/accounts")

    def addressed(self, template: str, method: str, path: str) -> Call:
        bodies: dict[str, Json] = {
            f"{API}/customers/{{id}}": {"name": "Mine now"},
            f"{API}/trackings/{{id}}": {"name": "Mine now"},
            f"{API}/members/{{userId}}": {"role": "ADMIN"},
            f"{API}/connections/{{id}}/ads/customers/{{customerId}}/conversions": {"conversions": [CONVERSION]},
        }
        body = bodies.get(template) if method in ("patch", "post") else None
        versioned = method in ("patch", "delete") or template.endswith("/detach")
        return Call(method.upper(), path, body, {"if-match": '"1"'} if versioned else {})

    def referring(self, tenant: Session, resource: str) -> list[Call]:  # noqa: ARG002 - nothing refers to a user
        return [self.write_once(resource)]

    def forged(self, session: Session) -> Mapping[str, str]:
        claims = jwt.decode(session.token, options={"verify_signature": False})
        now = int(time.time())
        service = {"iss": "billing", "aud": AUDIENCE, "organization_id": session.tenant, "iat": now, "exp": now + 120}

        def unsigned(**changes: object) -> str:
            return jwt.encode(claims | changes, "", algorithm="none")

        def signed(key: str = SERVICE_KEY, algorithm: str = "HS256", **changes: object) -> str:
            return jwt.encode(service | changes, bytes.fromhex(key), algorithm=algorithm)

        head, body, signature = signed().split(".")
        return {
            "another audience": unsigned(aud="another-project"),
            "another issuer": unsigned(iss="https://securetoken.google.com/another-project"),
            "expired": unsigned(iat=now - 7200, exp=now - 3600, auth_time=now - 7200),
            "of nobody": unsigned(sub=""),
            "of somebody without an address": unsigned(email=None),
            "without the last character": session.token[:-2],
            "half of it": session.token[: len(session.token) // 2],
            "a service's, signed by another key": signed(secrets.token_hex(32)),
            "a service's, for another audience": signed(aud="another-service"),
            "a service's, expired": signed(iat=now - 240, exp=now - 120),
            "a service's, from the future": signed(iat=now + 120, exp=now + 240),
            "a service's, for ever": signed(iat=now - 3600, exp=now + 3600),
            "a service's, of no organization": signed(organization_id=None),
            "a service's, under an algorithm that is not ours": signed(algorithm="HS512"),
            "a service's, without its signature": f"{head}.{body}.",
            "a service's, without the last character": f"{head}.{body}.{signature[:-1]}",
        }


def id_token(email: str, **changes: object) -> str:
    """What Firebase's emulator would give to somebody who signs in with an address."""
    now = int(time.time())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": f"local:{email}",
        "auth_time": now,
        "iat": now,
        "exp": now + 3_600,
        "email": email,
        "email_verified": True,
    }
    return jwt.encode(claims | changes, "", algorithm="none")
