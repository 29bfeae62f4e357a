"""Google's OAuth, Tag Manager and Ads, as far as a service that connects accounts knows them."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.conformance.google_products import Ads, TagManager

TOKEN = "/token"  # noqa: S105 - the path that gives them
ACCOUNTS = "/tagmanager/v2/accounts"


@dataclass(frozen=True)
class Fault:
    """What a call is answered instead."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A call that came."""

    at: float
    """Seconds of the monotonic clock."""
    path: str
    form: dict[str, str]
    method: str = "POST"


class Google:
    """Stands in for all of Google's hosts, on a free port of the loopback interface, for as long as the tests run."""

    def __init__(self) -> None:
        self.calls: list[Seen] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        """What the next calls of a path, or of a method and a path, are answered instead, one each."""
        self.latency = 0.0
        self.lifetime = 3_600
        """Of access tokens, in seconds."""
        self.tag_manager = TagManager()
        self.ads = Ads()
        self._products = threading.Lock()
        self._codes: dict[str, tuple[str, str]] = {}
        self._emails: dict[str, str] = {}
        google = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def do_DELETE(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
                fault = google.answer(self.command, self.path, body, self.headers["authorization"] or "")
                content = json.dumps(fault.body).encode()
                self.send_response(fault.status)
                for name, value in {"content-type": "application/json", **fault.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a service take this for Google."""
        return {
            "GOOGLE_BASE_URL": f"http://127.0.0.1:{self._server.server_port}",
            "GOOGLE_CLIENT_ID": "client",
            "GOOGLE_CLIENT_SECRET": "secret-of-the-client",
            "GOOGLE_REDIRECT_URI": "https://app.example.com/google/callback",
            "GOOGLE_TAG_MANAGER_QUOTA": "1000/1",
            "GOOGLE_ADS_DEVELOPER_TOKEN": "developer-token",
        }

    def agree(self, authorization_url: str) -> dict[str, str]:
        """What a new user brings back who agrees in the browser."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        assert query["code_challenge_method"] == "S256", "there is no PKCE"
        code = uuid.uuid4().hex
        self._codes[code] = (query["code_challenge"], f"user{uuid.uuid4().hex}@example.com")
        return {"state": query["state"], "code": code}

    def answer(self, method: str, target: str, body: str, authorization: str) -> Fault:
        """Answers a call as Google does."""
        path = urlsplit(target).path
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.calls.append(Seen(time.monotonic(), path, form, method))
        time.sleep(self.latency)
        for key in (path, f"{method} {path}"):
            if self.faults[key]:
                return self.faults[key].pop(0)
        if path == TOKEN:
            if form["grant_type"] == "refresh_token":
                return self._granted(self._emails.get(form["refresh_token"]), {})
            return self._exchanged(form["code"], form["code_verifier"])
        if path == "/v1/userinfo":
            return Fault(200, {"email": self._emails[authorization.removeprefix("Bearer ")]})
        if path.startswith("/tagmanager/v2/"):
            query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            with self._products:
                path = path.removeprefix("/tagmanager/v2/")
                return Fault(*self.tag_manager.answer(method, path, query, json.loads(body or "{}")))
        if path.endswith(("/googleAds:search", "/conversionActions:mutate")):
            with self._products:
                return Fault(*self.ads.answer(path, json.loads(body)))
        if path.endswith("/customers:listAccessibleCustomers"):
            return Fault(200)  # there is none
        return Fault(200 if path == "/revoke" else 404)

    def _exchanged(self, code: str, verifier: str) -> Fault:
        challenge, email = self._codes.pop(code, ("", ""))
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        refresh_token = f"canary-refresh-{uuid.uuid4()}"
        self._emails[refresh_token] = email
        return self._granted(email if digest == challenge else None, {"refresh_token": refresh_token})

    def _granted(self, email: str | None, more: dict[str, str]) -> Fault:
        if email is None:
            return Fault(400, {"error": "invalid_grant"})
        token = f"canary-access-{uuid.uuid4()}"
        self._emails[token] = email
        scope = "openid email https://www.googleapis.com/auth/tagmanager.publish"
        granted = {"access_token": token, "expires_in": self.lifetime, "scope": scope, "token_type": "Bearer"}
        return Fault(200, {**granted, **more})
