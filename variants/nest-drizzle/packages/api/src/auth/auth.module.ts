import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { TenantScope } from '../common/database/tenant-scope.js';
import { AnswerParser } from '../common/validation/answer.js';
import { AccessGuard } from './access.guard.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { JwksController } from './jwks.controller.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LoginLimitService } from './login-limit.service.js';
import { PasswordsService } from './passwords.service.js';
import { TokensService } from './tokens.service.js';

@Module({
  imports: [PassportModule, JwtModule.register({})],
  controllers: [AuthController, JwksController],
  providers: [
    AuthService,
    JwtStrategy,
    LoginLimitService,
    PasswordsService,
    TokensService,
    { provide: APP_GUARD, useClass: AccessGuard },
    TenantScope,
    AnswerParser,
  ],
  exports: [AuthService, PasswordsService, TokensService],
})
export class AuthModule {}
