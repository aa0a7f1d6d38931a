/** The API of what changes a payment that exists: refunds, cancels, resolutions (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newId } from '#kernel/ids.ts';
import { type CommandQueue, submitCommand } from '#platform/http/command-route.ts';
import { type FinalAnswer, sendFinalOr } from '#platform/http/final-answer.ts';
import type { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { ProblemDocument } from '#platform/http/schemas.ts';
import { sendProblem } from '#platform/http/send.ts';
import type { ChangeOrder } from './change-orders.ts';
import { type Payment, renderPayment } from './payment.ts';
import { type Refund, renderRefund } from './refund.ts';
import {
  CancelBody,
  PaymentDocument,
  PaymentParams,
  RefundDocument,
  RefundOrderBody,
  ResolutionBody,
} from './schemas.ts';

export interface PaymentChangeRoutes {
  readonly changes: CommandQueue<ChangeOrder>;
  readonly finalStates: FinalStates<Payment>;
  readonly refundEnds: FinalStates<Refund>;
}

const WRITE = { scope: 'payments:write', idempotencyKey: 'required', waits: true } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument } as const;

export function registerPaymentChangeRoutes(app: HttpApp, routes: PaymentChangeRoutes): void {
  registerRefund(app, routes);
  registerCancel(app, routes);
  registerResolution(app, routes);
}

function registerRefund(app: HttpApp, { changes, refundEnds }: PaymentChangeRoutes): void {
  const schema = {
    tags: ['payments'],
    summary: 'Give money of a completed payment back',
    description:
      'All that is left, or an amount of it; as often as something is left. Answers 202 once the refund is durable; its saga decides the rest. With `Prefer: wait=N` the answer is its final state with 200, if it comes within N seconds.',
    params: PaymentParams,
    body: RefundOrderBody,
    response: { 200: RefundDocument, 202: RefundDocument, ...REFUSALS },
  };
  const final = { states: refundEnds, render: renderRefund };
  app.post('/v1/payments/:id/refunds', { config: WRITE, schema }, async (incoming, reply) => {
    const { id } = incoming.params;
    const body = { operation: 'refunds.create', payment_id: id, ...incoming.body } as const;
    await run(incoming, reply, { changes, body, id: newId('ref'), final });
    return reply;
  });
}

function registerCancel(app: HttpApp, { changes, finalStates }: PaymentChangeRoutes): void {
  const schema = {
    tags: ['payments'],
    summary: 'Cancel a payment that has not ended',
    description:
      'Answers 202 with the payment as it stands: whether it is still possible is decided by the saga, and shows in its status. With `Prefer: wait=N` the answer is its final state with 200, cancelled or not, if it comes within N seconds.',
    params: PaymentParams,
    body: CancelBody,
    response: { 200: PaymentDocument, 202: PaymentDocument, ...REFUSALS },
  };
  const final = { states: finalStates, render: renderPayment };
  app.post('/v1/payments/:id/cancel', { config: WRITE, schema }, async (incoming, reply) => {
    const { id } = incoming.params;
    const body = { operation: 'payments.cancel', payment_id: id } as const;
    await run(incoming, reply, { changes, body, id, final });
    return reply;
  });
}

function registerResolution(app: HttpApp, { changes, finalStates }: PaymentChangeRoutes): void {
  const schema = {
    tags: ['payments'],
    summary: 'Say what became of a charge that nobody knows the outcome of',
    description:
      'For payments that are `reconciliation_required`; of a completed gateway payment without refunds `not_charged` may be said too, `regarding` its `completion`, which undoes it, unless an account of it is closed. Undoing that is refused by the ledger makes the payment `reconciliation_required`: `not_charged` then has it tried again, `charged` leaves the payment completed. Who said it is recorded. Answers 202 with the payment as it stands. With `Prefer: wait=N` the answer is its next final state with 200, if it comes within N seconds.',
    params: PaymentParams,
    body: ResolutionBody,
    response: { 200: PaymentDocument, 202: PaymentDocument, ...REFUSALS },
  };
  const final = { states: finalStates, render: renderPayment };
  app.post('/v1/payments/:id/resolution', { config: WRITE, schema }, async (incoming, reply) => {
    const { id } = incoming.params;
    const body = { operation: 'payments.resolve', payment_id: id, ...incoming.body } as const;
    await run(incoming, reply, { changes, body, id, final });
    return reply;
  });
}

async function run<Resource extends { readonly status: string }>(
  incoming: FastifyRequest,
  reply: FastifyReply,
  options: {
    readonly changes: CommandQueue<ChangeOrder>;
    readonly body: ChangeOrder;
    readonly id: string;
    readonly final: FinalAnswer<Resource>;
  },
): Promise<FastifyReply> {
  const { changes, body, id, final } = options;
  const outcome = await submitCommand(incoming, changes, { operation: body.operation, body, id });
  if (!outcome.ok) return sendProblem(reply, outcome.problem);
  return sendFinalOr(incoming, reply, outcome.value, final);
}
