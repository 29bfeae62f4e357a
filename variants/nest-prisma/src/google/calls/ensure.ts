import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { GoogleRequestError, GoogleUnavailableError } from '../google.errors.js';

/**
 * A creation without an answer: whether it has arrived can be seen by looking for what it should have created; but not now
 * where Google has asked to be left alone.
 */
const lookAgain = retry(
  handleWhen(
    (error) => error instanceof GoogleUnavailableError && error.mayHaveArrived && error.askedMs === undefined,
  ),
  { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 250, maxDelay: 2_000 }) },
);

/**
 * What is there is taken, what is not is created; and nothing is created twice, though answers be lost or others be creating
 * the same.
 *
 * @param create sends a request that is not repeatable
 */
export async function ensure<Entity>(
  find: () => Promise<Entity | undefined>,
  create: () => Promise<Entity>,
): Promise<Entity> {
  return lookAgain.execute(async () => (await find()) ?? createUnlessTaken(find, create));
}

/** Google refuses a second entity of the same name: then somebody else was quicker, and theirs will do. */
async function createUnlessTaken<Entity>(
  find: () => Promise<Entity | undefined>,
  create: () => Promise<Entity>,
): Promise<Entity> {
  try {
    return await create();
  } catch (error) {
    const theirs = error instanceof GoogleRequestError ? await find() : undefined;
    if (theirs === undefined) throw error;
    return theirs;
  }
}
