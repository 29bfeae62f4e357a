/**
 * The service as it is deployed, with one endpoint more: `POST /noop` takes the purchase's body, validates it and does
 * nothing. What a purchase costs is measured against it.
 */
import { Body, Controller, Module, Post } from '@nestjs/common';

// The build, and not the sources: Node strips types, but it emits no decorator metadata.
const dist = new URL('../dist/', import.meta.url);
const { createApp } = (await import(new URL('app.js', dist).href)) as typeof import('../src/app.js');
const { AppModule } = (await import(
  new URL('app.module.js', dist).href
)) as typeof import('../src/app.module.js');
const { readConfig } = (await import(
  new URL('config/config.js', dist).href
)) as typeof import('../src/config/config.js');
const { PurchaseTicketsDto } = (await import(
  new URL('tickets/dto/purchase-tickets.dto.js', dist).href
)) as typeof import('../src/tickets/dto/purchase-tickets.dto.js');

class NoopController {
  noop(_body: unknown): { ok: true } {
    return { ok: true };
  }
}
const noop = Object.getOwnPropertyDescriptor(NoopController.prototype, 'noop') ?? {};
Reflect.defineMetadata('design:paramtypes', [PurchaseTicketsDto], NoopController.prototype, 'noop');
Body()(NoopController.prototype, 'noop', 0);
Post()(NoopController.prototype, 'noop', noop);
Controller('noop')(NoopController);

class BenchModule extends AppModule {
  static override forRoot(...settings: Parameters<typeof AppModule.forRoot>) {
    return { module: BenchModule, imports: [AppModule.forRoot(...settings)], controllers: [NoopController] };
  }
}
Module({})(BenchModule);

const app = await createApp(readConfig(), BenchModule);
await app.listen(0, '127.0.0.1');
process.once('disconnect', () => process.exit(1)); // whoever measures has gone
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
process.send?.({ url: await app.getUrl() });
