import { toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { Entry, Posting } from './books.ts';
import type { EntryPosted } from './events.ts';

/** `cause` is the id, with its prefix, of what the entry was posted for. */
export function renderEntryPosted(entry: Entry, cause: string): EntryPosted {
  return {
    entry_id: idOf('jen', entry.id),
    cause,
    purpose: entry.purpose,
    postings: entry.postings.map(renderPosting),
  };
}

function renderPosting(posting: Posting): EntryPosted['postings'][number] {
  const { account, amountMinor } = posting;
  return {
    account_id: account.id,
    direction: amountMinor < 0n ? 'debit' : 'credit',
    amount: renderAmount(amountMinor < 0n ? -amountMinor : amountMinor),
    currency: account.currency,
    sequence: Number(posting.sequence),
    posted_after: renderAmount(posting.postedAfterMinor),
    posted_at: toRfc3339(posting.postedAt),
  };
}
