/** The message as its destination takes it, handed to who calls it. */
import { pointerStep } from '#platform/http/json-pointer.ts';
import { sourceOf } from '../evaluation/source.ts';
import type { IntegrationEnriched } from '../events.ts';
import { failed, type Step } from './step.ts';

export const deliveryStep: Step<IntegrationEnriched> = {
  name: 'delivery',
  group: 'hub.delivery',
  after: { 'integration.enriched': 'enriched' },
  calls: 'delivery',
  jobsOf({ message, route }, { destinations }) {
    const destination = destinations[route];
    if (destination?.body === undefined) return [];
    return [{ kind: 'values', source: sourceOf(destination, ({ body }) => [body]), message }];
  },
  decide(data, { destinations }, [result]) {
    const { message, route } = data;
    const destination = destinations[route];
    if (destination === undefined)
      return failed('delivery', data, {
        code: 'hub.no_destination',
        detail: `There is no destination ${route}.`,
      });
    const body = result?.kind === 'values' ? result.values[0] : undefined;
    // Nobody maps a message to nothing: a member was misspelt, or is not there.
    if (body === 'null')
      return failed('delivery', data, {
        code: 'hub.expression_failed',
        detail: `/destinations${pointerStep(route)}/body gives nothing.`,
      });
    const { give_up_ms: giveUpMs, timeout_ms: timeoutMs } =
      destination.type === 'http' ? destination : { give_up_ms: undefined, timeout_ms: undefined };
    const request = { message, route, body: body ?? message };
    return { call: { destination: route, request, giveUpMs, timeoutMs } };
  },
};
