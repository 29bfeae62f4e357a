import {
  type LogIn,
  logIn,
  type Me,
  me,
  type Register,
  refresh,
  register,
  type Session,
  session,
} from '@app/shared';
import { Body, Controller, Get, Header, HttpCode, HttpStatus, Ip, Post } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import { Answer } from '../common/validation/answer.js';
import { CurrentPrincipal, Public } from './access.guard.js';
import { AuthService } from './auth.service.js';
import { LoginLimitService } from './login-limit.service.js';
import type { Principal } from './tokens.service.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly limit: LoginLimitService,
  ) {}

  @Public()
  @Post('register')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Make an account and a tenant that it owns' })
  @ApiCreatedResponse({ standardSchema: session })
  @ApiProblems(400, 409, 413, 415)
  @Answer(session)
  async register(@Body({ schema: register }) body: Register, @Ip() address: string): Promise<Session> {
    await this.limit.count(body.email, address);
    return this.auth.register(body);
  }

  @Public()
  @Post('login')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Log in, to one of the tenants that the user is a member of' })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 413, 415)
  @Answer(session)
  async logIn(@Body({ schema: logIn }) body: LogIn, @Ip() address: string): Promise<Session> {
    await this.limit.count(body.email, address);
    return this.auth.logIn(body);
  }

  @Public()
  @Post('refresh')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Exchange a refresh token for new tokens',
    description: 'Each is good for one use; a second use ends all tokens of its log-in.',
  })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 413, 415)
  @Answer(session)
  async refresh(@Body({ schema: refresh }) body: { refreshToken: string }): Promise<Session> {
    return this.auth.refresh(body.refreshToken);
  }

  @Public()
  @Post('logout')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'End a log-in',
    description: 'Its refresh tokens end at once, its access tokens when they expire.',
  })
  @ApiNoContentResponse()
  @ApiProblems(400, 413, 415)
  async logOut(@Body({ schema: refresh }) body: { refreshToken: string }): Promise<void> {
    await this.auth.logOut(body.refreshToken);
  }

  @Get('me')
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Who I am' })
  @ApiOkResponse({ standardSchema: me })
  @ApiProblems(401)
  @Answer(me)
  async me(@CurrentPrincipal() principal: Principal): Promise<Me> {
    return this.auth.me(principal);
  }
}
