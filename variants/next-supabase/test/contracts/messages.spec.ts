import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { backendResultMessage } from '@/lib/contracts/result-message';
import { backendTaskMessage } from '@/lib/contracts/task-message';

const CONTRACTS = [
  ['backend-task-message', backendTaskMessage],
  ['backend-result-message', backendResultMessage],
] as const;

const example = (name: string) =>
  JSON.parse(readFileSync(`docs/contracts/${name}.example.json`, 'utf8')) as Record<string, object>;

describe.each(CONTRACTS)('%s', (name, schema) => {
  it('has the JSON Schema that its Zod schema makes (vitest -u writes it)', async () => {
    const text = `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`../../docs/contracts/${name}.schema.json`);
  });

  it('takes its example, and nothing that it does not name', () => {
    expect(schema.safeParse(example(name)).error).toBeUndefined();
    expect(schema.safeParse({ ...example(name), note: 'x' }).success).toBe(false);
  });
});

describe('a task', () => {
  it('comes with the specification of its type', () => {
    const task = example('backend-task-message');
    expect(backendTaskMessage.safeParse({ ...task, type: 'fix-bug' }).success).toBe(false);
    expect(backendTaskMessage.safeParse({ ...task, specifications: {} }).success).toBe(false);
    expect(backendTaskMessage.safeParse({ ...task, type: 'do-something' }).success).toBe(false);
  });
});

describe('a result', () => {
  it('names what was delivered, or why nothing was', () => {
    expect(backendResultMessage.safeParse({ taskId: 't', status: 'completed' }).success).toBe(false);
    expect(backendResultMessage.safeParse({ taskId: 't', status: 'blocked' }).success).toBe(false);
    expect(backendResultMessage.safeParse({ taskId: 't', status: 'failed', issues: ['why'] }).success).toBe(
      true,
    );
    expect(backendResultMessage.safeParse({ taskId: 't', status: 'in-progress' }).success).toBe(true);
  });
});
