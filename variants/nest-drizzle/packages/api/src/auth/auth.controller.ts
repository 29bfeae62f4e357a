import {
  type ChangePassword,
  changePassword,
  type LogIn,
  logIn,
  type Me,
  me,
  type OwnTenant,
  ownTenantPage,
  type PageQuery,
  pageQuery,
  type Register,
  type RegistrationPending,
  type RequestPasswordReset,
  type ResetPassword,
  refresh,
  register,
  registrationPending,
  requestPasswordReset,
  resetPassword,
  type Session,
  type SwitchTenant,
  session,
  switchTenant,
  type VerifyEmail,
  verifyEmail,
} from '@app/shared';
import { Body, Controller, Get, Header, HttpCode, HttpStatus, Ip, Post, Query, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ApiProblems } from '../common/errors/api-problems.decorator.js';
import type { Page } from '../common/pagination/page.js';
import { Answer } from '../common/validation/answer.js';
import { CurrentPrincipal, Public } from './access.guard.js';
import { AuthService } from './auth.service.js';
import { PasswordChangeService } from './password-change.service.js';
import { RegistrationService } from './registration.service.js';
import type { Principal } from './tokens.service.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly registration: RegistrationService,
    private readonly passwords: PasswordChangeService,
  ) {}

  @Public()
  @Post('register')
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Make an account and a tenant that it owns',
    description:
      'The response is 202 if the address must be verified first (AUTH_REQUIRE_VERIFIED_EMAIL): a mail brings a token for POST /auth/verify-email.',
  })
  @ApiCreatedResponse({ standardSchema: session })
  @ApiAcceptedResponse({ standardSchema: registrationPending })
  @ApiProblems(400, 409, 413, 415)
  @Answer(z.union([session, registrationPending]))
  async register(
    @Body({ schema: register }) body: Register,
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Session | RegistrationPending> {
    const result = await this.registration.register(body, address);
    if ('status' in result) reply.status(HttpStatus.ACCEPTED);
    return result;
  }

  @Public()
  @Post('verify-email')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Verify the address of a registration, which makes the account' })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 409, 413, 415)
  @Answer(session)
  async verifyEmail(
    @Body({ schema: verifyEmail }) body: VerifyEmail,
    @Ip() address: string,
  ): Promise<Session> {
    return this.registration.verify(body, address);
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
    return this.auth.logIn(body, address);
  }

  @Public()
  @Post('refresh')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Exchange a refresh token for new tokens',
    description:
      'A repeated request returns the same refresh token for some seconds (REFRESH_TOKEN_GRACE_SECONDS); after them it ends all tokens of the log-in.',
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
    description:
      'Its refresh tokens end at once. Its access tokens write nothing more, and read until they expire.',
  })
  @ApiNoContentResponse()
  @ApiProblems(400, 413, 415)
  async logOut(@Body({ schema: refresh }) body: { refreshToken: string }): Promise<void> {
    await this.auth.logOut(body.refreshToken);
  }

  @Post('change-password')
  @HttpCode(HttpStatus.OK)
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Change the password',
    description:
      'Ends all sessions of the user, in every tenant, and returns a new one. Their access tokens write nothing more, and read until they expire.',
  })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 413, 415)
  @Answer(session)
  async changePassword(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: changePassword }) body: ChangePassword,
    @Ip() address: string,
  ): Promise<Session> {
    return this.passwords.change(principal, body, address);
  }

  @Public()
  @Post('request-password-reset')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Request a mail with a token for a new password',
    description: 'The response is the same whether or not the address has an account.',
  })
  @ApiAcceptedResponse()
  @ApiProblems(400, 413, 415)
  async requestPasswordReset(
    @Body({ schema: requestPasswordReset }) body: RequestPasswordReset,
    @Ip() address: string,
  ): Promise<void> {
    await this.passwords.requestReset(body.email, address);
  }

  @Public()
  @Post('reset-password')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Set a new password by the token of a mail',
    description:
      'Ends all sessions of the user, in every tenant. Their access tokens write nothing more, and read until they expire.',
  })
  @ApiNoContentResponse()
  @ApiProblems(400, 401, 413, 415)
  async resetPassword(
    @Body({ schema: resetPassword }) body: ResetPassword,
    @Ip() address: string,
  ): Promise<void> {
    await this.passwords.reset(body, address);
  }

  @Public()
  @Post('switch-tenant')
  @HttpCode(HttpStatus.OK)
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Exchange a refresh token for tokens of another tenant of the user',
    description:
      'The token is used as by a refresh. If the user is no member of the tenant, it stays unused.',
  })
  @ApiOkResponse({ standardSchema: session })
  @ApiProblems(400, 401, 404, 413, 415)
  @Answer(session)
  async switchTenant(@Body({ schema: switchTenant }) body: SwitchTenant): Promise<Session> {
    return this.auth.refresh(body.refreshToken, body.tenantId);
  }

  @Get('tenants')
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'List the tenants that I am a member of',
    description: 'With my current role in each; the oldest membership is first.',
  })
  @ApiOkResponse({ standardSchema: ownTenantPage })
  @ApiProblems(400, 401)
  @Answer(ownTenantPage)
  async listOwnTenants(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: pageQuery }) query: PageQuery,
  ): Promise<Page<OwnTenant>> {
    return this.auth.tenants(principal, query);
  }

  @Get('me')
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Who I am' })
  @ApiOkResponse({ standardSchema: me })
  @ApiProblems(401)
  @Answer(me)
  async getMe(@CurrentPrincipal() principal: Principal): Promise<Me> {
    return this.auth.me(principal);
  }
}
