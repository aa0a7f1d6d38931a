/**
 * The history as stories: of each request under its key, of each payment and refund as it was seen, of accounts and books.
 * What can only be said while reading, because it is about the order of two lines, is found here; the rest by judges.
 */

import type { Answered, Asked, BookEntry, HistoryRecord, Operation, Saw } from '../history/history.ts';
import { CardRecollection } from './card-recollection.ts';
import {
  type AccountDocument,
  isFinal,
  type Page,
  type PaymentDocument,
  type Problem,
  type RefundDocument,
  rankOf,
  type VerdictDocument,
} from './documents.ts';
import type { Finding } from './finding.ts';

/** One text sent under one key, and what was answered to it; the first answer that decides is the answer for ever. */
export interface Request {
  readonly path: string;
  readonly body: string;
  answer: { readonly status: number; readonly body: string } | undefined;
}

/** All that was sent under one key of one operation: as a rule always the same. */
export interface OrderStory {
  readonly operation: Operation;
  readonly key: string;
  readonly requests: Request[];
}

/** Lines of the history: a status that was seen was true at some moment between the two. */
interface Look {
  readonly from: number;
  readonly to: number;
  readonly status: string;
}

export interface Story<T> {
  readonly id: string;
  /** The request that was answered with it; undefined: it was only seen. */
  readonly request: Request | undefined;
  readonly looks: Look[];
  last: T | undefined;
  /** Whether `last` was seen after everything had settled. */
  isLastFinal: boolean;
  verdict: VerdictDocument | undefined;
  /** The types of its timeline, oldest first; undefined: nobody looked. */
  timeline: readonly string[] | undefined;
}

const KEY_REUSED = /\.idempotency_key_reused$/;
/** Of what is well-formed and allowed; the product has a 503 for what it cannot do just now. */
const DECIDING: ReadonlySet<number> = new Set([200, 201, 202, 404, 409, 422]);
const UNAVAILABLE = 503;

export class Recollection {
  readonly findings: Finding[] = [];
  readonly orders = new Map<string, OrderStory>();
  readonly payments = new Map<string, Story<PaymentDocument>>();
  readonly refunds = new Map<string, Story<RefundDocument>>();
  /** As they were at the end. */
  readonly accounts = new Map<string, AccountDocument>();
  readonly cards = new CardRecollection();
  readonly books: { readonly provider: string; readonly entries: readonly BookEntry[] }[] = [];
  /** Of the list of payments, at the end; undefined: it was not read to its end. */
  listed: Set<string> | undefined;
  readonly #listing = new Set<string>();
  readonly #calls = new Map<
    number,
    { readonly line: number; readonly path: string; readonly request?: Request }
  >();
  #line = 0;
  #isSettled = false;

  note(record: HistoryRecord): void {
    this.#line += 1;
    if (this.cards.note(record, this.#line)) return;
    switch (record.type) {
      case 'asked':
        this.#ask(record);
        break;
      case 'answered':
        this.#answer(record);
        break;
      case 'unanswered':
        this.#calls.delete(record.call);
        break;
      case 'looked':
        this.#calls.set(record.call, { line: this.#line, path: record.path });
        break;
      case 'saw':
        this.#see(record);
        break;
      case 'book':
        this.books.push(record);
        break;
      case 'settled':
        this.#isSettled = true;
        this.cards.settled();
        break;
    }
  }

  #ask({ call, operation, key, path, body }: Asked): void {
    const scope = `${operation} ${key}`;
    let story = this.orders.get(scope);
    if (story === undefined) this.orders.set(scope, (story = { operation, key, requests: [] }));
    let request = story.requests.find((known) => known.path === path && known.body === body);
    if (request === undefined) story.requests.push((request = { path, body, answer: undefined }));
    this.#calls.set(call, { line: this.#line, path, request });
  }

  #answer({ call, status, body }: Answered): void {
    const asked = this.#calls.get(call);
    this.#calls.delete(call);
    if (asked?.request === undefined) throw new Error(`line ${this.#line} answers what was not asked`);
    if (!DECIDING.has(status)) {
      if (status !== UNAVAILABLE) this.#find('T1', asked.path, `was answered ${status} ${body}`);
      return;
    }
    const { request } = asked;
    if (request.answer === undefined) {
      request.answer = { status, body };
      if (status < 300) this.#accept(request, body);
    } else if (request.answer.status !== status || request.answer.body !== body) {
      const first = `${request.answer.status} ${request.answer.body}`;
      this.#find(
        'T1',
        asked.path,
        `was answered ${first}, and then ${status} ${body}; asked ${request.body}`,
      );
    }
  }

  /** What a request made is known by its id. */
  #accept(request: Request, body: string): void {
    const { id = '' } = JSON.parse(body) as { id?: string };
    if (request.path === '/v1/payments') this.#begin(this.payments, id, request);
    else if (request.path.endsWith('/refunds')) this.#begin(this.refunds, id, request);
  }

  #begin<T>(stories: Map<string, Story<T>>, id: string, request: Request): void {
    const known = stories.get(id);
    if (known?.request !== undefined)
      this.#find('T3', id, `is the answer to two requests: ${known.request.body} and ${request.body}`);
    const looks = known?.looks ?? [];
    stories.set(id, { ...unseen<T>(id, request), ...known, request, looks });
  }

  #see({ call, status, body }: Saw): void {
    const looked = this.#calls.get(call);
    this.#calls.delete(call);
    if (looked === undefined) throw new Error(`line ${this.#line} was seen by nobody`);
    if (status >= 500 && status !== UNAVAILABLE)
      this.#find('T1', looked.path, `was answered ${status} ${body}`);
    const [, , kind = '', id = '', part] = (looked.path.split('?')[0] ?? '').split('/');
    if (status !== 200) {
      // A verdict is asked for of what was listed: that there is none is no reason not to judge it.
      if (kind === 'card-transactions' && part === 'verdict' && status < 500)
        this.#find('T11', id, `has no verdict: ${status} ${body}`);
      return;
    }
    const document: unknown = JSON.parse(body);
    if (kind === 'accounts') this.#seeAccount(document as AccountDocument);
    else if (kind === 'payments' && id === '') this.#seeList(looked, document as Page<PaymentDocument>);
    else if (kind === 'payments') this.#seePart(this.payments, { looked, id, part, document });
    else if (kind === 'card-transactions' && id === '') this.cards.seeList(looked.path, document);
    else if (kind === 'card-transactions') this.cards.verdicts.set(id, document as VerdictDocument);
    else if (kind === 'refunds') this.#seePart(this.refunds, { looked, id, part, document });
  }

  #seePart<T extends { readonly id: string; readonly status: string }>(
    stories: Map<string, Story<T>>,
    seen: {
      readonly looked: { readonly line: number };
      readonly id: string;
      readonly part: string | undefined;
      readonly document: unknown;
    },
  ): void {
    const { looked, id, part, document } = seen;
    if (part === undefined) this.#seeState(stories, looked.line, document as T);
    const story = stories.get(id);
    if (story === undefined || !this.#isSettled) return;
    if (part === 'verdict') story.verdict = document as VerdictDocument;
    if (part === 'events')
      story.timeline = (document as Page<{ readonly type: string }>).data.map(({ type }) => type);
  }

  #seeList(looked: { readonly line: number; readonly path: string }, page: Page<PaymentDocument>): void {
    for (const payment of page.data) this.#seeState(this.payments, looked.line, payment);
    if (!this.#isSettled || looked.path.includes('status=')) return;
    for (const { id } of page.data) this.#listing.add(id);
    if (page.next_cursor === null) this.listed = this.#listing;
  }

  /** T4: what was seen by the time this look began, it cannot have been before. */
  #seeState<T extends { readonly id: string; readonly status: string }>(
    stories: Map<string, Story<T>>,
    from: number,
    document: T,
  ): void {
    const { id, status } = document;
    let story = stories.get(id);
    if (story === undefined) stories.set(id, (story = unseen<T>(id, undefined)));
    const look = { from, to: this.#line, status };
    const earlier = story.looks.find((seen) => seen.to < from && isBackwards(seen.status, status));
    if (earlier !== undefined) this.#find('T4', id, `was ${earlier.status}, and later ${status}`);
    if (rankOf(status) === undefined) this.#find('T4', id, `has the status ${status}, which there is not`);
    story.looks.push(look);
    story.last = document;
    story.isLastFinal = this.#isSettled;
  }

  /** T7: nobody's own money is ever less than nothing. */
  #seeAccount(account: AccountDocument): void {
    const { id, floor, balance } = account;
    if (floor !== null && (balance.available < floor || balance.posted < floor))
      this.#find('T7', id, `was seen with ${JSON.stringify(balance)}, below its floor of ${floor}`);
    if (this.#isSettled) this.accounts.set(id, account);
  }

  #find(rule: string, subject: string, what: string): void {
    this.findings.push({ rule, subject, what });
  }
}

function unseen<T>(id: string, request: Request | undefined): Story<T> {
  return {
    id,
    request,
    looks: [],
    last: undefined,
    isLastFinal: false,
    verdict: undefined,
    timeline: undefined,
  };
}

function isBackwards(earlier: string, later: string): boolean {
  return (rankOf(later) ?? 0) < (rankOf(earlier) ?? 0) || (isFinal(earlier) && later !== earlier);
}

/** Whether the answer only says that the key belongs to another request. */
export function isKeyReused({ answer }: Request): boolean {
  if (answer?.status !== 422) return false;
  return KEY_REUSED.test((JSON.parse(answer.body) as Problem).code);
}
