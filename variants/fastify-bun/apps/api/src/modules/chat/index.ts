import fp from 'fastify-plugin';
import { ANSWER_MARGIN_MS } from '../providers/types.js';
import { createGenerations } from './generations.js';
import { createChatRepository } from './repository.js';
import { chatRoutes } from './routes.js';
import { type ChatSettings, createChatService } from './service.js';
import { createStreamStore } from './stream-store.js';
import { createTools } from './tools.js';
import type { ChatAccess } from './types.js';

declare module 'fastify' {
  interface FastifyInstance {
    readonly chatAccess: ChatAccess;
  }
}

/** Once the server closes, answers that are being made have this long to come to their end, in milliseconds. */
const SHUTDOWN_GRACE_MS = 3_000;

type Settings = ChatSettings & { readonly OTEL_SERVICE_NAME: string; readonly STREAM_GRACE_MS: number };

/** Conversations with models. */
export const chatModule = fp<{ readonly settings: Settings }>(
  async (app, { settings }) => {
    const store = createStreamStore({ valkey: app.valkey, prefix: settings.OTEL_SERVICE_NAME, log: app.log });
    const generations = createGenerations(store, settings.STREAM_GRACE_MS);
    const service = createChatService({
      repository: createChatRepository(app.db),
      providers: app.providers,
      generations,
      store,
      tools: createTools(),
      settings,
      log: app.log,
    });
    app.decorate('chatAccess', service.access);
    // The server waits for its requests, and those for their answers.
    let shutdown: NodeJS.Timeout | undefined;
    app.addHook('preClose', async () => {
      shutdown = setTimeout(() => void generations.close(), SHUTDOWN_GRACE_MS);
    });
    app.addHook('onClose', async () => {
      clearTimeout(shutdown);
      await generations.close();
    });
    const answerTimeoutMs = settings.PROVIDER_TOTAL_TIMEOUT_MS + ANSWER_MARGIN_MS;
    await app.register(chatRoutes, { prefix: '/chats', service, answerTimeoutMs });
  },
  { name: 'chat', dependencies: ['database', 'valkey', 'providers'] },
);
