"""What people do to their services, variant by variant: the work that an update must leave alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.copying import edit
from tools.install import manager

PINNED = {"npm": ("@types/node", "24.19.1"), "bun": ("@types/nodemailer", "8.0.1")}
"""What a user has at another version than the template, by the program that installs it."""

VENUES = """import { Controller, Get, Module } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';

@ApiExcludeController()
@Controller('venues')
export class VenuesController {
  @Get()
  list(): string[] {
    return ['Main hall'];
  }
}

@Module({ controllers: [VenuesController] })
export class VenuesModule {}
"""
VENUES_SPEC = """import { expect, it } from 'vitest';
import { VenuesController } from '../../src/venues/venues.module.js';

it('lists the venues', () => {
  expect(new VenuesController().list()).toEqual(['Main hall']);
});
"""


def everywhere(service: Path) -> None:
    """What is there in every variant: documentation, CI, packages, a file that is written in another way."""
    program = manager(service)
    readme = service / "README.md"
    readme.write_text(readme.read_text() + "\n## On call\n\nRing the box office.\n")
    edit(
        service / ".github" / "workflows" / "ci.yml",
        f"      - run: {program} run lint\n",
        f"      - run: {program} run lint:strict\n",
    )
    (service / "SECURITY.md").unlink()
    dashboard = service / "deploy" / "observability" / "grafana" / "dashboards" / "service.json"
    dashboard.write_text(json.dumps(json.loads(dashboard.read_text()), indent=4) + "\n")
    manifest = service / "package.json"
    package: dict[str, Any] = json.loads(manifest.read_text())
    package["scripts"]["lint:strict"] = "biome check --error-on-warnings ."
    package.setdefault("dependencies", {})["picocolors"] = "1.1.1"
    name, version = PINNED[program]
    package["devDependencies"][name] = version
    manifest.write_text(json.dumps(package, indent=2) + "\n")


def venues_of_nest(api: Path, test: str, last: str, runner: str = "vitest") -> None:
    """A module beside the sample's.

    Args:
        api: has src/ and test/
        test: where below test/ its test goes
        last: the plural of the module that it is entered behind
        runner: what tests are imported from
    """
    (api / "src" / "venues").mkdir()
    (api / "src" / "venues" / "venues.module.ts").write_text(VENUES)
    spec = api / "test" / test / "venues.spec.ts"
    spec.parent.mkdir(exist_ok=True)
    text = VENUES_SPEC.replace("../../src", os.path.relpath(api / "src", spec.parent)).replace("vitest", runner)
    spec.write_text(text)
    module = api / "src" / "app.module.ts"
    line = f"import {{ {last.capitalize()}Module }} from './{last}/{last}.module.js';\n"
    edit(module, line, line + "import { VenuesModule } from './venues/venues.module.js';\n")
    entry = f"        {last.capitalize()}Module,\n"
    edit(module, entry, entry + "        VenuesModule,\n")


def nest_typeorm(service: Path) -> None:
    """A module beside the sample's, a method that does something else, a test that is no longer wanted."""
    venues_of_nest(service, "venues", "tickets")
    events = service / "src" / "events" / "events.service.ts"
    edit(events, "      description,\n", "      description: description.trim(),\n")
    (service / "test" / "tickets" / "granting.spec.ts").unlink()


def nest_drizzle(service: Path) -> None:
    """The same: a module, a method, a test."""
    api = service / "packages" / "api"
    venues_of_nest(api, "", "tasks")
    projects = api / "src" / "projects" / "projects.service.ts"
    edit(projects, "id: uuidv7(), ...input };", "id: uuidv7(), ...input, name: input.name.trim() };")
    (api / "test" / "members.spec.ts").unlink()


ROUTES = """import type { FastifyInstance } from 'fastify';

export async function venuesRoutes(app: FastifyInstance): Promise<void> {
  app.get('/', { schema: { hide: true } }, async () => ['Main hall']);
}
"""
PLUGIN = """import fp from 'fastify-plugin';
import { venuesRoutes } from './routes.js';

/** Where people meet. */
export const venuesModule = fp(
  async (app) => {
    await app.register(venuesRoutes, { prefix: '/venues' });
  },
  { name: 'venues' },
);
"""
ROUTES_TEST = """import { expect, test } from 'bun:test';
import Fastify from 'fastify';
import { venuesModule } from '../../src/modules/venues/index.js';

test('lists the venues', async () => {
  const app = Fastify();
  await app.register(venuesModule);
  expect((await app.inject('/venues')).json()).toEqual(['Main hall']);
});
"""


def fastify_bun(service: Path) -> None:
    """The same: a module, a method, a test."""
    api = service / "apps" / "api"
    (api / "src" / "modules" / "venues").mkdir()
    (api / "src" / "modules" / "venues" / "routes.ts").write_text(ROUTES)
    (api / "src" / "modules" / "venues" / "index.ts").write_text(PLUGIN)
    (api / "test" / "modules" / "venues.test.ts").write_text(ROUTES_TEST)
    app = api / "src" / "app.ts"
    users = "import { usersModule } from './modules/users/index.js';\n"
    edit(app, users, users + "import { venuesModule } from './modules/venues/index.js';\n")
    edit(
        app,
        "  await app.register(usersModule);\n",
        "  await app.register(usersModule);\n  await app.register(venuesModule);\n",
    )
    service_file = api / "src" / "modules" / "users" / "service.ts"
    edit(service_file, "repository.update(id, changes)", "repository.update(id, { name: changes.name.trim() })")
    (api / "test" / "modules" / "idempotency.test.ts").unlink()


def nest_prisma(service: Path) -> None:
    """The same: a module, a method, a test."""
    venues_of_nest(service, "venues", "trackings", "@jest/globals")
    customers = service / "src" / "customers" / "customers.service.ts"
    edit(customers, "customer.create({ data: normalize(wish) })", "customer.create({ data: normalize(trimmed(wish)) })")
    normalize = "function normalize<"
    trimmed = "const trimmed = (wish: CreateCustomerDto): CreateCustomerDto => ({ ...wish, name: wish.name.trim() });"
    edit(customers, normalize, f"{trimmed}\n\n{normalize}")
    (service / "test" / "members" / "members.spec.ts").unlink()


HANDLER = """import { venues } from '@/lib/venues/venues';

export function GET(): Response {
  return Response.json(venues());
}
"""
HANDLER_TEST = """import { expect, it } from 'vitest';
import { GET } from '@/app/api/v1/venues/route';

it('lists the venues', async () => {
  expect(await GET().json()).toEqual(['Main hall']);
});
"""


NEWER_MIGRATION = "SET lock_timeout = '5s';\nCOMMENT ON COLUMN public.projects.name IS 'The name on the poster';\n"


def newer_migration(service: Path, variant: str) -> None:
    """Writes a migration that is newer than those of an update, where their names give their order."""
    if variant == "next-supabase":
        (service / "supabase" / "migrations" / "20270101000000_our_projects.sql").write_text(NEWER_MIGRATION)


def next_supabase(service: Path) -> None:
    """The same: an endpoint with its logic, a function, a test."""
    for folder, name, text in (
        ("lib/venues", "venues.ts", "export const venues = () => ['Main hall'];\n"),
        ("app/api/v1/venues", "route.ts", HANDLER),
        ("test/venues", "venues.spec.ts", HANDLER_TEST),
    ):
        (service / folder).mkdir()
        (service / folder / name).write_text(text)
    projects = service / "lib" / "projects" / "projects.ts"
    edit(projects, "since you read it. Read it again.'", "since you read it. Reload the page.'")
    (service / "test" / "api" / "members.spec.ts").unlink()


EDITS: dict[str, Callable[[Path], None]] = {
    "nest-typeorm": nest_typeorm,
    "nest-drizzle": nest_drizzle,
    "fastify-bun": fastify_bun,
    "nest-prisma": nest_prisma,
    "next-supabase": next_supabase,
}

SAMPLE_DOMAIN = {
    "nest-typeorm": ("src/events", "src/tickets", "test/events", "test/tickets"),
    "nest-drizzle": ("packages/api/src/projects", "packages/api/src/tasks", "packages/api/src/project-stats"),
    "fastify-bun": ("apps/api/src/modules/chat", "apps/api/src/modules/providers"),
    "nest-prisma": ("src/customers", "src/trackings", "test/customers", "test/trackings"),
    "next-supabase": ("lib/projects", "lib/analytics", "app/api/v1/projects"),
}
"""Where a variant has what it is an example of, and what its user replaces."""

DROPPED: dict[str, dict[str, object]] = {
    "nest-typeorm": {"agents_md": False},
    "nest-drizzle": {"messaging": "none", "queue": "none"},
    "fastify-bun": {"ai_providers": ["openai-compatible"]},
    "nest-prisma": {"devcontainer": False},
    "next-supabase": {"integrations": [], "graphql": False, "edge_functions": False},
}
"""Answers by which a variant gets less than with its defaults."""
