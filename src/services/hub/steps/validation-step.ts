/** Whether the message is what the connector takes: JSON as we take it everywhere, and of its schema. */
import { parseJsonBody } from '#platform/http/json-body.ts';
import type { IntegrationRefused, IntegrationRequested, IntegrationValidated } from '../events.ts';
import type { Step } from './step.ts';

export const validationStep: Step<IntegrationRequested> = {
  name: 'validation',
  group: 'hub.validation',
  after: { 'integration.requested': 'requested' },
  jobsOf(requested, { entry }) {
    const { message } = requested;
    if (entry.schema === undefined || !parsed(requested).ok) return [];
    return [{ kind: 'validate', source: entry.schema, message }];
  },
  decide(requested, _definition, [result]) {
    const { connector, connector_version, message } = requested;
    // What was held against a schema has been parsed for that.
    const json = result === undefined ? parsed(requested) : PARSED;
    if (!json.ok) {
      const { detail, errors = [] } = json.problem;
      return refused({ connector, connector_version }, { code: 'hub.message_malformed', detail, errors });
    }
    if (result?.kind === 'invalid') {
      const [first] = result.faults;
      const detail = `${first?.pointer === '' ? 'The message' : first?.pointer} ${first?.detail}.`;
      const errors = result.faults;
      return refused({ connector, connector_version }, { code: 'hub.message_invalid', detail, errors });
    }
    const data: IntegrationValidated = { connector, connector_version, message };
    return { type: 'integration.validated', data, status: 'validated' };
  },
};

const PARSED = { ok: true } as const;

/** The API has parsed what it takes; a webhook, and with it a replay of one, is as it came. */
function parsed({ message, entry, replay_of }: IntegrationRequested) {
  return entry === 'api' && replay_of === null ? PARSED : parseJsonBody(Buffer.from(message));
}

function refused(
  through: Pick<IntegrationRefused, 'connector' | 'connector_version'>,
  { code, detail, errors }: Pick<IntegrationRefused, 'code' | 'detail' | 'errors'>,
) {
  const step = 'validation' as const;
  const listed = errors.map((each) => ({ pointer: each.pointer, code: each.code, detail: each.detail }));
  const data: IntegrationRefused = { ...through, step, code, detail, errors: listed };
  return {
    type: 'integration.refused',
    data,
    status: 'refused' as const,
    failure: { step, code, detail },
  };
}
