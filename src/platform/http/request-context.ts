import type { FastifyRequest } from 'fastify';
import type { EpochMs } from '#kernel/clock.ts';
import type { CorrelationId } from '#kernel/correlation-id.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import type { OwnHeaders } from './operation-docs.ts';
import type { Principal } from './principal.ts';
import type { RouteMeter } from './route-meter.ts';

/** What a handler knows of a request beside its body: who, under which correlation, since when. */
export interface RequestContext extends Principal {
  /** The caller's if it gave a sane one, else ours; in the answer, in every log line and in every event (U17). */
  readonly correlationId: CorrelationId;
  /** The caller's trace, version 00, or undefined: then a trace would start here. */
  readonly traceparent: string | undefined;
  readonly receivedAt: EpochMs;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the request is let in; null before, and on routes that are open to all. Read it by `contextOf`. */
    caller: RequestContext | null;
    /** Set on routes that exist. */
    meter: RouteMeter | null;
  }
  interface FastifyContextConfig {
    /** The scope that the operation needs. Every route says this or `open`. */
    scope?: string;
    /** Answers anybody, without credentials: health, metrics, documentation. */
    open?: true;
    /**
     * Of a route that runs commands: whether a request without an Idempotency-Key is refused. It is wherever money moves
     * or is promised (DESIGN §6).
     */
    idempotencyKey?: 'required' | 'optional';
    /** The operation honours `Prefer: wait`. */
    waits?: true;
    /** The media type of a body that is taken as it comes, for the document: no schema of the route tells of it. */
    rawBody?: string;
    /** What else it reads and sends in headers; for the API document alone. */
    headers?: OwnHeaders;
  }
}

/** The context of a request that was let in. */
export function contextOf(request: FastifyRequest): RequestContext {
  if (request.caller === null)
    throw new InvariantViolation(`${request.url} is open to all and has no caller`);
  return request.caller;
}
