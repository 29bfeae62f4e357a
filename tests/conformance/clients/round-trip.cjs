// Creates a resource with a generated client, and reads it back: `node round-trip.cjs <folder of the client>`, the calls on stdin.
const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const folder = resolve(process.argv[2]);
const { baseUrl, headers, create, read } = JSON.parse(readFileSync(0, 'utf8'));
const { client } = require(join(folder, 'client.gen.js'));
const sdk = require(join(folder, 'sdk.gen.js'));

async function main() {
  client.setConfig({ baseUrl, headers });
  const created = await sdk[create.operationId]({ body: create.body });
  if (created.error !== undefined) throw new Error(JSON.stringify(created.error));
  const id = created.response.headers.get('location').split('/').at(-1);
  const found = await sdk[read.operationId]({ path: { [read.parameter]: id } });
  process.stdout.write(JSON.stringify({ created: created.data, found: found.data }));
}

main();
