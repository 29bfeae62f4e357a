// @ts-check
// Not TypeScript: Next.js reads it again when it starts, and the image has no compiler.

/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  // `dev` prints an address with this host; Next.js alone gives its scripts to `localhost` only.
  allowedDevOrigins: ['127.0.0.1'],
  // A path with a slash behind is another path: nothing is there.
  skipTrailingSlashRedirect: true,
  // Balancers and the service agree on what is compressed better than each for itself.
  compress: false,
  // `npm run typecheck` does that, for the tests as well.
  typescript: { ignoreBuildErrors: true },
  // The server and the handlers share these, each as one instance.
  serverExternalPackages: ['pino', 'pino-pretty', 'pg', 'ioredis', 'swagger-ui-dist'],
};
