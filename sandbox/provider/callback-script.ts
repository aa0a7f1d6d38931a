/** Which callbacks tell of an outcome, in which order, and with which flaws. */
import { assertNever } from './assert-never.ts';
import type { CallbackStep, OwedCallback, Story } from './book.ts';
import { type Document, renderDocument, settled } from './documents.ts';

/** Between a flawed callback and the right one. */
const AFTER_FLAW_MS = 1000;

const CONTRADICTION = {
  code: 'contradiction',
  detail: 'The sandbox provider was told to contradict its own answer.',
};

export interface Occasion {
  readonly story: Story;
  /** As it is in the book. */
  readonly document: Document;
  readonly at: number;
  readonly newId: (prefix: string) => string;
}

export function owedCallback({ story, document, at, newId }: Occasion): OwedCallback {
  const final = stepFor(document, newId('msg'));
  return { id: newId('cb'), since: document.updatedAt, at, steps: stepsOf(story, final, document, newId) };
}

function stepsOf(
  story: Story,
  final: CallbackStep,
  document: Document,
  newId: Occasion['newId'],
): readonly CallbackStep[] {
  switch (story) {
    case 'plain':
      return [final];
    case 'twice':
      return [final, final, { ...final, webhookId: newId('msg') }];
    case 'out_of_order':
      return [final, { ...stepFor(stalePending(document), newId('msg')), isOnce: true }];
    // Under the id of the right one that follows: whoever notes an id before checking the signature loses the right one.
    case 'bad_signature':
      return [
        { ...final, flaw: 'signature', isOnce: true },
        { ...final, afterMs: AFTER_FLAW_MS },
      ];
    case 'stale':
      return [
        { ...final, flaw: 'stale', isOnce: true },
        { ...final, afterMs: AFTER_FLAW_MS },
      ];
    case 'contradicts':
      return [stepFor(settled(document, CONTRADICTION, document.updatedAt), final.webhookId)];
    default:
      return assertNever(story);
  }
}

function stepFor(document: Document, webhookId: string): CallbackStep {
  return {
    type: `${document.kind}.${document.status}`,
    webhookId,
    data: renderDocument(document),
    afterMs: 0,
    flaw: null,
    isOnce: false,
  };
}

/** As it was before it was decided. */
function stalePending(document: Document): Document {
  return { ...document, status: 'pending', reason: null, updatedAt: document.createdAt };
}
