"""Requests that no HTTP client would send."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.conformance.drivers import Account, Call
from tests.conformance.processes import Service


async def raw(service: Service, request: bytes) -> httpx.Response:
    """Sends bytes as they are, and reads one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(service.url).port)
    try:
        writer.write(request)
        return await response(reader)
    finally:
        writer.close()


async def response(reader: asyncio.StreamReader) -> httpx.Response:
    """Reads one response, and nothing of what comes after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = httpx.Headers([(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])])
    body = await (chunks(reader) if "transfer-encoding" in headers else of_length(reader, headers))
    return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)


async def of_length(reader: asyncio.StreamReader, headers: httpx.Headers) -> bytes:
    return await reader.readexactly(int(headers["content-length"]))


async def chunks(reader: asyncio.StreamReader) -> bytes:
    """A body that came in chunks, whole."""
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def abandon(service: Service, call: Call, account: Account) -> None:
    """Sends a request and goes away while the service works on it."""
    body = json.dumps(call.json).encode()
    head = (
        f"{call.method} {call.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {account.session.token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(service.url).port)
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()
