/** Card transactions as they were asked for and answered: unlike a request under a key, a `07` may be followed by another answer. */
import type { HistoryRecord } from '../history/history.ts';
import type { CardAnswer, CardTransactionDocument, Page, VerdictDocument } from './documents.ts';
import type { Finding } from './finding.ts';

export interface CardTry {
  readonly body: string;
  /** Lines of the history. */
  readonly asked: number;
  /** Whether everything had settled by then. */
  readonly isSettled: boolean;
  answered: number | undefined;
  /** Its text, and what it says; undefined if none came, or a 503. */
  text: string | undefined;
  answer: CardAnswer | undefined;
}

export interface CardStory {
  /** The network's id of it. */
  readonly key: string;
  readonly tries: CardTry[];
}

const UNAVAILABLE = 503;

export class CardRecollection {
  readonly findings: Finding[] = [];
  readonly stories = new Map<string, CardStory>();
  /** By id, all there are at the end; undefined: they were not read to the end. */
  listed: Map<string, CardTransactionDocument> | undefined;
  /** Of those, the ones that nobody may have been told of. */
  readonly unconfirmed = new Set<string>();
  /** As they were seen last. */
  readonly verdicts = new Map<string, VerdictDocument>();
  readonly #listing = new Map<string, CardTransactionDocument>();
  readonly #tries = new Map<number, CardTry>();
  #isSettled = false;

  /** Whether it was about the decision of a card transaction. */
  note(record: HistoryRecord, line: number): boolean {
    if (record.type === 'asked' && record.operation === 'card_transaction') {
      const asked = {
        body: record.body,
        asked: line,
        isSettled: this.#isSettled,
        answered: undefined,
        text: undefined,
        answer: undefined,
      };
      this.#tries.set(record.call, asked);
      this.#storyOf(record.key).tries.push(asked);
      return true;
    }
    if (record.type !== 'answered' && record.type !== 'unanswered') return false;
    const asked = this.#tries.get(record.call);
    if (asked === undefined) return false;
    if (record.type === 'answered') this.#answer(asked, record, line);
    return true;
  }

  settled(): void {
    this.#isSettled = true;
  }

  /** A page of card transactions, at the end. */
  seeList(path: string, document: unknown): void {
    if (!this.#isSettled) return;
    const { data, next_cursor } = document as Page<CardTransactionDocument>;
    if (path.includes('confirmation=unconfirmed')) {
      for (const { id } of data) this.unconfirmed.add(id);
      return;
    }
    for (const each of data) this.#listing.set(each.id, each);
    if (next_cursor === null) this.listed = this.#listing;
  }

  #storyOf(key: string): CardStory {
    let story = this.stories.get(key);
    if (story === undefined) this.stories.set(key, (story = { key, tries: [] }));
    return story;
  }

  #answer(
    asked: CardTry,
    { status, body }: { readonly status: number; readonly body: string },
    line: number,
  ): void {
    if (status === UNAVAILABLE) return;
    asked.answered = line;
    if (status === 200) {
      asked.text = body;
      asked.answer = JSON.parse(body) as CardAnswer;
    } else this.findings.push({ rule: 'T10', subject: asked.body, what: `was answered ${status} ${body}` });
  }
}
