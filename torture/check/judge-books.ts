/** T8: what the providers have taken and given back is what we say, payment by payment. */
import type { BookEntry } from '../history/history.ts';
import { COMPLETED, type PaymentDocument, type RefundDocument } from './documents.ts';
import type { Finding } from './finding.ts';
import type { Recollection, Story } from './recollection.ts';

/** What the books have about one payment. */
interface Booked {
  readonly charges: readonly BookEntry[];
  /** Of those charges, whoever asked for it. */
  readonly givenBack: readonly BookEntry[];
}

const DONE = 'succeeded';

export function judgeBooks({ books, payments, refunds }: Recollection): Finding[] {
  const entries = books.flatMap((book) => book.entries);
  const charges = Map.groupBy(
    entries.filter(({ kind }) => kind === 'charge'),
    ({ reference }) => reference,
  );
  const backs = Map.groupBy(
    entries.filter(({ kind }) => kind === 'refund'),
    ({ charge }) => charge ?? '',
  );
  const backsFor = Map.groupBy(
    entries.filter(({ kind }) => kind === 'refund'),
    ({ reference }) => reference,
  );
  const alien = entries.filter(({ reference }) => !payments.has(reference) && !refunds.has(reference));
  return [
    ...alien.map((entry) => finding(entry.reference, `nobody asked for ${JSON.stringify(entry)}`)),
    ...[...payments.values()].flatMap((story) => {
      const own = charges.get(story.id) ?? [];
      return judgeCharges(story, { charges: own, givenBack: own.flatMap(({ key }) => backs.get(key) ?? []) });
    }),
    ...[...refunds.values()].flatMap((story) =>
      judgeRefund(story, payments.get(story.last?.payment_id ?? '')?.last, backsFor.get(story.id) ?? []),
    ),
  ];
}

/** Charged once if completed; not at all, or for nothing net, if it ended otherwise; never twice. */
function judgeCharges({ id, last }: Story<PaymentDocument>, { charges, givenBack }: Booked): Finding[] {
  if (last === undefined) return [];
  const { status, method, amount } = last;
  const fault = (what: string): Finding[] => [
    finding(
      id,
      `(${method}, ${amount}) is ${status}, and ${what}; the books: ${JSON.stringify([...charges, ...givenBack])}`,
    ),
  ];
  if (method === 'balance') return charges.length > 0 ? fault('a provider was asked') : [];
  if (charges.some((charge) => charge.amount !== amount)) return fault('another amount was charged');
  if ([...charges, ...givenBack].some((entry) => entry.status === 'pending'))
    return fault('the provider has not ended');
  const approved = charges.filter((charge) => charge.status === 'approved');
  if (approved.length > 1) return fault('it was charged twice');
  const kept = approved.filter(({ key }) => undoneOf(key, id, givenBack) === 0);
  const half = approved.filter((charge) => ![0, charge.amount].includes(undoneOf(charge.key, id, givenBack)));
  const expected = status === COMPLETED ? 1 : 0;
  return kept.length === expected && half.length === 0
    ? []
    : fault(`${kept.length} charges stand, not ${expected}`);
}

/** What was given back because the payment as a whole does not stand. */
function undoneOf(charge: string, payment: string, givenBack: readonly BookEntry[]): number {
  return givenBack
    .filter((entry) => entry.charge === charge && entry.reference === payment && entry.status === DONE)
    .reduce((sum, { amount }) => sum + amount, 0);
}

function judgeRefund(
  { id, last }: Story<RefundDocument>,
  payment: PaymentDocument | undefined,
  entries: readonly BookEntry[],
): Finding[] {
  if (last === undefined) return [];
  const done = entries.filter(({ status }) => status === DONE);
  const expected = payment?.method === 'gateway' && last.status === COMPLETED ? 1 : 0;
  const isRight =
    done.length === expected &&
    done.every(({ amount }) => amount === last.amount) &&
    entries.every(({ status }) => status !== 'pending');
  return isRight
    ? []
    : [finding(id, `of ${last.amount} is ${last.status}; the books: ${JSON.stringify(entries)}`)];
}

function finding(subject: string, what: string): Finding {
  return { rule: 'T8', subject, what };
}
