import { describe, expect, it } from 'bun:test';
import { Chat, instant, page } from '@app/shared';
import { z } from 'zod';
import { serializerCompiler } from '../../src/shared/lib/http/serializer.js';

const write = (schema: z.ZodType, value: unknown) =>
  JSON.parse(serializerCompiler({ schema, method: 'GET', url: '/' })(value));

describe('an answer', () => {
  const time = new Date('2030-05-01T19:30:00.123Z');
  const chat = {
    id: '01990000-0000-7000-8000-000000000001',
    title: 'quotes " and \u2028 and 🔑',
    providerKeyId: null,
    model: 'm',
    systemPrompt: null,
    historyTokens: 256,
    useTools: false,
    createdAt: time,
    version: 1,
    updatedAt: time,
  };

  it('is what the schema says, with points in time as text', () => {
    const rows = {
      data: [chat, { ...chat, providerKeyId: chat.id, systemPrompt: 'x' }],
      page: { nextCursor: null },
    };
    expect(write(page(Chat), rows)).toEqual(JSON.parse(JSON.stringify(rows)));
  });

  it('leaves out what the schema does not name', () => {
    expect(write(Chat, { ...chat, secret: 'v1.x', userId: 'ada' })).toEqual(JSON.parse(JSON.stringify(chat)));
  });

  it('without what the schema demands is an error', () => {
    const { title: _, ...incomplete } = chat;
    expect(() => write(Chat, incomplete)).toThrow('title');
  });

  it('may hold a point in time that is not there', () => {
    const schema = z.object({ at: instant.nullable() });
    expect(write(schema, { at: time })).toEqual({ at: time.toISOString() });
    expect(write(schema, { at: null })).toEqual({ at: null });
  });

  it('may hold parts of any shape, where the schema is open', () => {
    const schema = z.object({ parts: z.array(z.looseObject({ type: z.string() })) });
    const value = { parts: [{ type: 'text', text: 'a', deep: { list: [1, { x: null }] } }] };
    expect(write(schema, value)).toEqual(value);
  });
});
