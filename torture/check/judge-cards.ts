/** T10, T11, T12: what became of card transactions, and the money that they and top-ups move. */
import type { CardStory, CardTry } from './card-recollection.ts';
import type { BalancesBody, CardTransactionDocument, PurchaseBody } from './documents.ts';
import type { Finding } from './finding.ts';
import type { Recollection } from './recollection.ts';

export function judgeCards(recollection: Recollection): Finding[] {
  const { cards } = recollection;
  const { stories, listed, unconfirmed } = cards;
  if (listed === undefined)
    return stories.size === 0 ? [] : [finding('T10', 'card transactions', 'were not listed to the end')];
  const rows = [...listed.values()];
  const steps = stepsTold(recollection);
  const byKey = Map.groupBy(rows, ({ external_id }) => external_id ?? '');
  const alien = rows.filter(({ external_id }) => !stories.has(external_id ?? ''));
  return [
    ...cards.findings,
    ...alien.map((row) => finding('T10', row.id, `nobody asked for it: ${JSON.stringify(row)}`)),
    ...[...stories.values()].flatMap((story) => [
      ...judgeAnswers(story),
      ...judgeStanding(story, byKey.get(story.key) ?? []),
    ]),
    ...rows.flatMap((row) =>
      judgeSteps(row, { story: stories.get(row.external_id ?? ''), steps: steps.get(row.id) ?? [] }),
    ),
    ...[...cards.verdicts]
      .filter(([, { verdict }]) => verdict !== 'complete')
      .map(([id, verdict]) =>
        finding('T11', id, `has come to its end, its verdict: ${JSON.stringify(verdict)}`),
      ),
    ...[...unconfirmed].map((id) => finding('T12', id, 'is still listed as unconfirmed')),
  ];
}

/**
 * T10: what was decided is what every later try is told, byte for byte. While faults go on a try may be `07` beside it, because
 * the database could not be asked (K7); when everything has settled none may.
 */
function judgeAnswers({ key, tries }: CardStory): Finding[] {
  const final = tries.filter(({ answer }) => answer?.code === '00' || answer?.code === '51');
  return final.flatMap((first) =>
    tries
      .filter((later) => later.body === first.body && later.text !== undefined && isLater(later, first))
      .filter(({ text, answer, isSettled }) => text !== first.text && (isSettled || answer?.code !== '07'))
      .map(({ text }) => finding('T10', key, `was answered ${first.text}, and later ${text}`)),
  );
}

function isLater({ asked }: CardTry, { answered }: CardTry): boolean {
  return answered !== undefined && asked > answered;
}

/** T10: answered `00` is applied once, as it was asked for; whatever else was answered is not. */
function judgeStanding({ key, tries }: CardStory, rows: readonly CardTransactionDocument[]): Finding[] {
  const standing = rows.filter(({ code }) => code === '00');
  const told = tries.filter(({ answer }) => answer?.code === '00');
  const texts = JSON.stringify(tries.map(({ text }) => text));
  const [row] = standing;
  if (tries.every(({ text }) => text === undefined)) return [finding('T10', key, 'was never answered')];
  if (standing.length > 1) return [finding('T10', key, `stands twice: ${JSON.stringify(standing)}`)];
  if (row === undefined)
    return told.length === 0 ? [] : [finding('T10', key, `was answered ${texts}, and does not stand`)];
  if (told.length === 0)
    return [finding('T10', key, `was answered ${texts}, and stands: ${JSON.stringify(row)}`)];
  return told
    .filter((each) => !isAsAsked(row, each))
    .map(({ body, text }) =>
      finding('T10', key, `asked ${body}, was answered ${text}, and is ${JSON.stringify(row)}`),
    );
}

function isAsAsked(row: CardTransactionDocument, { body, answer }: CardTry): boolean {
  const { account, totalAmount } = JSON.parse(body) as PurchaseBody;
  return (
    row.id === answer?.id &&
    row.account === account &&
    row.amount === Math.round(totalAmount * 100) &&
    row.category === answer.category
  );
}

/** What the answers to reversals and captures say, by card transaction: each of how it was after it. */
function stepsTold({ orders }: Recollection): Map<string, CardTransactionDocument[]> {
  const documents = [...orders.values()]
    .filter(({ operation }) => operation === 'card_reversal' || operation === 'card_capture')
    .flatMap(({ requests }) => requests)
    .flatMap(({ answer }) =>
      answer?.status === 200 ? (JSON.parse(answer.body) as CardTransactionDocument) : [],
    );
  return Map.groupBy(documents, ({ id }) => id);
}

/** T11 */
function judgeSteps(
  row: CardTransactionDocument,
  {
    story,
    steps,
  }: { readonly story: CardStory | undefined; readonly steps: readonly CardTransactionDocument[] },
): Finding[] {
  const { id, code, state, captured, reversed } = row;
  if (code !== '00')
    return captured === reversed && state !== 'held'
      ? []
      : [finding('T11', id, `does not stand, and has money: ${JSON.stringify(row)}`)];
  const promised = isHold(story) ? afterHold(steps) : { state: 'captured', captured: row.amount ?? 0 };
  const givenBack = Math.max(0, ...steps.map((step) => step.reversed));
  return promised.state === state && promised.captured === captured && givenBack === reversed
    ? []
    : [
        finding(
          'T11',
          id,
          `the answers promise ${JSON.stringify({ ...promised, reversed: givenBack })}, it is ${JSON.stringify(row)}`,
        ),
      ];
}

function isHold(story: CardStory | undefined): boolean {
  return story?.tries.some(({ body }) => (JSON.parse(body) as PurchaseBody).capture === false) === true;
}

function afterHold(steps: readonly CardTransactionDocument[]): { state: string; captured: number } {
  const [first = { state: 'held', captured: 0 }] = steps;
  return { state: first.state, captured: first.captured };
}

interface Movement {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

/** What cards were given, and what stands of what they spent. */
export function cardMovements({ orders, cards }: Recollection): Movement[] {
  const given = [...orders.values()]
    .filter(({ operation }) => operation === 'card' || operation === 'top_up')
    .flatMap(({ requests }) => requests)
    .filter(({ answer }) => answer?.status === 201)
    .flatMap(({ path, body }) => {
      const { account = path.split('/')[3] ?? '', balances } = JSON.parse(body) as BalancesBody;
      return Object.entries(balances).map(([category, amount]) => ({
        from: 'card-funding-BRL',
        to: `${account}:${category}`,
        amount,
      }));
    });
  const spent = [...(cards.listed?.values() ?? [])]
    .filter(({ captured, reversed }) => captured !== reversed)
    .map(({ account, category, captured, reversed }) => ({
      from: `${account}:${category}`,
      to: 'card-settlement-BRL',
      amount: captured - reversed,
    }));
  return [...given, ...spent];
}

/** By account, of what is held and was neither captured nor given back. */
export function heldOnCards({ cards }: Recollection): Map<string, number> {
  const held = new Map<string, number>();
  for (const { state, account, category, amount } of cards.listed?.values() ?? []) {
    if (state !== 'held') continue;
    const id = `${account}:${category}`;
    held.set(id, (held.get(id) ?? 0) + (amount ?? 0));
  }
  return held;
}

function finding(rule: string, subject: string, what: string): Finding {
  return { rule, subject, what };
}
