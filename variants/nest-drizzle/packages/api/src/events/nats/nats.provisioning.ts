import { isDeepStrictEqual } from 'node:util';
import {
  type ConsumerConfig,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';

type Declared<Config> = Partial<Config> & { readonly name: string };

/** JetStream refuses to change what exists to what this version of the service declares. */
export class ProvisioningError extends Error {
  override name = 'ProvisioningError';
}

/**
 * Creates a stream, or changes the existing one to what is declared.
 *
 * @throws ProvisioningError
 */
export async function provideStream(
  manager: JetStreamManager,
  declared: Declared<StreamConfig>,
): Promise<void> {
  const { streams } = manager;
  const existing = await found(streams.info(declared.name), JetStreamApiCodes.StreamNotFound);
  if (existing === undefined) await streams.add(declared);
  else
    await change(`The stream ${declared.name}`, existing.config, declared, () =>
      streams.update(declared.name, declared),
    );
}

/**
 * Creates a durable consumer, or changes the existing one to what is declared. It goes on where it was.
 *
 * @throws ProvisioningError
 */
export async function provideConsumer(
  { consumers }: JetStreamManager,
  stream: string,
  { name, ...config }: Declared<ConsumerConfig>,
): Promise<void> {
  const declared = { ...config, durable_name: name };
  const existing = await found(consumers.info(stream, name), JetStreamApiCodes.ConsumerNotFound);
  if (existing === undefined) await consumers.add(stream, declared);
  else
    await change(`The consumer ${name} of ${stream}`, existing.config, declared, () =>
      consumers.update(stream, name, declared),
    );
}

async function found<Info>(info: Promise<Info>, notFound: number): Promise<Info | undefined> {
  try {
    return await info;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === notFound) return undefined;
    throw error;
  }
}

async function change(
  what: string,
  existing: object,
  declared: object,
  update: () => Promise<unknown>,
): Promise<void> {
  const present = new Map(Object.entries(existing));
  const changes = Object.entries(declared).filter(
    ([member, value]) => !isDeepStrictEqual(sorted(value), sorted(present.get(member))),
  );
  if (changes.length === 0) return;
  try {
    await update();
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error;
    const wanted = changes.map(
      ([member, value]) =>
        `${member} from ${JSON.stringify(present.get(member))} to ${JSON.stringify(value)}`,
    );
    throw new ProvisioningError(
      `${what} cannot be changed: ${wanted.join(', ')} (${error.message}). Undo the change, or give NATS_PREFIX another value: then there are new streams, and the events of the old ones are not handled.`,
      { cause: error },
    );
  }
}

/** JetStream returns lists in any order. */
const sorted = (value: unknown): unknown => (Array.isArray(value) ? value.toSorted() : value);
