/** `/behaviours`: misbehaviour on request. */
import { parseBehaviour, renderRule } from './behaviour-rule.ts';
import { REFUSE_CONNECTIONS } from './behaviour-table.ts';
import { type Behaviours, MAX_BEHAVIOURS } from './behaviours.ts';
import type { Surroundings } from './decision.ts';
import { type Incoming, parseJson } from './incoming.ts';
import { jsonReply, problemReply, type Reply } from './reply.ts';

export interface BehaviourControl {
  readonly behaviours: Behaviours;
  readonly surroundings: () => Surroundings;
  readonly refuseConnections: (forMs: number) => void;
}

const NO_CONTENT: Reply = { status: 204, type: 'application/json', body: '' };

export function listBehaviours({ behaviours, surroundings }: BehaviourControl): Reply {
  const rules = behaviours.list(surroundings().now).map(({ id, rule }) => renderRule(id, rule));
  return jsonReply(200, { behaviours: rules });
}

export function addBehaviour(control: BehaviourControl, request: Incoming): Reply {
  const { now, newId } = control.surroundings();
  const order = parseBehaviour(parseJson(request.body), now);
  const id = newId('bhv');
  if (order.kind === REFUSE_CONNECTIONS) return refusing(control, id, order.forMs);
  if (control.behaviours.add({ id, rule: order.rule })) return jsonReply(201, renderRule(id, order.rule));
  return problemReply({
    code: 'too_many_behaviours',
    detail: `There are ${MAX_BEHAVIOURS}: DELETE /behaviours first.`,
  });
}

export function removeBehaviour({ behaviours }: BehaviourControl, id: string): Reply {
  if (behaviours.remove(id)) return NO_CONTENT;
  return problemReply({
    code: 'behaviour_not_found',
    detail: `No behaviour has the id ${id}: GET /behaviours lists them.`,
  });
}

export function clearBehaviours({ behaviours }: BehaviourControl): Reply {
  behaviours.clear();
  return NO_CONTENT;
}

/** The caller gets its answer; then its connection is cut like every other. */
function refusing({ refuseConnections }: BehaviourControl, id: string, forMs: number): Reply {
  return {
    ...jsonReply(201, { id, behaviour: REFUSE_CONNECTIONS, for_ms: forMs }),
    headers: { Connection: 'close' },
    afterwards: () => refuseConnections(forMs),
  };
}
