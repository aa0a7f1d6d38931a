/** What a person says of a refund in doubt (DESIGN §6). */
import { Type } from 'typebox';
import { type CommandQueue, runCommand } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { closed, ProblemDocument, Reason } from '#platform/http/schemas.ts';
import type { RefundResolutionOrder } from './resolve-refund.ts';
import { AttemptDocument } from './schemas.ts';

const ResolutionBody = closed(
  {
    outcome: Type.Union([Type.Literal('refunded'), Type.Literal('not_refunded')], {
      description: 'What you found out at the provider.',
    }),
    reason: Reason('How you know; kept with the refund.'),
  },
  'What a person says of a refund.',
);

export function registerRefundResolution(app: HttpApp, commands: CommandQueue<RefundResolutionOrder>): void {
  const schema = {
    tags: ['payments'],
    summary: 'Say what became of a refund that waits for a person',
    description:
      'For refunds of gateway payments that are `reconciliation_required` because their provider has no answer, or is not in the providers file any more. The provider is asked no more: after `refunded` the money is posted, after `not_refunded` the refund has failed and may be asked for anew. So say that only if the provider will not give it back later. Who said it is recorded. One that is `reconciliation_required` because the ledger could not post what the provider has given back is posted again after `refunded`: say it when what its `failure` tells is mended, as often as need be. Answers 202 with what was asked of the provider.',
    params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
    body: ResolutionBody,
    response: { 202: AttemptDocument, '4xx': ProblemDocument, 503: ProblemDocument },
  };
  const config = { scope: 'payments:write', idempotencyKey: 'required' } as const;
  app.post('/v1/refunds/:id/resolution', { config, schema }, async (incoming, reply) => {
    const { id } = incoming.params;
    const body = { operation: 'refunds.resolve', refund_id: id, ...incoming.body } as const;
    return runCommand(incoming, reply, commands, { operation: body.operation, body, id });
  });
}
