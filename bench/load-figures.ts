/** What a load came to, as far as it is the same for every kind of request: rows of a table, a column each, and faults. */
import type { Judgement } from './judgement.ts';
import type { LoadResult } from './load/load-plan.ts';
import { duration, line, sum, whole } from './report-format.ts';

/** What became of the requests that were not accepted: nothing of it is left out. */
export function unacceptedRows(loads: readonly Unaccepted[], of = ''): string[] {
  const row = (label: string, value: (load: Unaccepted) => number): string =>
    line(
      `${of}${label}`,
      loads.map((load) => whole(value(load))),
    );
  return [
    row('refused (429, 503)', ({ refused }) => refused),
    row('other answers', ({ unexpected }) => sum(Object.values(unexpected))),
    row('dropped', ({ dropped }) => dropped),
    row('never sent', ({ unsent }) => unsent),
  ];
}

/** From the moment at which a request was meant to be sent. */
export function answerRows(label: string, loads: readonly LoadResult[]): string[] {
  const row = (name: string, value: (load: LoadResult) => number | null): string =>
    line(
      `${label}, ${name}`,
      loads.map((load) => duration(value(load))),
    );
  return [
    row('p50', ({ acceptance }) => acceptance.p50Ms),
    row('p99', ({ acceptance }) => acceptance.p99Ms),
    row('p99.9', ({ acceptance }) => acceptance.p999Ms),
    row('max', ({ acceptance }) => acceptance.maxMs),
  ];
}

export type Unaccepted = Pick<LoadResult, 'refused' | 'unexpected' | 'dropped' | 'unsent'>;

/** What must hold whatever the speed; `strict`: also that everything was sent and nothing refused. */
export function faultsOfLoad(
  at: string,
  load: Unaccepted & Pick<LoadResult, 'accepted'>,
  { strict }: Judgement,
): string[] {
  const { accepted, refused, unexpected, dropped, unsent } = load;
  const statuses = Object.entries(unexpected).map(([status, count]) => `${count} × ${status}`);
  const candidates: [boolean, string][] = [
    [accepted === 0, 'nothing was accepted'],
    [statuses.length > 0, `unexpected answers: ${statuses.join(', ')}`],
    [dropped > 0, `${dropped} requests without an answer`],
    [strict && refused > 0, `${refused} requests refused below capacity`],
    [strict && unsent > 0, `${unsent} requests never sent below capacity`],
  ];
  return candidates.filter(([holds]) => holds).map(([, text]) => `${at}: ${text}`);
}

/** Of two loads as one. */
export function together(one: Unaccepted, other: Unaccepted): Unaccepted {
  const unexpected: Record<string, number> = { ...one.unexpected };
  for (const [status, count] of Object.entries(other.unexpected))
    unexpected[status] = (unexpected[status] ?? 0) + count;
  return {
    refused: one.refused + other.refused,
    unexpected,
    dropped: one.dropped + other.dropped,
    unsent: one.unsent + other.unsent,
  };
}
