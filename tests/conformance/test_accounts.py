"""Access ends with the password that gave it, and an address belongs to who reads its mails."""

from __future__ import annotations

import re
import socket
import time
import uuid
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conformance.collector import Collector
from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call
from tests.conformance.drivers.fastify_bun import PASSWORD, FastifyBun
from tests.conformance.problems import problem
from tests.conformance.processes import eventually

pytestmark = [pytest.mark.check(42), pytest.mark.of("fastify-bun")]

OTHER = "another horse battery"


def without_cookies(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client, which keeps no session of the accounts that it signs in to."""
    api.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return api


def link_to(driver: FastifyBun, email: str, path: str) -> str:
    """The path and query of the newest mailed link."""

    def newest() -> str | None:
        links = [re.search(rf"https?://[^/]+({path}\S+)", mail) for mail in driver.mails_to(email)]
        return next((link[1] for link in reversed(links) if link), None)

    return eventually(f"a mail with {path}", newest)


async def test_owner_who_follows_the_link_of_a_strangers_sign_up_gives_the_stranger_no_account(
    driver: FastifyBun, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    service = start_service(**own_database, AUTH_REQUIRE_VERIFIED_EMAIL="true")
    anyone = without_cookies(client(service, None))
    sign_up = driver.sign_up()
    assert sign_up.json
    email = str(sign_up.json["email"])
    assert (await sign_up.send(anyone)).status_code == 200

    followed = await anyone.get(link_to(driver, email, "/api/auth/verify-email"), follow_redirects=False)

    assert followed.status_code == 302
    problem(await driver.log_in(email, PASSWORD).send(anyone), 403, "EMAIL_NOT_VERIFIED")
    token = parse_qs(urlsplit(followed.headers["location"]).query)["token"][0]
    confirm = Call("POST", "/api/auth/verify-email", {"token": token, "password": OTHER})
    problem(await confirm.send(anyone), 401, "INVALID_EMAIL_OR_PASSWORD")
    problem(await driver.log_in(email, PASSWORD).send(anyone), 403, "EMAIL_NOT_VERIFIED")

    own = Call("POST", "/api/auth/sign-up/email", {"email": email, "password": OTHER, "name": "Ada"})
    assert (await own.send(anyone)).status_code == 200
    assert (await confirm.send(anyone)).status_code == 200
    problem(await driver.log_in(email, PASSWORD).send(anyone), 401)
    assert (await driver.log_in(email, OTHER).send(anyone)).status_code == 200


async def test_new_password_ends_other_sessions_and_api_keys(
    driver: FastifyBun, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    service = start_service(**own_database, FRESH_SESSION_SECONDS="600", SESSION_CACHE_MS="0")
    anyone = without_cookies(client(service, None))
    for changes in ({}, {"revokeOtherSessions": False}):
        sign_up = driver.sign_up()
        assert sign_up.json
        email = str(sign_up.json["email"])
        session = driver.session((await sign_up.send(anyone)).json())
        api = without_cookies(client(service, Account(driver, session)))
        program = await driver.join(api)
        stolen = driver.session((await driver.log_in(email, PASSWORD).send(anyone)).json())
        change = Call(
            "POST", "/api/auth/change-password", {"currentPassword": PASSWORD, "newPassword": OTHER, **changes}
        )

        assert (await change.send(api)).status_code == 200

        for issued in (program, stolen):
            problem(await Call("GET", "/users/me", headers=issued.headers).send(anyone), 401)


async def test_mail_server_that_never_responds_delays_no_response(
    driver: FastifyBun, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    known = driver.sign_up()
    assert known.json
    setup = start_service(**own_database)
    assert (await known.send(without_cookies(client(setup, None)))).status_code == 200
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"smtp://127.0.0.1:{mute.getsockname()[1]}"
        service = start_service(**own_database, SMTP_URL=url, AUTH_REQUIRE_VERIFIED_EMAIL="true")
        anyone = without_cookies(client(service, None))
        for email in (str(known.json["email"]), f"nobody{uuid.uuid4().hex}@example.com"):
            for call in (
                Call("POST", "/api/auth/request-password-reset", {"email": email}),
                Call("POST", "/api/auth/send-verification-email", {"email": email}),
                Call("POST", "/api/auth/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada"}),
            ):
                started = time.monotonic()
                assert (await call.send(anyone)).status_code == 200
                assert time.monotonic() - started < 3, call.path


@pytest.mark.check(43)
async def test_token_of_a_mailed_link_is_in_no_log_line_and_no_span(
    driver: FastifyBun,
    start_service: StartService,
    own_database: dict[str, str],
    collector: Collector,
    client: Client,
) -> None:
    service = start_service(**own_database, **collector.settings, LOG_LEVEL="debug")
    anyone = without_cookies(client(service, None))
    sign_up = driver.sign_up()
    assert sign_up.json
    email = str(sign_up.json["email"])
    assert (await sign_up.send(anyone)).status_code == 200
    assert (await Call("POST", "/api/auth/request-password-reset", {"email": email}).send(anyone)).status_code == 200
    link = link_to(driver, email, "/api/auth/reset-password/")
    path = urlsplit(link).path

    assert (await anyone.get(link, follow_redirects=False)).status_code in {302, 400}
    assert (await anyone.get(f"{path}?callbackURL=/", follow_redirects=False)).status_code == 302
    for mistyped in (f"{path}/", f"{path}/x", f"/x{path}"):
        assert (await anyone.get(mistyped)).status_code == 404
    assert (await anyone.put(path)).status_code == 405

    eventually("spans", lambda: collector.bodies)
    service.stop()  # sends the last spans
    token = path.rpartition("/")[2]
    assert "/api/auth/reset-password/:token" in service.log_file.read_text()
    assert token not in service.log_file.read_text()
    assert token.encode() not in b"".join(collector.bodies)
