// Loaded with `node --import` before a service under test: names are resolved by the server at NAME_SERVER.
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

dns.promises.Resolver = class extends dns.promises.Resolver {
  /** @param {import('node:dns').ResolverOptions} [options] */
  constructor(options) {
    super(options);
    this.setServers([process.env.NAME_SERVER ?? '']);
  }
};
syncBuiltinESMExports();
