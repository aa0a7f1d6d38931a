/** An integration that stands still: its last event is passed by its group, which has left nothing. */
import { type IntegrationId, newId, uuidOf } from '#kernel/ids.ts';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { appendEvents } from './append-events.ts';
import { ask } from './redelivery.ts';

export interface StandingAs {
  readonly status: string;
  readonly type: string;
  readonly group: string;
  readonly data: JsonObject;
}

const THROUGH = { connector: 'erp', connector_version: 1, message: '{"n":1}' };

/** After its first event; `like` says after which else. */
export async function givenStanding(
  { url, partitions }: { readonly url: string; readonly partitions: number },
  like: Partial<StandingAs> = {},
): Promise<{ readonly id: IntegrationId; readonly uuid: string; readonly event: LogEvent }> {
  const id = newId('int');
  const uuid = uuidOf(id);
  const { status = 'requested', type = 'integration.requested', group = 'hub.validation' } = like;
  await ask(
    url,
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, correlation_id, created_at, updated_at)
     values ('acme', $1, 'erp', 1, 'api', $2, $1, 'cor', now(), now())`,
    [uuid, status],
  );
  const data = like.data ?? { entry: 'api', replay_of: null, origin: id };
  const [event] = await appendEvents({ url, partitions }, 'hub', [
    {
      type,
      version: 1,
      subject: id,
      tenant: 'acme',
      key: id,
      data: { ...THROUGH, ...data },
      correlationId: 'cor',
      causation: 'req',
      traceparent: null,
    },
  ]);
  if (event === undefined) throw new Error('nothing was appended');
  await ask(
    url,
    `update log.positions set position = $3 where consumer_group = $1 and topic = 'hub' and partition = $2`,
    [group, event.partition, event.position],
  );
  return { id, uuid, event };
}
