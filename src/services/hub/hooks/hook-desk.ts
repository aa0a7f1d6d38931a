/**
 * A webhook from its arrival to its answer: which connector, whether it is authentic, whether its sender sends too many; then
 * it is stored and taken. Whoever is not authentic learns nothing, and counts against nobody's limit.
 */
import { isUtf8 } from 'node:buffer';
import type { Clock } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { isStorableText } from '#kernel/text.ts';
import { type Secrets, withoutSecrets } from '../calls/secrets.ts';
import type { Connector, ConnectorEntry } from '../connector.ts';
import type { Connectors } from '../connectors.ts';
import { MESSAGE_MAX_BYTES } from '../evaluation/job.ts';
import { tooLarge } from '../message-size.ts';
import { type HookIntake, type HookTaken, type IncomingHook, nothingReceives } from './hook-intake.ts';
import { type HookHeaders, idOfHook, type SignedHook, verdictOf } from './verify-signature.ts';

export interface ArrivedHook {
  readonly tenant: string;
  readonly connector: string;
  readonly headers: HookHeaders;
  readonly body: Buffer;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export interface HookDeskOptions {
  readonly connectors: Connectors;
  readonly secrets: Secrets;
  readonly intake: Pick<HookIntake, 'submit'>;
  readonly clock: Clock;
  /** Of one connector on this process; 0 is no limit. */
  readonly limitPerSecond: number;
}

/** Of one connector in a minute: what somebody sends who is not authentic fills no table. */
const UNAUTHENTIC_KEPT_PER_MINUTE = 60;
const COUNTED_MAX = 10_000;
const HEADER_MAX = 2048;
const HEADERS_MAX = 64;
const RETRY_AFTER_S = 1;

type WebhookEntry = ConnectorEntry & { readonly type: 'webhook' };

export class HookDesk {
  readonly #options: HookDeskOptions;
  readonly #authentic = new WindowCounts(1000);
  readonly #unauthentic = new WindowCounts(60_000);

  constructor(options: HookDeskOptions) {
    this.#options = options;
  }

  async receive(arrived: ArrivedHook): Promise<Decision<HookTaken>> {
    const { tenant, connector: name, body } = arrived;
    const { connectors, secrets, intake, clock, limitPerSecond } = this.#options;
    const connector = await connectors.current({ tenant, name });
    const entry = connector?.definition.entry;
    if (connector === undefined || entry?.type !== 'webhook') return refused(nothingReceives());
    const secret = await secrets.find(tenant, entry.signature.secret);
    const now = clock.now();
    const verdict = secret === undefined ? 'invalid' : verdictOf(arrived, entry.signature, { secret, now });
    const key = `${tenant}/${name}`;
    const hook = incoming(arrived, { connector, entry, verdict, secret });
    if (verdict !== 'valid') {
      if (this.#unauthentic.count(key) <= UNAUTHENTIC_KEPT_PER_MINUTE) await intake.submit(hook);
      return refused(problem('hub.hook_unauthentic', 'The webhook is not authentic.'));
    }
    if (limitPerSecond > 0 && this.#authentic.count(key) > limitPerSecond) return refused(tooMany());
    const taken = await intake.submit(hook);
    if (taken.kind !== 'stored') return accepted(taken);
    const malformed = problem('request.malformed_json', 'The body is not valid UTF-8, or holds a NUL.');
    return refused(tooLarge(body) ?? malformed);
  }
}

/** What may be kept of it. */
function incoming(
  arrived: ArrivedHook,
  {
    connector,
    entry,
    verdict,
    secret,
  }: {
    connector: Connector;
    entry: WebhookEntry;
    verdict: IncomingHook['verdict'];
    secret: string | undefined;
  },
): IncomingHook {
  const { tenant, name, version } = connector;
  return {
    connector: { tenant, name, version, entry: 'webhook' },
    headers: keptHeaders(arrived, entry, secret),
    body: arrived.body,
    message: messageOf(arrived.body),
    verdict,
    id: idOfHook(arrived, entry.signature, entry.id_header),
    correlationId: arrived.correlationId,
    traceparent: arrived.traceparent,
  };
}

/** What is no text cannot be a message: PostgreSQL would refuse the whole batch (R6). */
export function messageOf(body: Buffer): string | undefined {
  if (body.length === 0 || body.length > MESSAGE_MAX_BYTES || !isUtf8(body)) return undefined;
  const text = body.toString('utf8');
  return isStorableText(text) ? text : undefined;
}

const SECRET_HEADERS = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * A signature is no secret, and may be verified again; a key is one, and its verdict stands beside it. It may also come in another
 * header, of a sender that was not told of a change.
 */
function keptHeaders(
  { headers }: SignedHook,
  { signature }: WebhookEntry,
  secret = '',
): Record<string, string> {
  const hidden = signature.scheme === 'api_key' ? signature.header.toLowerCase() : undefined;
  const kept = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !SECRET_HEADERS.has(name) && name !== hidden,
  );
  return Object.fromEntries(
    kept.slice(0, HEADERS_MAX).map(([name, value = '']) => [name, storable(withoutSecrets(value, [secret]))]),
  );
}

function storable(value: string): string {
  return value.slice(0, HEADER_MAX).replaceAll('\0', '').toWellFormed();
}

/** How often something happened since its window began. */
class WindowCounts {
  readonly #windowMs: number;
  readonly #counts = new Map<string, { readonly until: number; count: number }>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  count(key: string): number {
    const now = performance.now();
    const known = this.#counts.get(key);
    if (known !== undefined && known.until > now) return ++known.count;
    if (this.#counts.size >= COUNTED_MAX) this.#counts.clear();
    this.#counts.set(key, { until: now + this.#windowMs, count: 1 });
    return 1;
  }
}

function tooMany(): Problem {
  return problem('request.rate_limited', 'The connector is sent more webhooks than it takes.', {
    members: { retry_after_seconds: RETRY_AFTER_S },
  });
}
