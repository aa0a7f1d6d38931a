/** Lastro as its connectors' destination: an order is read as its route reads a request, and goes through the same intake. */
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import { Fault } from '#kernel/fault.ts';
import { type IdPrefix, newId } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command } from '#platform/batch/command.ts';
import { QueueFull } from '#platform/batch/command-worker.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { faulty, parseJsonBody } from '#platform/http/json-body.ts';
import { createFaultFinder } from '#platform/http/validation.ts';
import type { CallOutcome, PlaceOrder } from '#services/hub/contract.ts';

export interface Placing<Order> {
  readonly prefix: IdPrefix;
  readonly operation: string;
  readonly schema: object;
  readonly orderOf: (body: unknown) => Order;
  /** What the schema cannot say of it. */
  readonly misfit?: (order: Order) => Problem | undefined;
  readonly queue: CommandQueue<Order>;
  /** Whether the part takes no orders just now. */
  readonly obstacle: (command: Command<Order>) => boolean;
}

const BUSY_RETRY_MS = 1000;

/** Under the integration's own idempotency key: however often it is tried, it is one. */
export function placing<Order>(part: Placing<Order>): PlaceOrder {
  const { prefix, operation, queue, obstacle } = part;
  const read = readerOf(part);
  return async ({ tenant, body, idempotencyKey, correlationId, traceparent }) => {
    const startedAt = performance.now();
    const taken = () => ({ latencyMs: performance.now() - startedAt });
    const order = read(body);
    if (!order.ok) {
      const { code, detail } = order.problem;
      return { kind: 'permanent', code, detail, ...taken() };
    }
    const command: Command<Order> = {
      operation,
      tenant,
      idempotencyKey,
      body: order.value,
      id: newId(prefix),
      requestId: newId('req'),
      correlationId,
      traceparent,
      actor: 'hub',
    };
    if (obstacle(command)) return busy(taken().latencyMs);
    try {
      const { answer } = await queue.submit(command);
      return { ...outcomeOf(answer), ...taken() };
    } catch (error) {
      if (error instanceof QueueFull) return busy(taken().latencyMs);
      if (error instanceof Fault) return { kind: 'transient', detail: error.message, ...taken() };
      throw error;
    }
  };
}

function readerOf<Order>({ schema, orderOf, misfit }: Placing<Order>) {
  const faultsOf = createFaultFinder(schema);
  return (body: string): Decision<Order> => {
    const parsed = parseJsonBody(Buffer.from(body));
    if (!parsed.ok) return parsed;
    const faults = faultsOf(parsed.value, '');
    if (faults.length > 0) return refused(faulty(faults));
    const order = orderOf(parsed.value);
    const problem = misfit?.(order);
    return problem === undefined ? accepted(order) : refused(problem);
  };
}

function busy(latencyMs: number): CallOutcome {
  return {
    kind: 'not_called',
    detail: 'It takes no orders just now.',
    retryAfterMs: BUSY_RETRY_MS,
    latencyMs,
  };
}

function outcomeOf({ status, body }: { readonly status: number; readonly body: string }) {
  const { id, account, code, detail } = JSON.parse(body) as {
    id?: string;
    account?: string;
    code?: string;
    detail?: string;
  };
  if (status >= 400)
    return { kind: 'permanent', status, code: code ?? 'request.invalid', detail: detail ?? '' } as const;
  const reference = id ?? account;
  const delivered = { kind: 'delivered', status, detail: 'The order was taken.' } as const;
  return reference === undefined ? delivered : { ...delivered, reference };
}
