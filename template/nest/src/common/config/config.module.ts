import { type DynamicModule, Global, Module } from '@nestjs/common';

/** Injects the parsed configuration: `@Inject(CONFIG) private readonly config: Config`. */
export const CONFIG = Symbol('CONFIG');

/**
 * Hands the configuration that `main.ts` parsed to everything that is injected. It is parsed before NestJS starts,
 * since the HTTP adapter and the logger are made from it.
 */
@Global()
@Module({})
export class ConfigModule {
  static forRoot(config: object): DynamicModule {
    return { module: ConfigModule, providers: [{ provide: CONFIG, useValue: config }], exports: [CONFIG] };
  }
}
