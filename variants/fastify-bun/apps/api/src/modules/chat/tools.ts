import { type ToolSet, tool } from 'ai';
import { z } from 'zod';

/**
 * What a model may call. A tool gets its user from here, never from the model: arguments are a stranger's text.
 *
 * The clock is an example of the whole way: a schema that the model's arguments must fit, and an answer of plain data.
 */
export function createTools(now: () => Date = () => new Date()): ToolSet {
  return {
    currentTime: tool({
      description: 'The current date and time in a time zone.',
      inputSchema: z.object({
        timeZone: z
          .string()
          .refine(isTimeZone, 'must be a time zone of the IANA database, e.g. Europe/Berlin')
          .describe('IANA name, e.g. Europe/Berlin'),
      }),
      execute: async ({ timeZone }) => ({
        timeZone,
        time: now().toLocaleString('en-GB', { timeZone, dateStyle: 'full', timeStyle: 'long' }),
      }),
    }),
  };
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
