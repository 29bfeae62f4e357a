"""What people do to their services, variant by variant: the work that an update must leave alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.copying import edit

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
    readme = service / "README.md"
    readme.write_text(readme.read_text() + "\n## On call\n\nRing the box office.\n")
    edit(
        service / ".github" / "workflows" / "ci.yml",
        "      - run: npm run lint\n",
        "      - run: npm run lint:strict\n",
    )
    (service / "SECURITY.md").unlink()
    dashboard = service / "deploy" / "observability" / "grafana" / "dashboards" / "service.json"
    dashboard.write_text(json.dumps(json.loads(dashboard.read_text()), indent=4) + "\n")
    manifest = service / "package.json"
    package: dict[str, Any] = json.loads(manifest.read_text())
    package["scripts"]["lint:strict"] = "biome check --error-on-warnings ."
    package["dependencies"]["picocolors"] = "1.1.1"
    package["devDependencies"]["@types/node"] = "24.19.1"
    manifest.write_text(json.dumps(package, indent=2) + "\n")


def nest_typeorm(service: Path) -> None:
    """A module beside the sample's, a method that does something else, a test that is no longer wanted."""
    (service / "src" / "venues").mkdir()
    (service / "src" / "venues" / "venues.module.ts").write_text(VENUES)
    (service / "test" / "venues").mkdir()
    (service / "test" / "venues" / "venues.spec.ts").write_text(VENUES_SPEC)
    module = service / "src" / "app.module.ts"
    tickets = "import { TicketsModule } from './tickets/tickets.module.js';\n"
    edit(module, tickets, tickets + "import { VenuesModule } from './venues/venues.module.js';\n")
    edit(module, "        TicketsModule,\n", "        TicketsModule,\n        VenuesModule,\n")
    events = service / "src" / "events" / "events.service.ts"
    edit(events, "      description,\n", "      description: description.trim(),\n")
    (service / "test" / "tickets" / "granting.spec.ts").unlink()


EDITS: dict[str, Callable[[Path], None]] = {"nest-typeorm": nest_typeorm}
