import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { TenantScope } from '../common/database/tenant-scope.js';
import { SecurityLog } from '../common/logging/security-log.js';
import { AnswerParser } from '../common/validation/answer.js';
import { AccessGuard } from './access.guard.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { JwksController } from './jwks.controller.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LoginLimitService } from './login-limit.service.js';
import { MailLimitService } from './mail-limit.service.js';
import { PasswordChangeService } from './password-change.service.js';
import { PasswordsService } from './passwords.service.js';
import { RegistrationService } from './registration.service.js';
import { TokensService } from './tokens.service.js';

@Module({
  imports: [PassportModule, JwtModule.register({})],
  controllers: [AuthController, JwksController],
  providers: [
    AuthService,
    JwtStrategy,
    LoginLimitService,
    MailLimitService,
    PasswordChangeService,
    PasswordsService,
    RegistrationService,
    SecurityLog,
    TokensService,
    { provide: APP_GUARD, useClass: AccessGuard },
    TenantScope,
    AnswerParser,
  ],
  exports: [AuthService, LoginLimitService, MailLimitService, PasswordsService, SecurityLog, TokensService],
})
export class AuthModule {}
