"""A provider of the tests' own: speaks OpenAI's protocol, and fails when it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS: tuple[str, ...] = ("Hello", ", ", "world")
FLOOD = b":" * 65_536
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True)
class Reply:
    """What a request gets instead of words."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    at: float
    """Seconds of the monotonic clock."""
    path: str
    key: str
    body: Any


class Upstream:
    """Listens on a free port of the loopback interface until the process ends."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.replies: deque[Reply] = deque()
        """What the next requests get, in this order; after that all get words."""
        self.pause = 0.0
        """Seconds between two words of a stream."""
        self.words = WORDS
        self.flood = 0
        """Bytes before the words of a stream, without the end of a line."""
        self.left = 0
        """How many clients have gone before the end of their stream."""
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "null")
                key = self.headers["authorization"] or ""
                upstream.requests.append(Seen(time.monotonic(), self.path, key.removeprefix("Bearer "), body))
                if upstream.replies:
                    reply = upstream.replies.popleft()
                    self._send(reply.status, {"error": {"message": f"{key} was not good"}}, reply.headers)
                elif body and body.get("stream"):
                    self._stream()
                else:
                    message = {"role": "assistant", "content": "".join(WORDS)}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    self._send(200, {"id": "1", "model": "m", "choices": [choice], "usage": USAGE})

            def _send(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**(headers or {}), "content-type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
                chunks: list[dict[str, Any]] = [
                    {"choices": [{"index": 0, "delta": {"content": word}}]} for word in upstream.words
                ]
                try:
                    for _ in range(0, upstream.flood, len(FLOOD)):
                        self.wfile.write(FLOOD)
                    for chunk in [*chunks, last | {"usage": USAGE}]:
                        self.wfile.write(f"data: {json.dumps({'id': '1', 'model': 'm', **chunk})}\n\n".encode())
                        self.wfile.flush()
                        time.sleep(upstream.pause)
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    upstream.left += 1

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        """Forgets what has been, and sends words to all requests again."""
        self.requests.clear()
        self.replies.clear()
        self.words, self.pause, self.flood, self.left = WORDS, 0.0, 0, 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"
