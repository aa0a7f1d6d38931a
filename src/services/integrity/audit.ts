/** What the verdicts say, for who judges the sagas again; see the ledger's audit. */
import {
  type Comparison,
  compareRange,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const INCIDENT = '(?:unexpected_charge|contradiction)';

const VERDICTS: Comparison = {
  key: { subject: 'text' },
  columns: { tenant: 'text', verdict: 'text', stages: 'text', sound: 'text', incidents: 'bigint' },
  // How a broken saga is described is integrity's own affair; that it is broken is not. Incidents alone break none.
  actual: `select v.subject, v.tenant, v.verdict, case when v.verdict = 'complete' then v.stages end as stages,
                  case when (v.findings !~ '"kind":"(?!${INCIDENT}")') = (v.verdict = 'complete') then 'yes' else 'no'
                  end as sound,
                  case when v.verdict <> 'complete' then null when v.findings = '[]' then 0
                       else regexp_count(v.findings, '"kind":"${INCIDENT}"') end::bigint as incidents
           from integrity.verdicts v
           where ($1::text is null or v.subject > $1) and ($2::text is null or v.subject <= $2)
             and not v.subject = any ($3::text[])`,
};

/**
 * Verdicts of the range of subjects (after the first, up to the second) that are missing, extra or different; not of the
 * subjects in `undecided`, whose events integrity has not all read.
 */
export function differingVerdicts(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
  verdicts: { readonly expected: readonly ExpectedRow[]; readonly undecided: readonly string[] },
): Promise<Differences> {
  const { expected, undecided } = verdicts;
  return compareRange(reader, VERDICTS, { parameters: [range.after, range.upTo, undecided], expected });
}
