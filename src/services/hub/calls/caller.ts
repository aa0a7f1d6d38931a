/**
 * One try of a call, outside of every transaction: over HTTP through the one sender, or to a part of Lastro. Whatever happens is
 * an outcome.
 */
import { assertNever, Fault } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import type { Egress } from '#platform/egress/egress.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import type { JsonValue } from '#platform/log/event.ts';
import type {
  CallAuthentication,
  ConnectorDefinition,
  HttpCall,
  HttpLookUp,
  LastroPart,
} from '../connector.ts';
import { type Found, lookUpTables } from '../enrich.ts';
import { type NoteDestination, noteAsked } from '../letters/caller-watch.ts';
import { type Call, TIMEOUT_DEFAULT_MS } from './call.ts';
import type { CallOutcome } from './decide-call.ts';
import { KeptLookUps } from './kept-look-ups.ts';
import { documentWithoutSecrets, type Secrets, withoutSecrets } from './secrets.ts';

/** What an order of a connector is asked for under: a key of its own for each integration, the same for its replays. */
export interface LastroOrder {
  readonly tenant: string;
  /** JSON as text. */
  readonly body: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

/** A part of Lastro as a destination. */
export type PlaceOrder = (order: LastroOrder) => Promise<CallOutcome>;

export interface CallerOptions {
  readonly egress: Egress;
  readonly secrets: Pick<Secrets, 'load'>;
  readonly orders: Readonly<Record<LastroPart, PlaceOrder>>;
  /** What became of each request that has left. */
  readonly note: NoteDestination;
  /** Told of what is no outcome of a call, but wrong here. */
  readonly onError: (error: unknown) => void;
}

/** Enough for a document about one thing; what is larger is refused. */
const LOOK_UP_MAX_BYTES = 16_384;
const ANSWER_MAX_BYTES = 4096;
/** Of an answer that is no success, for people. */
const ANSWER_SHOWN = 300;
const REFERENCE_MAX = 255;

export class Caller {
  readonly #options: CallerOptions;
  readonly #lookUps = new KeptLookUps();

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  async perform(call: Call, definition: ConnectorDefinition): Promise<CallOutcome> {
    const startedAt = performance.now();
    try {
      return await this.#outcomeOf(call, definition);
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.onError(error);
      const kind = error instanceof Fault && !error.transient ? 'permanent' : 'transient';
      const detail = error instanceof Fault ? error.message : 'It could not be called.';
      return { kind, detail, latencyMs: performance.now() - startedAt };
    }
  }

  #outcomeOf(call: Call, definition: ConnectorDefinition): Promise<CallOutcome> {
    if (call.step === 'enrichment') return this.#lookUp(call, definition);
    const destination = definition.destinations[call.destination];
    if (destination === undefined)
      throw new Fault(`There is no destination ${call.destination}.`, { transient: false });
    if (destination.type !== 'http') return this.#place(call, destination.type);
    const http = call.step === 'undo' ? destination.undo : destination;
    if (http === undefined) throw new Fault('The destination names no undo call.', { transient: false });
    return this.#send(call, http);
  }

  async #place(call: Call, part: LastroPart): Promise<CallOutcome> {
    const outcome = await this.#options.orders[part](orderOf(call));
    noteAsked(this.#options.note, call, outcome.kind);
    return outcome;
  }

  async #send(call: Call, http: HttpCall): Promise<CallOutcome> {
    const { egress, secrets } = this.#options;
    const proof = await proofOf(http.authentication, (name) => secrets.load(call.tenant, name));
    const outcome = await egress.send({
      method: http.method,
      url: http.url,
      headers: { 'content-type': 'application/json', ...headersOf(call), ...named(http), ...proof.headers },
      body: call.request.body ?? call.request.message,
      timeoutMs: http.timeout_ms ?? TIMEOUT_DEFAULT_MS,
      maxAnswerBytes: ANSWER_MAX_BYTES,
      destination: `${call.tenant}/${call.connector}/${call.destination}`,
    });
    noteAsked(this.#options.note, call, outcome.kind);
    return renderOutcome(outcome, proof.secrets);
  }

  /** Of all that the connector asks for by HTTP, one behind the other; what was found a moment ago is taken again. */
  async #lookUp(call: Call, definition: ConnectorDefinition): Promise<CallOutcome> {
    const { keys = [] } = call.request;
    const found: Found[] = lookUpTables(
      definition,
      keys.map((key) => JSON.stringify(key)),
    );
    const startedAt = performance.now();
    for (const [index, each] of (definition.enrichment ?? []).entries()) {
      if (each.type !== 'http') continue;
      const key = keyIn(keys, index);
      // oxlint-disable-next-line no-await-in-loop -- the first that fails ends it
      const end = key === null ? { value: null } : await this.#find(call, { lookUp: each, index, key });
      if ('outcome' in end) return end.outcome;
      found.push({ index, value: end.value });
    }
    return { kind: 'delivered', detail: 'Found.', latencyMs: performance.now() - startedAt, found };
  }

  async #find(
    call: Call,
    { lookUp, index, key }: { readonly lookUp: HttpLookUp; readonly index: number; readonly key: string },
  ): Promise<{ readonly value: string | null } | { readonly outcome: CallOutcome }> {
    const { tenant, connector, connectorVersion } = call;
    const ref = `${tenant}/${connector}/${connectorVersion}/${index}/${key}`;
    const kept = this.#lookUps.find(ref);
    if (kept !== undefined) return kept;
    const { egress, secrets } = this.#options;
    const proof = await proofOf(lookUp.authentication, (name) => secrets.load(tenant, name));
    const answered = await egress.send({
      method: 'GET',
      url: lookUp.url.replaceAll('{key}', encodeURIComponent(key)),
      headers: { accept: 'application/json', ...headersOf(call), ...proof.headers },
      timeoutMs: lookUp.timeout_ms ?? TIMEOUT_DEFAULT_MS,
      maxAnswerBytes: LOOK_UP_MAX_BYTES,
      destination: `${tenant}/${connector}//${index}`,
    });
    const outcome = outcomeOfQuestion(answered);
    const isMissing = outcome.kind === 'permanent' && [404, 410].includes(outcome.answer?.status ?? 0);
    noteAsked(this.#options.note, { ...call, lookUp: index }, isMissing ? 'delivered' : outcome.kind);
    if (outcome.kind !== 'delivered' && !isMissing)
      return { outcome: { ...renderOutcome(outcome, proof.secrets), lookUp: index } };
    const found =
      isMissing || outcome.answer === undefined ? null : documentIn(outcome.answer, proof.secrets);
    if (found === undefined)
      return { outcome: { kind: 'permanent', detail: UNREADABLE, latencyMs: outcome.latencyMs } };
    this.#lookUps.keep(ref, found, lookUp.cache_ms ?? 0);
    return { value: found };
  }
}

const UNREADABLE = `The look-up was answered by something that is no JSON, or has more than ${LOOK_UP_MAX_BYTES} bytes.`;

/** What is none of a path's steps, or leads out of it (RFC 3986 §5.2.4), would ask for something else than what is named so. */
function keyIn(keys: readonly (string | null)[], index: number): string | null {
  const key = keys[index] ?? null;
  return key === null || ['', '.', '..'].includes(key) || !key.isWellFormed() ? null : key;
}

/** A question has changed nothing: what nobody answered, or not to the end, is asked again. */
function outcomeOfQuestion(outcome: EgressOutcome): EgressOutcome {
  if (outcome.kind === 'unknown') return { ...outcome, kind: 'transient' };
  return outcome.kind === 'delivered' && outcome.answer.isBrokenOff
    ? { ...outcome, kind: 'transient', detail: 'Its answer broke off.' }
    : outcome;
}

function documentIn(
  { body, isCut }: { readonly body: Buffer; readonly isCut: boolean },
  secrets: readonly string[],
): string | undefined {
  if (isCut) return undefined;
  const parsed = parseJsonBody(body);
  return parsed.ok ? JSON.stringify(documentWithoutSecrets(parsed.value as JsonValue, secrets)) : undefined;
}

function headersOf({ step, origin, correlationId, traceparent }: Call): Record<string, string> {
  return {
    'idempotency-key': keyOf({ step, origin }),
    'x-correlation-id': correlationId,
    ...(traceparent === null ? {} : { traceparent }),
  };
}

function keyOf({ step, origin }: Pick<Call, 'step' | 'origin'>): string {
  const id = idOf('int', origin);
  return step === 'undo' ? `${id}-undo` : id;
}

function orderOf(call: Call): LastroOrder {
  const { tenant, correlationId, traceparent, request } = call;
  const body = request.body ?? request.message;
  return { tenant, body, idempotencyKey: keyOf(call), correlationId, traceparent };
}

/** In lower case, as ours are: a header stands once. */
function named({ headers = {} }: HttpCall): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

interface Proof {
  readonly headers: Readonly<Record<string, string>>;
  /** As they are sent, so that they can be taken out of what comes back. */
  readonly secrets: readonly string[];
}

async function proofOf(
  authentication: CallAuthentication | undefined,
  load: (name: string) => Promise<string>,
): Promise<Proof> {
  if (authentication === undefined) return { headers: {}, secrets: [] };
  const secret = await load(authentication.secret);
  switch (authentication.type) {
    case 'bearer':
      return { headers: { authorization: `Bearer ${secret}` }, secrets: [secret] };
    case 'basic': {
      const encoded = Buffer.from(`${authentication.username}:${secret}`).toString('base64');
      return { headers: { authorization: `Basic ${encoded}` }, secrets: [secret, encoded] };
    }
    case 'header':
      return { headers: { [authentication.name.toLowerCase()]: secret }, secrets: [secret] };
    default:
      return assertNever(authentication);
  }
}

function renderOutcome(outcome: EgressOutcome, secrets: readonly string[]): CallOutcome {
  const { kind, latencyMs, answer } = outcome;
  const said = kind === 'delivered' || answer === undefined ? '' : shown(answer.body, secrets);
  const detail = `${withoutSecrets(outcome.detail, secrets)} ${said}`.trim();
  const ended = { detail, latencyMs, ...(answer === undefined ? {} : { status: answer.status }) };
  switch (kind) {
    case 'delivered': {
      const reference = referenceIn(outcome.answer.body);
      if (reference === undefined) return { kind, ...ended };
      return { kind, ...ended, reference: withoutSecrets(reference, secrets) };
    }
    case 'not_called':
      return { kind, ...ended, retryAfterMs: outcome.retryAfterMs };
    case 'transient':
      return outcome.retryAfterMs === undefined
        ? { kind, ...ended }
        : { kind, ...ended, retryAfterMs: outcome.retryAfterMs };
    case 'permanent':
    case 'unknown':
      return { kind, ...ended };
    default:
      return assertNever(kind);
  }
}

/** What people can read of it. Cut behind the secrets: half of one is no longer found. */
function shown(body: Buffer, secrets: readonly string[]): string {
  const text = withoutSecrets(body.toString('utf8').replaceAll('\0', '').toWellFormed(), secrets);
  return text.slice(0, ANSWER_SHOWN).toWellFormed();
}

/** Whoever takes something usually says by which `id` it goes from now on. */
function referenceIn(body: Buffer): string | undefined {
  const parsed = parseJsonBody(body);
  if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) return undefined;
  const { id } = parsed.value as { id?: unknown };
  const text = typeof id === 'number' ? String(id) : id;
  return typeof text === 'string' && text.length <= REFERENCE_MAX ? text : undefined;
}
