/** A provider calls back: whether it is the provider, what it speaks of, and what it says. */
import type { Clock } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { isAuthentic, type SignedMessage } from '#platform/http/webhook-signature.ts';
import type { Configuration } from './configuration.ts';
import { expectedOf, readCallback, readDocument } from './gateway-protocol.ts';
import type { ProviderProblemCode } from './problems.ts';
import type { AttemptReads } from './reads.ts';
import type { Reports } from './reports.ts';

export interface CallbackDeskOptions {
  readonly configuration: Configuration;
  readonly reads: AttemptReads;
  readonly reports: Pick<Reports, 'submit'>;
  readonly clock: Clock;
}

type CallbackProblem = Problem<ProviderProblemCode | 'request.invalid'>;

export class CallbackDesk {
  readonly #options: CallbackDeskOptions;
  readonly #secrets: ReadonlyMap<string, string>;

  constructor(options: CallbackDeskOptions) {
    this.#options = options;
    this.#secrets = new Map(
      options.configuration.providers.map(({ name, webhookSecret }) => [name, webhookSecret]),
    );
  }

  /** Resolves when what it says is durable, or with why it is refused; a refusal for its signature has no detail. */
  async receive(provider: string, message: SignedMessage): Promise<Decision<'taken', CallbackProblem>> {
    const secret = this.#secrets.get(provider);
    if (secret === undefined)
      return refused(problem('providers.not_found', `There is no provider ${provider}.`));
    if (!isAuthentic(message, secret, this.#options.clock.now()))
      return refused(problem('providers.callback_unauthentic', 'The callback cannot be trusted.'));
    const callback = readCallback(message.body);
    if (callback === undefined)
      return refused(problem('request.invalid', 'The body is no callback about a charge or a refund.'));
    const attempt = await this.#options.reads.findByKey(provider, callback.key);
    if (attempt?.kind !== callback.kind)
      return refused(
        problem('providers.attempt_not_found', `${provider} was asked for no ${callback.kind} of this key.`),
      );
    const statement = readDocument(callback.document, expectedOf(attempt));
    if (statement === undefined)
      return refused(problem('request.invalid', 'The document is not about what was asked under this key.'));
    const { subject, uuid } = attempt;
    await this.#options.reports.submit({ subject, uuid, report: { from: 'callback', result: statement } });
    return accepted('taken');
  }
}
