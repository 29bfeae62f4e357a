import type { NextConfig } from 'next';

export default {
  poweredByHeader: false,
  // Balancers and the service agree on what is compressed better than each for itself.
  compress: false,
  // The server and the handlers share these, each as one instance.
  serverExternalPackages: ['pino', 'pino-pretty', 'pg', 'ioredis'],
} satisfies NextConfig;
