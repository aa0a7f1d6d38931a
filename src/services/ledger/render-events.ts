import { toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { NewAccount } from './account.ts';
import type { Entry, Posting } from './books.ts';
import type { AccountOpened, EntryPosted } from './events.ts';

export function renderAccountOpened({ account, profile }: NewAccount): AccountOpened {
  return {
    account_id: account.id,
    kind: account.kind,
    currency: account.currency,
    floor: account.floorMinor === null ? null : renderAmount(account.floorMinor),
    name: profile.name,
    time_zone: profile.timeZone,
    metadata: profile.metadata,
  };
}

/** `cause` is the id, with its prefix, of what the entry was posted for. */
export function renderEntryPosted(entry: Entry, cause: string): EntryPosted {
  return {
    entry_id: idOf('jen', entry.id),
    cause,
    purpose: entry.purpose,
    ...textsOf(entry),
    postings: entry.postings.map(renderPosting),
  };
}

/** A payment's entry has none of them: left out, they cost the busiest event nothing. */
function textsOf({ description, reference, effectiveOn }: Entry): Partial<EntryPosted> {
  return {
    ...(isGiven(description) ? { description } : {}),
    ...(isGiven(reference) ? { reference } : {}),
    ...(isGiven(effectiveOn) ? { effective_on: effectiveOn } : {}),
  };
}

function isGiven(text: string | null | undefined): text is string {
  return text !== null && text !== undefined;
}

export function renderPosting(
  posting: Omit<Posting, 'account'> & { readonly account: Pick<Posting['account'], 'id' | 'currency'> },
): EntryPosted['postings'][number] {
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
