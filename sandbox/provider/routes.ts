/** The protocol's routes. Undefined means: never answered. */

import {
  addBehaviour,
  type BehaviourControl,
  clearBehaviours,
  listBehaviours,
  removeBehaviour,
} from './behaviour-routes.ts';
import type { Book, BookEntry } from './book.ts';
import { renderDocument } from './documents.ts';
import { MalformedRequest } from './fields.ts';
import type { Incoming } from './incoming.ts';
import { findKey, parseCharge, parseRefund } from './payment-requests.ts';
import type { Provider } from './provider.ts';
import { jsonReply, problemReply, type Reply } from './reply.ts';

export interface RoutesOptions {
  readonly name: string;
  readonly provider: Provider;
  readonly book: Book;
  /** Resolves when everything in the book is on disk. */
  readonly settled: () => Promise<void>;
  readonly control: BehaviourControl;
}

type Answer = Reply | undefined | Promise<Reply | undefined>;

const PAGE = { usual: 100, max: 1000 };

/** The only route that needs no key. */
export function isHealth({ method, path }: Incoming): boolean {
  return method === 'GET' && path.length === 1 && path[0] === 'health';
}

/** @throws MalformedRequest */
export function route(options: RoutesOptions, request: Incoming): Answer {
  const [resource, key, action] = request.path;
  const shape = [resource, ...(key === undefined ? [] : ['*']), ...(action === undefined ? [] : [action])];
  const found = TABLE[`${request.method} /${shape.join('/')}`];
  if (found !== undefined && request.path.length <= 3) return found(options, request, key ?? '');
  return problemReply({
    code: 'route_not_found',
    detail: `${request.method} /${request.path.join('/')} is no route; the routes are ${Object.keys(TABLE).join(', ')}.`,
  });
}

type Handler = (options: RoutesOptions, request: Incoming, key: string) => Answer;

const TABLE: Readonly<Record<string, Handler>> = {
  'GET /health': ({ name, control }) =>
    control.behaviours.isOutage(control.surroundings().now)
      ? undefined
      : jsonReply(200, { name, status: 'ok' }),
  'POST /charges': ({ provider }, request) =>
    withKey(request, (key) => provider.charge(parseCharge(request, key))),
  'GET /charges/*': ({ provider }, _, key) => provider.inquire('charge', key),
  'POST /charges/*/void': ({ provider }, _, key) => provider.void(key),
  'POST /refunds': ({ provider }, request) =>
    withKey(request, (key) => provider.refund(parseRefund(request, key))),
  'GET /refunds/*': ({ provider }, _, key) => provider.inquire('refund', key),
  'GET /book': readBook,
  'GET /behaviours': ({ control }) => listBehaviours(control),
  'POST /behaviours': ({ control }, request) => addBehaviour(control, request),
  'DELETE /behaviours': ({ control }) => clearBehaviours(control),
  'DELETE /behaviours/*': ({ control }, _, id) => removeBehaviour(control, id),
};

function withKey(request: Incoming, work: (key: string) => Answer): Answer {
  const key = findKey(request);
  if (key !== undefined) return work(key);
  return problemReply({
    code: 'idempotency_key_required',
    detail: 'Send the header Idempotency-Key, the same one whenever the request is repeated.',
  });
}

async function readBook({ book, settled }: RoutesOptions, { query }: Incoming): Promise<Reply> {
  const after = wholeNumber(query, 'after', { usual: 0, max: Number.MAX_SAFE_INTEGER });
  const limit = wholeNumber(query, 'limit', PAGE);
  const entries = book.page(after, limit);
  const last = entries.at(-1)?.position ?? after;
  const next = last < book.size ? last : null;
  await settled();
  return jsonReply(200, { entries: entries.map(renderEntry), next });
}

function wholeNumber(
  query: URLSearchParams,
  name: string,
  { usual, max }: { readonly usual: number; readonly max: number },
): number {
  const text = query.get(name);
  if (text === null) return usual;
  if (/^\d{1,16}$/.test(text) && Number(text) <= max) return Number(text);
  throw new MalformedRequest(`${name} has to be a whole number of at most ${max}`);
}

function renderEntry({ position, document }: BookEntry): Readonly<Record<string, unknown>> {
  return { position, kind: document.kind, ...renderDocument(document) };
}
