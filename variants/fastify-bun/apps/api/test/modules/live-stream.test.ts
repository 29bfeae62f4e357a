import { describe, expect, it } from 'bun:test';
import { LiveStream } from '../../src/modules/chat/live-stream.js';

const never = new AbortController().signal;

async function collect(events: AsyncGenerator<string, boolean>): Promise<string> {
  let text = '';
  for await (const batch of events) text += batch;
  return text;
}

describe('the events of an answer', () => {
  it('reach every reader whole and in order, whenever it begins', async () => {
    const stream = new LiveStream();
    stream.push('a');
    const early = collect(stream.read(0, never));
    await Bun.sleep(1);
    stream.push('b');
    const late = collect(stream.read(1, never));
    for (let index = 0; index < 200; index++) stream.push(index);
    stream.end();
    expect(await early).toBe(await collect(stream.read(0, never)));
    expect(await early).toEndWith('id: 202\ndata: 199\n\n');
    expect(await early).toEndWith(await late);
    expect(await late).toStartWith('id: 2\ndata: "b"\n\n');
  });

  it('are not gathered for a reader that is slow', async () => {
    const stream = new LiveStream();
    const chunk = { type: 'text-delta', delta: 'x'.repeat(1_000) };
    const slow = Array.from({ length: 200 }, () => stream.read(0, never));
    for (const reader of slow) {
      stream.push(chunk);
      await reader.next();
    }
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 2_000; index++) stream.push(chunk);
    Bun.gc(true);
    // Two megabytes of events, once: 200 copies would be 400.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40_000_000);
    stream.end();
    expect((await collect(stream.read(2_190, never))).match(/^id: /gm)).toHaveLength(10);
  });

  it('end for a reader that leaves', async () => {
    const stream = new LiveStream();
    const left = new AbortController();
    const reading = collect(stream.read(0, left.signal));
    left.abort();
    expect(await reading).toBe('');
  });
});
