/** What the verdicts say, for who judges the sagas again; see the ledger's audit. */
import {
  compareRanges,
  type Differences,
  type ExpectedRow,
  type RangeComparison,
} from '#platform/postgres/differences.ts';
import type { Range, RangedRows } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

/** By primary key. */
export const AUDITED_VERDICTS: RangedRows = {
  select: 'select v.subject, v.tenant, v.verdict, v.stages, v.findings from integrity.verdicts v',
  by: 'v.subject',
  kind: 'text',
};

const INCIDENT = '(?:unexpected_charge|contradiction)';

const VERDICTS: RangeComparison = {
  key: { subject: 'text' },
  columns: { tenant: 'text', verdict: 'text', stages: 'text', sound: 'text', incidents: 'bigint' },
  rows: {
    ...AUDITED_VERDICTS,
    // How a broken saga is described is integrity's own affair; that it is broken is not. Incidents alone break none.
    select: `select v.subject, v.tenant, v.verdict, case when v.verdict = 'complete' then v.stages end as stages,
                    case when (v.findings !~ '"kind":"(?!${INCIDENT}")') = (v.verdict = 'complete') then 'yes' else 'no'
                    end as sound,
                    case when v.verdict <> 'complete' then null when v.findings = '[]' then 0
                         else nullif(regexp_count(v.findings, '"kind":"${INCIDENT}"'), 0) end::bigint as incidents
             from integrity.verdicts v`,
    only: 'not v.subject = any ($3::text[])',
  },
};

/**
 * Verdicts of the ranges of subjects that are missing, extra or different; not of the subjects in `undecided`, whose
 * events integrity has not all read.
 */
export function differingVerdicts(
  reader: Reader,
  ranges: readonly Range[],
  verdicts: { readonly expected: readonly ExpectedRow[]; readonly undecided: readonly string[] },
): Promise<Differences> {
  const { expected, undecided } = verdicts;
  return compareRanges(reader, VERDICTS, { ranges, parameters: [undecided], expected });
}
