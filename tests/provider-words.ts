/**
 * What the providers service would say, put into its log: so that sagas can be taken anywhere without a provider. Each
 * word is caused by the last event that asks for one, or by the last word, as its own are.
 */
import { Client } from 'pg';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { decodeEvent, type EventRow } from '#platform/log/event-log.ts';
import { follow } from '#platform/log/follow.ts';
import { appendEvents } from './append-events.ts';
import type { Engine } from './engine.ts';

/** Events that the providers service answers. */
const ASKING = [
  'payment.authorized',
  'payment.cancelling',
  'payment.compensating',
  'payment.charge_resolved',
  'refund.authorized',
];

/** Whom a word may move on: integrity retains what runs, and is not waited for. */
const MOVED = ['validation', 'authorization', 'ledger', 'payments', 'notification'];

export class ProviderWords {
  readonly #engine: Engine;
  readonly #url: string;
  readonly #client: Client;

  private constructor(engine: Engine, url: string, client: Client) {
    this.#engine = engine;
    this.#url = url;
    this.#client = client;
  }

  static async open(engine: Engine, url: string): Promise<ProviderWords> {
    const client = new Client({ connectionString: url });
    await client.connect();
    return new ProviderWords(engine, url, client);
  }

  close(): Promise<void> {
    return this.#client.end();
  }

  /** One word after the other, each once everybody has taken the one before it. `data`: beside what words of its type say. */
  async say(
    subject: string,
    ...words: readonly (readonly [type: string, data?: JsonObject])[]
  ): Promise<void> {
    await this.settled();
    for (const [type, data = {}] of words) {
      const cause = await this.#last(subject, 'words and questions');
      const asked = await this.#last(subject, 'questions');
      const draft = follow(cause, { type, data: { ...wordOf(type, asked), ...data } });
      await appendEvents({ url: this.#url, partitions: this.#engine.log.partitions }, 'providers', [draft]);
      this.#engine.log.wake();
      await this.settled();
    }
  }

  settled(): Promise<void> {
    return this.#engine.settled(MOVED);
  }

  async #last(subject: string, of: 'questions' | 'words and questions'): Promise<LogEvent> {
    const { rows } = await this.#client.query<EventRow & { topic: string }>(
      `select * from (
         select 'authorization' as topic, e.* from "authorization".events e where e.type = any ($2)
         union all select 'providers', e.* from providers.events e where $3
       ) as e
       where e.subject = $1 order by e.occurred_at desc, e.topic desc limit 1`,
      [subject, ASKING, of === 'words and questions'],
    );
    const [row] = rows;
    if (row === undefined) throw new Error(`nothing was asked of a provider for ${subject}`);
    return decodeEvent(row.topic, row);
  }
}

function wordOf(type: string, { subject, data }: LogEvent): JsonObject {
  const attempt = {
    attempt_id: idOf(
      'att',
      derivedUuid('attempt', subject, type.includes('refund') ? 'refund' : 'charge', '1'),
    ),
    provider: 'alfa',
    number: 1,
  };
  const failure = { code: 'providers.charge_declined', detail: 'The provider said no.' };
  switch (type) {
    case 'provider.approved':
    case 'provider.refunded':
      return {
        ...attempt,
        amount: data['amount'] ?? 0,
        currency: data['currency'] ?? '',
        provider_reference: null,
      };
    case 'provider.declined':
    case 'provider.refund_refused':
      return { ...attempt, ...failure };
    case 'provider.exhausted':
      return { attempts: 3, ...failure };
    case 'provider.cancelled':
      return { attempts: 1, detail: 'Called off.' };
    case 'provider.resolved':
      return { provider: null, detail: 'A person said so.' };
    default:
      return { ...attempt, detail: 'It has not answered.' };
  }
}
