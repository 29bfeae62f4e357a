import { Global, Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { AccessGuard, ScopeInterceptor } from './access.guard.js';
import { AuthService } from './auth.service.js';
import { FirebaseService } from './firebase.service.js';
import { MeController } from './me.controller.js';
import { PrincipalLimitGuard } from './principal-limit.guard.js';
import { ServiceTokensService } from './service-tokens.service.js';
import { UsersService } from './users.service.js';

@Global()
@Module({
  imports: [JwtModule],
  controllers: [MeController],
  providers: [
    AuthService,
    FirebaseService,
    ServiceTokensService,
    UsersService,
    { provide: APP_GUARD, useClass: AccessGuard },
    { provide: APP_GUARD, useClass: PrincipalLimitGuard },
    { provide: APP_INTERCEPTOR, useClass: ScopeInterceptor },
  ],
  exports: [AuthService],
})
export class AuthModule {}
