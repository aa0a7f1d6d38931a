/** The dead letters of webhooks: what is shown of a delivery that was given up, and how it is sent again. */

import { idOf, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { DeadLetter } from '#platform/dead-letters/dead-letter.ts';
import type { GivenUpEnd, GivenUpOrder, GivenUpReads, GivenUpWork } from '#platform/dead-letters/given-up.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { sendAgain } from '../delivery-desk.ts';
import { DeliveryReads } from '../delivery-reads.ts';
import { ENDPOINT_COLUMNS, type EndpointRow, endpointOf } from '../endpoint.ts';
import { WEBHOOK_GROUP } from '../event-patterns.ts';
import { findRepeated } from './exhausted-store.ts';

type DeliveryId = Parameters<typeof uuidOf>[0];

export class WebhookLetterReads implements GivenUpReads {
  readonly groups: readonly string[] = [WEBHOOK_GROUP];
  readonly #reader: Reader;
  readonly #deliveries: DeliveryReads;

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#deliveries = new DeliveryReads(reader);
  }

  /** By primary keys. */
  async describe({ tenant, work, target }: DeadLetter): Promise<JsonObject | null> {
    const uuid = uuidOf(work as DeliveryId);
    const [row] = await this.#reader.query<EndpointRow>(
      `select ${ENDPOINT_COLUMNS} from notification.deliveries d
       join notification.endpoints e on e.endpoint_key = d.endpoint_key where d.id = $1 and e.tenant = $2`,
      [uuid, tenant],
    );
    const endpoint = row && endpointOf(row);
    const found = endpoint && (await this.#deliveries.find(endpoint, uuid));
    if (endpoint === undefined || found === undefined) return null;
    const [document] = await this.#deliveries.render(endpoint, [found]);
    return { ...document, endpoint_id: target };
  }

  async objectionTo(): Promise<Problem | undefined> {
    return problem('dead_letters.not_editable', 'A receiver is told what the event says.');
  }
}

export class WebhookLetters extends WebhookLetterReads implements GivenUpWork {
  readonly #onQueued: (endpointKeys: Iterable<bigint>) => void;

  constructor(options: { reader: Reader; onQueued: (endpointKeys: Iterable<bigint>) => void }) {
    super(options.reader);
    this.#onQueued = options.onQueued;
  }

  async replay(tx: Transaction, { tenant, work, now }: GivenUpOrder): Promise<GivenUpEnd> {
    const uuid = uuidOf(work as DeliveryId);
    const found = await findRepeated(tx, { tenant, uuid });
    if (found === undefined) return forgotten(work);
    const { endpoint_key: endpointKey, first_after: firstAfter, status, ...told } = found;
    if (status === 'deleted')
      return refused('webhooks.endpoint_not_found', `The endpoint of ${work} was deleted.`);
    if (status === 'disabled')
      return refused('webhooks.endpoint_disabled', `The endpoint of ${work} is disabled.`);
    const [again] = await sendAgain(tx, [{ ...told, endpointKey, firstAfter, repeats: uuid }], now);
    if (again === undefined) return forgotten(work);
    return {
      replayedAs: idOf('dlv', again.uuid),
      committed: async () => this.#onQueued([endpointKey]),
    };
  }
}

function forgotten(work: string): GivenUpEnd {
  return refused('webhooks.delivery_not_found', `What ${work} told was forgotten meanwhile.`);
}

function refused(code: string, text: string): GivenUpEnd {
  return { failure: { code, text } };
}
