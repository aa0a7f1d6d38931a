/** The statements about received webhooks. */
import type { EpochMs } from '#kernel/clock.ts';
import { byteaArray, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';

/** Which of them were received before. By the index that arbitrates; no lock: the loser of two is decided anew. */
export const FIND_RECEIVED = statement(
  'hub.find_received',
  `select h.connector, h.tenant, h.dedup, h.integration
   from ${batchRows('wanted', { connector: 'text', tenant: 'text', dedup: 'text' })}
   cross join lateral (
     select * from hub.received_hooks h
     where h.connector = wanted.connector and h.tenant = wanted.tenant and h.dedup = wanted.dedup offset 0
   ) h`,
);

/** Which of them were received before by their bytes, under whatever name: they come without one. By the index on bytes; no lock. */
export const FIND_RECEIVED_BYTES = statement(
  'hub.find_received_bytes',
  `select h.connector, h.tenant, wanted.dedup, h.integration
   from ${batchRows('wanted', { connector: 'text', tenant: 'text', dedup: 'text', hash: 'bytea' })}
   cross join lateral (
     select * from hub.received_hooks h
     where h.connector = wanted.connector and h.tenant = wanted.tenant and sha256(h.body) = wanted.hash
       and h.integration is not null
     limit 1
   ) h`,
);

export const INSERT_RECEIVED = statement(
  'hub.insert_received',
  `insert into hub.received_hooks (tenant, id, connector, headers, body, verdict, dedup, integration, correlation_id, received_at)
   select * from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     connector: 'text',
     headers: 'text',
     body: 'bytea',
     verdict: 'text',
     dedup: 'text',
     integration: 'uuid',
     correlation_id: 'text',
     received_at: 'timestamptz',
   })}`,
);

/**
 * Webhooks of which nothing was taken, not authentic or no text; what was taken tells a repeat, and stays. The oldest, by the
 * index of those that were not taken: ids rise with time.
 */
export const FORGET_HOOKS = statement(
  'hub.forget_hooks',
  `delete from hub.received_hooks h
   where h.ctid = any (array(
     select t.ctid from hub.received_hooks t where t.id < $1::uuid and t.dedup is null and t.integration is null
     order by t.id limit $2::integer for update skip locked
   ))
   returning 1 as forgotten`,
);

export type HookVerdict = 'valid' | 'invalid' | 'stale';

export interface ReceivedHook {
  readonly tenant: string;
  readonly uuid: string;
  readonly connector: string;
  /** JSON. */
  readonly headers: string;
  readonly body: Buffer;
  readonly verdict: HookVerdict;
  readonly dedup: string | null;
  readonly integration: string | null;
  readonly correlationId: string;
  readonly receivedAt: EpochMs;
}

/** What a webhook is known by among those of its connector. */
export interface HookName {
  readonly tenant: string;
  readonly connector: string;
  /** Null if it begins nothing. */
  readonly dedup: string | null;
  /** Of its bytes, if that is all it is known by. */
  readonly hash: Buffer | null;
}

/** `dedupRef` → the integration that it became. */
export async function findReceived(
  tx: Transaction,
  hooks: readonly HookName[],
): Promise<Map<string, string>> {
  const taken = hooks.filter(({ dedup }) => dedup !== null);
  const named = taken.filter(({ hash }) => hash === null);
  const nameless = taken.filter(({ hash }) => hash !== null);
  const found = await Promise.all([
    named.length === 0 ? [] : tx.query<ReceivedRow>(FIND_RECEIVED, namesOf(named)),
    nameless.length === 0
      ? []
      : tx.query<ReceivedRow>(FIND_RECEIVED_BYTES, [
          ...namesOf(nameless),
          byteaArray(nameless.map(({ hash }) => hash ?? Buffer.alloc(0))),
        ]),
  ]);
  return new Map(found.flat().map((row) => [dedupRef(row), row.integration]));
}

interface ReceivedRow {
  connector: string;
  tenant: string;
  dedup: string;
  integration: string;
}

function namesOf(hooks: readonly HookName[]): unknown[] {
  return [
    textArray(hooks.map(({ connector }) => connector)),
    textArray(hooks.map(({ tenant }) => tenant)),
    textArray(hooks.map(({ dedup }) => dedup)),
  ];
}

/** Neither tenants nor connectors have a slash. */
export function dedupRef(of: Pick<ReceivedHook, 'tenant' | 'connector' | 'dedup'>): string {
  return `${of.tenant}/${of.connector}/${of.dedup}`;
}

export function insertReceived(tx: Transaction, hooks: readonly ReceivedHook[]): void {
  if (hooks.length === 0) return;
  tx.run(INSERT_RECEIVED, [
    textArray(hooks.map(({ tenant }) => tenant)),
    uuidArray(hooks.map(({ uuid }) => uuid)),
    textArray(hooks.map(({ connector }) => connector)),
    textArray(hooks.map(({ headers }) => headers)),
    byteaArray(hooks.map(({ body }) => body)),
    textArray(hooks.map(({ verdict }) => verdict)),
    textArray(hooks.map(({ dedup }) => dedup)),
    uuidArray(hooks.map(({ integration }) => integration)),
    textArray(hooks.map(({ correlationId }) => correlationId)),
    timestamptzArray(hooks.map(({ receivedAt }) => receivedAt)),
  ]);
}
