"""Clients that keep a service busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.conformance.drivers import Driver
from tests.conformance.processes import Postgres, Service, eventually


@asynccontextmanager
async def load(
    driver: Driver,
    api: httpx.AsyncClient,
    resource: str,
    *,
    clients: int = 16,
    may_break: bool = False,
    **changes: Any,
) -> AsyncIterator[list[httpx.Response]]:
    """Clients that write one request after the other until the context ends.

    Args:
        may_break: lets a client end with its connection; otherwise a dropped request fails the test

    Yields:
        what was answered so far
    """
    answers: list[httpx.Response] = []
    stopped = asyncio.Event()

    async def write() -> None:
        while not stopped.is_set():
            try:
                answers.append(await driver.write_once(resource, **changes).send(api))
            except httpx.TransportError:
                if may_break:
                    return
                raise

    writers = [asyncio.create_task(write()) for _ in range(clients)]
    try:
        yield answers
    finally:
        stopped.set()
        await asyncio.gather(*writers)


async def stopped_meanwhile(service: Service, server: Postgres, answers: list[httpx.Response]) -> None:
    """Stops a server under load for ten seconds, in which the service is not ready, and lives."""
    await arrived(answers, 50)
    server.stop()
    await service.becomes(503)
    await asyncio.sleep(10)
    assert (service.readiness(), service.liveness()) == (503, 200)


async def arrived(answers: list[httpx.Response], number: int) -> None:
    await asyncio.to_thread(eventually, f"{number} answers", lambda: len(answers) >= number)
