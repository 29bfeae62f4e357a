import { describe, expect, it } from 'bun:test';

const LOGGER = new URL('../../src/shared/lib/logging/logger.ts', import.meta.url).pathname;

/** The line that is written about an error, by a process of its own. */
function lineOf(error: string): Record<string, unknown> {
  const code = `
    const { createLogger } = await import(${JSON.stringify(LOGGER)});
    createLogger({ LOG_LEVEL: 'info', NODE_ENV: 'test' }).error({ err: ${error} }, 'said');`;
  const { stdout } = Bun.spawnSync([process.execPath, '-e', code], {
    cwd: new URL('..', import.meta.url).pathname,
  });
  return JSON.parse(stdout.toString());
}

describe('a line about an error', () => {
  it('holds no parameter of a query, wherever the error carries it', () => {
    const line = lineOf(`Object.assign(
      new Error('Failed query: select $1\\nparams: canary\\n    at canary', { cause: Object.assign(new Error('inner'), { detail: 'Key (x)=(canary)' }) }),
      { query: 'select $1', params: ['canary'], code: 'X' },
    )`);
    expect(JSON.stringify(line)).not.toContain('canary');
    expect(line).toMatchObject({
      msg: 'said',
      err: { type: 'Error', message: 'Failed query: select $1', code: 'X', cause: { message: 'inner' } },
    });
  });

  it('tells where the error was made', () => {
    const { err } = lineOf(`new TypeError('it broke')`) as {
      err: { type: string; message: string; stack: string[] };
    };
    expect([err.type, err.message]).toEqual(['TypeError', 'it broke']);
    expect(err.stack.join()).toContain(' at ');
  });
});
