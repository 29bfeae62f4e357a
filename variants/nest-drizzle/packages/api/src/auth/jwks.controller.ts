import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from './access.guard.js';
import type { PublicJwk } from './signing-keys.js';
import { TokensService } from './tokens.service.js';

/** The keys that our tokens are checked with, for other services. */
@ApiExcludeController()
@Public()
@Controller('.well-known')
export class JwksController {
  constructor(private readonly tokens: TokensService) {}

  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=300')
  jwks(): { keys: PublicJwk[] } {
    return this.tokens.jwks();
  }
}
