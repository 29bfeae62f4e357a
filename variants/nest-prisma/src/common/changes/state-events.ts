import type { MessageEvent } from '@nestjs/common';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  endWith,
  ignoreElements,
  interval,
  map,
  merge,
  type Observable,
  share,
  startWith,
  takeUntil,
  takeWhile,
  timer,
} from 'rxjs';

/** How often something is sent at least, so that nothing between takes the connection for dead; and the row is looked at. */
const HEARTBEAT_MS = 15_000;

/** Then the client comes again, with its token, which may not be good any more. */
const LONGEST_MS = 15 * 60_000;

/** How long a client waits before it comes again. */
const RETRY_MS = 2_000;

export interface StateSource<State> {
  /** What the client has seen already, by its Last-Event-ID. */
  readonly seen: number;
  /** Emits when there may be something new, and completes when the stream has to end. */
  readonly changes: Observable<unknown>;
  readonly read: () => Promise<State>;
  readonly version: (state: State) => number;
  /** Nothing changes after it. */
  readonly isFinal: (state: State) => boolean;
}

/**
 * The states of a row as server-sent events. Each event is the whole row, with its version as id: whoever missed some has
 * missed nothing, and a stream goes on where another one has ended. The last state ends it.
 */
export function stateEvents<State extends object>(source: StateSource<State>): Observable<MessageEvent> {
  return defer(() => {
    let { seen } = source;
    const changes = source.changes.pipe(share());
    const isOver = changes.pipe(ignoreElements(), endWith(undefined));
    return merge(changes, interval(HEARTBEAT_MS)).pipe(
      startWith(undefined),
      concatMap(() => source.read()),
      map((state) => {
        const version = source.version(state);
        const isFinal = source.isFinal(state);
        const isNew = version > seen || isFinal;
        seen = Math.max(seen, version);
        const event: MessageEvent = isNew
          ? { id: `${version}`, type: 'state', retry: RETRY_MS, data: state }
          : { comment: 'still here' };
        return { event, isFinal };
      }),
      takeWhile(({ isFinal }) => !isFinal, true),
      map(({ event }) => event),
      takeUntil(merge(isOver, timer(LONGEST_MS))),
      // The client comes again, and is told what is wrong then.
      catchError(() => EMPTY),
    );
  });
}

/** @returns 0 where there is none, or none of ours */
export function lastEventId(header: string | undefined): number {
  return /^\d{1,15}$/.test(header ?? '') ? Number(header) : 0;
}
