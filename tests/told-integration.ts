/** An integration that was delivered, and could not be undone when a person asked: its events and its row. */
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { appendEvents } from './append-events.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';
import { ask } from './redelivery.ts';

const PARTITIONS = 4;
const THROUGH = { connector: 'erp', connector_version: 1 };
const CARRIED = { ...THROUGH, message: '{"n":1}' };
const FAILURE = { code: 'hub.no_undo', detail: 'The destination names no undo call.' };

/** Nobody is connected to the database when it resolves. */
export async function tellOfIntegration(): Promise<TestDatabase> {
  const database = await createPreparedDatabase(PARTITIONS);
  const id = newId('int');
  const uuid = uuidOf(id);
  const at = Date.now();
  const told = [
    ['requested', { ...CARRIED, entry: 'api', replay_of: null, origin: idOf('int', uuid) }],
    ['validated', CARRIED],
    ['rules_applied', { ...CARRIED, route: 'main' }],
    ['enriched', { ...CARRIED, route: 'main' }],
    ['delivered', { ...THROUGH, destination: 'main', tries: 1, status: 200, reference: 'r-1' }],
    ['undo_requested', { ...CARRIED, destination: 'main', reason: 'Sent twice', actor: 'ana' }],
    ['undo_failed', { ...THROUGH, ...FAILURE, destination: 'main', tries: 0 }],
  ] as const;
  await appendEvents(
    { url: database.url, partitions: PARTITIONS, at },
    'hub',
    told.map(([what, data]) => ({
      type: `integration.${what}`,
      version: 1,
      subject: id,
      tenant: 'acme',
      key: id,
      data,
      correlationId: 'cor',
      causation: 'req',
      traceparent: null,
    })),
  );
  await ask(
    database.url,
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, failure_step, failure_code,
                                   failure_detail, reference, correlation_id, created_at, updated_at)
     values ('acme', $1, 'erp', 1, 'api', 'undo_failed', $1, 'undo', $2, $3, 'r-1', 'cor', $4, $4)`,
    [uuid, FAILURE.code, FAILURE.detail, new Date(at)],
  );
  return database;
}
