import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';

/** A stream of this many texts and tool calls is no answer; the SDK copies the message for each. */
const CHUNKS_MAX = 1_000;
/** Bytes of one tool call: the SDK parses all of its input again for each piece. */
const TOOL_INPUT_MAX_BYTES = 65_536;

/** Bytes as which each chunk counts at least: a chunk costs memory and time whatever it holds. */
const CHUNK_MIN_BYTES = 16;

type Delta = Extract<UIMessageChunk, { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta' }>;

/** The chunks that a message is built from, up to a limit in bytes. The pieces of a text are one chunk. */
export class KeptAnswer {
  readonly #chunks: UIMessageChunk[] = [];
  /** The texts and tool inputs that the next piece may continue. */
  readonly #open = new Map<string, Delta>();
  #bytes = 0;
  #toolBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** @returns false if the answer would be longer than allowed: then the chunk is not kept */
  add(chunk: UIMessageChunk): boolean {
    const bytes = Math.max(sizeOf(chunk), CHUNK_MIN_BYTES);
    this.#bytes += bytes;
    if (chunk.type === 'tool-input-delta') this.#toolBytes += bytes;
    if (this.#bytes > this.maxBytes || this.#toolBytes > TOOL_INPUT_MAX_BYTES) return false;
    if (this.#continues(chunk)) return true;
    if (this.#chunks.length >= CHUNKS_MAX) return false;
    const kept = { ...chunk };
    this.#chunks.push(kept);
    if (isDelta(kept)) this.#open.set(keyOf(kept), kept);
    return true;
  }

  #continues(chunk: UIMessageChunk): boolean {
    if (chunk.type === 'text-start' || chunk.type === 'reasoning-start')
      this.#open.delete(`${chunk.type.replace('start', 'delta')}:${chunk.id}`);
    if (!isDelta(chunk)) return false;
    const open = this.#open.get(keyOf(chunk));
    if (open === undefined) return false;
    if (open.type === 'tool-input-delta') {
      open.inputTextDelta += (chunk as typeof open).inputTextDelta;
      return true;
    }
    if ((chunk as typeof open).providerMetadata !== undefined) return false;
    open.delta += (chunk as typeof open).delta;
    return true;
  }

  /** The parts of the message, as PostgreSQL can store them. */
  async parts(): Promise<UIMessage['parts']> {
    const chunks = this.#chunks;
    let parts: UIMessage['parts'] = [];
    const stream = new ReadableStream<UIMessageChunk>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
    for await (const message of readUIMessageStream({ stream, onError: () => {} })) parts = message.parts;
    return storable(parts) as UIMessage['parts'];
  }
}

function isDelta(chunk: UIMessageChunk): chunk is Delta {
  return chunk.type === 'text-delta' || chunk.type === 'reasoning-delta' || chunk.type === 'tool-input-delta';
}

function keyOf(chunk: Delta): string {
  return `${chunk.type}:${chunk.type === 'tool-input-delta' ? chunk.toolCallId : chunk.id}`;
}

function sizeOf(chunk: UIMessageChunk): number {
  if (!isDelta(chunk)) return Buffer.byteLength(JSON.stringify(chunk));
  return Buffer.byteLength(chunk.type === 'tool-input-delta' ? chunk.inputTextDelta : chunk.delta);
}

/** Replaces what `jsonb` refuses: NUL, and halves of surrogate pairs, which a text that was cut may end with. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\u0000', '\ufffd');
  if (Array.isArray(value)) return value.map(storable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [storable(key), storable(member)]));
}
