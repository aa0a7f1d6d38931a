/** One misbehaviour that was asked for: read from a request, and compared with the requests that follow. */
import { BEHAVIOUR_NAMES, BEHAVIOURS, REFUSE_CONNECTIONS, type RequestBehaviour } from './behaviour-table.ts';
import { type Conduct, type Operation, USUAL } from './conduct.ts';
import { instant, type Terms } from './documents.ts';
import { Fields, MalformedRequest } from './fields.ts';

const OPERATIONS: readonly string[] = ['charge', 'refund', 'inquiry', 'void', 'any'];
const DAY_MS = 24 * 60 * 60 * 1000;
const UP_TO_A_DAY = { min: 0, max: DAY_MS };
/** Nobody can take a refusal of connections back: an hour of it is enough. */
const HOUR_MS = 60 * 60 * 1000;
const REFUSE_MS = 2000;
const MAX_TEXT = 200;

export interface Match {
  readonly operation: Operation | 'any';
  readonly amount?: number;
  readonly reference?: string;
  readonly currency?: string;
}

/** What a rule is compared with. */
export interface RequestFacts {
  readonly operation: Operation;
  /** Undefined where nothing is known of them: an inquiry about a key that was never seen. */
  readonly terms: Terms | undefined;
  /** Whether the key has not been used before. */
  readonly isNew: boolean;
}

export interface BehaviourRule {
  readonly behaviour: RequestBehaviour;
  readonly match: Match;
  /** Matches left; null: no limit. */
  readonly times: number | null;
  /** Instant; null: no end. */
  readonly until: number | null;
  readonly delayMs: number;
  readonly retryAfterS: number;
  readonly code: string;
  readonly probability: number;
}

/** What was asked for: a rule, or that connections are refused from now on. */
export type BehaviourOrder =
  | { readonly kind: 'rule'; readonly rule: BehaviourRule }
  | { readonly kind: typeof REFUSE_CONNECTIONS; readonly forMs: number };

const MEMBERS = ['behaviour', 'match', 'times', 'for_ms', 'delay_ms', 'retry_after_s', 'code', 'probability'];

/** @throws MalformedRequest */
export function parseBehaviour(body: unknown, now: number): BehaviourOrder {
  const fields = new Fields(body, MEMBERS);
  const name = fields.text('behaviour', MAX_TEXT);
  if (name === REFUSE_CONNECTIONS) return parseRefusal(fields);
  if (!isRequestBehaviour(name))
    throw new MalformedRequest(
      `behaviour ${name} is not known; the behaviours are ${BEHAVIOUR_NAMES.join(', ')}`,
    );
  const kind = BEHAVIOURS[name];
  const forMs = fields.optionalWholeNumber('for_ms', { min: 1, max: DAY_MS });
  return {
    kind: 'rule',
    rule: {
      behaviour: name,
      match: parseMatch(fields, name),
      times: fields.optionalWholeNumber('times', { min: 1, max: Number.MAX_SAFE_INTEGER }) ?? null,
      until: forMs === undefined ? null : now + forMs,
      delayMs: fields.optionalWholeNumber('delay_ms', UP_TO_A_DAY) ?? kind.delayMs,
      retryAfterS: fields.optionalWholeNumber('retry_after_s', { min: 0, max: 86_400 }) ?? 1,
      code: fields.optionalText('code', MAX_TEXT) ?? kind.code,
      probability: fields.optionalNumber('probability', { min: 0, max: 1 }) ?? 1,
    },
  };
}

function parseRefusal(fields: Fields): BehaviourOrder {
  if (fields.optionalObject('match', ['operation']) !== undefined)
    throw new MalformedRequest(`${REFUSE_CONNECTIONS} is of every connection: leave match out`);
  const forMs = fields.optionalWholeNumber('for_ms', { min: 1, max: HOUR_MS }) ?? REFUSE_MS;
  return { kind: REFUSE_CONNECTIONS, forMs };
}

function isRequestBehaviour(name: string): name is RequestBehaviour {
  return Object.hasOwn(BEHAVIOURS, name);
}

function parseMatch(fields: Fields, name: RequestBehaviour): Match {
  const match = fields.optionalObject('match', ['amount', 'reference', 'currency', 'operation']);
  const amount = match?.optionalWholeNumber('amount', { min: 1, max: Number.MAX_SAFE_INTEGER });
  const reference = match?.optionalText('reference', MAX_TEXT);
  const currency = match?.optionalText('currency', 3);
  return {
    operation: parseOperation(match?.optionalText('operation', MAX_TEXT), name),
    ...(amount === undefined ? {} : { amount }),
    ...(reference === undefined ? {} : { reference }),
    ...(currency === undefined ? {} : { currency }),
  };
}

function parseOperation(operation: string | undefined, name: RequestBehaviour): Match['operation'] {
  const possible: readonly Operation[] = BEHAVIOURS[name].operations;
  if (operation === undefined) return possible[0] ?? 'charge';
  if (!OPERATIONS.includes(operation))
    throw new MalformedRequest(`match.operation has to be one of ${OPERATIONS.join(', ')}`);
  if (operation === 'any') return 'any';
  const found = possible.find((each) => each === operation);
  if (found === undefined)
    throw new MalformedRequest(`${name} is not for ${operation}; it is for ${possible.join(', ')}`);
  return found;
}

/** @param draw 0 to 1, for the rule's probability */
export function matches(
  rule: BehaviourRule,
  request: RequestFacts,
  { now, draw }: { readonly now: number; readonly draw: number },
): boolean {
  const kind = BEHAVIOURS[rule.behaviour];
  const operations: readonly Operation[] = kind.operations;
  return (
    !isOver(rule, now) &&
    operations.includes(request.operation) &&
    (rule.match.operation === 'any' || rule.match.operation === request.operation) &&
    (request.isNew || !kind.isOutcome) &&
    matchesTerms(rule.match, request.terms) &&
    draw < rule.probability
  );
}

function matchesTerms({ amount, reference, currency }: Match, terms: Terms | undefined): boolean {
  return (
    (amount === undefined || amount === terms?.amount) &&
    (reference === undefined || reference === terms?.reference) &&
    (currency === undefined || currency === terms?.currency)
  );
}

/** Whether it holds up every charge, and with them `/health`. */
export function isOutage({ behaviour, match, probability }: BehaviourRule): boolean {
  const { operation, amount, reference, currency } = match;
  const isNarrow = [amount, reference, currency].some((condition) => condition !== undefined);
  return (
    behaviour === 'hang' && !isNarrow && probability === 1 && (operation === 'any' || operation === 'charge')
  );
}

export function isOver({ times, until }: BehaviourRule, now: number): boolean {
  return times === 0 || (until !== null && now >= until);
}

export function conductOf(rule: BehaviourRule | undefined): Conduct {
  return rule === undefined ? USUAL : BEHAVIOURS[rule.behaviour].conduct(rule);
}

export function renderRule(id: string, rule: BehaviourRule): Readonly<Record<string, unknown>> {
  const { behaviour, match, times, until, delayMs, retryAfterS, code, probability } = rule;
  return {
    id,
    behaviour,
    match,
    times,
    until: until === null ? null : instant(until),
    delay_ms: delayMs,
    retry_after_s: retryAfterS,
    code,
    probability,
  };
}
