import { Readable } from 'node:stream';
import { compileSerializer } from '../../shared/lib/http/serializer.js';
import { UserExport } from './schema.js';
import type { UserRecords } from './types.js';

const { exportedAt: _time, user, ...lists } = UserExport.shape;
const writeUser = compileSerializer(user);
const writers = Object.entries(lists).map(
  ([name, schema]) => [name as keyof typeof lists, compileSerializer(schema.element)] as const,
);

/**
 * An export as the body of a response, row by row. It reads the next rows when the client has taken those before, and no
 * transaction waits for the client: rows that change meanwhile are as they are when they are read.
 */
export class ExportStream extends Readable {
  readonly #chunks: AsyncGenerator<string, undefined>;

  constructor(records: UserRecords) {
    super({ highWaterMark: 1 });
    this.#chunks = chunksOf(records);
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ value }) => this.push(value ?? null),
      (error: Error) => this.destroy(error),
    );
  }
}

async function* chunksOf({ user, rowsOf }: UserRecords): AsyncGenerator<string, undefined> {
  yield `{"exportedAt":${JSON.stringify(new Date())},"user":${writeUser(user)}`;
  for (const [name, write] of writers) {
    yield `,${JSON.stringify(name)}:[`;
    let separator = '';
    for await (const row of rowsOf(name)) {
      yield separator + write(row);
      separator = ',';
    }
    yield ']';
  }
  yield '}';
  return undefined;
}
