import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { getQueueToken } from '@nestjs/bullmq';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Queue } from 'bullmq';
import type { RequestHandler } from 'express';
import helmet from 'helmet';
import { SYNC_QUEUE, TRACKING_SETUP_QUEUE } from './queue-names.js';

export const BULL_BOARD_PATH = '/admin/queues';

const USER = 'admin';

/**
 * Bull Board, to look at the queues. It shows the jobs of all organizations, so it is for who runs the service and for no
 * member of an organization: whoever knows BULL_BOARD_PASSWORD, as user `admin` (HTTP Basic, so use TLS). Without that it is
 * not there. It changes nothing: jobs are put back by `POST /api/v1/dead-letters/{id}/requeue`.
 */
export function serveBullBoard(app: NestExpressApplication, password: string | undefined): void {
  if (password === undefined) return;
  const board = new ExpressAdapter();
  board.setBasePath(BULL_BOARD_PATH);
  createBullBoard({
    queues: [TRACKING_SETUP_QUEUE, SYNC_QUEUE].map(
      (name) => new BullMQAdapter(app.get<Queue>(getQueueToken(name)), { readOnlyMode: true }),
    ),
    serverAdapter: board,
  });
  app.use(BULL_BOARD_PATH, onlyFor(password), allowStyles(), board.getRouter());
}

function onlyFor(password: string): RequestHandler {
  const wanted = digest(`${USER}:${password}`);
  return (request, response, next) => {
    const [, given = ''] = /^Basic ([\w+/=]+)$/i.exec(request.get('authorization') ?? '') ?? [];
    if (timingSafeEqual(digest(Buffer.from(given, 'base64').toString()), wanted)) return next();
    response.status(401).header('www-authenticate', 'Basic realm="queues", charset="UTF-8"').end();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The board's page has a style of its own. Its fonts would come from elsewhere, and stay out. */
function allowStyles(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      directives: { styleSrc: ["'self'", "'unsafe-inline'"], upgradeInsecureRequests: null },
    },
  });
}
