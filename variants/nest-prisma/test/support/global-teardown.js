export default async function teardown() {
  const { server } = /** @type {{ server: import('pg').Client }} */ (/** @type {unknown} */ (globalThis));
  await server.query(`DROP DATABASE ${process.env.TEST_TEMPLATE}`);
  await server.end();
}
