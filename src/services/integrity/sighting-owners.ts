/**
 * Whose what a proof found is, and by which key its events are ordered. What is about the logs, or about all accounts
 * together, is the installation's: several tenants stand in one batch, and none may see the others' fault.
 */
import { textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import { INSTALLATION, type Sighting } from './finding.ts';
import { evidenceIn, kindOf, type ProofFinding } from './proof-port.ts';
import { SAGA_TOPICS } from './seen-event.ts';

/** The first event about each subject that some log has; by each topic's index on subject. */
export const FIND_OWNERS = statement(
  'integrity.find_owners',
  `select wanted.subject, owner.tenant, owner.key
   from ${batchRows('wanted', { subject: 'text' })}
   cross join lateral (
     ${SAGA_TOPICS.map(
       (topic) => `(select e.tenant, e.key from "${topic}".events e
       where e.subject = wanted.subject and e.type not like 'account.%' limit 1)`,
     ).join('\n     union all\n     ')}
     limit 1
   ) owner`,
);

interface Owner {
  readonly tenant: string;
  readonly key: string;
}

export async function sightingsOf(
  session: Session,
  findings: readonly ProofFinding[],
  source: 'audit' | 'operator' = 'audit',
): Promise<Sighting[]> {
  const subjects = [...new Set(findings.map(({ subject }) => subject).filter(isResource))];
  const rows =
    subjects.length === 0
      ? []
      : await session.query<Owner & { subject: string }>(FIND_OWNERS, [textArray(subjects)]);
  const owners = new Map(rows.map((row) => [row.subject, row]));
  return findings.map((finding) => {
    const { subject, detail } = finding;
    const { tenant, key } = ownerOf(finding, owners.get(subject));
    return {
      tenant,
      key,
      kind: kindOf(finding),
      subject,
      evidence: evidenceIn(finding),
      detail,
      source,
    };
  });
}

/** Payments, refunds, manual entries: what has events of its own. */
function isResource(subject: string): boolean {
  return /^(?:pay|ref|jen)_/.test(subject);
}

const OF_ALL: ReadonlySet<string> = new Set(['log', 'checkpoints', 'currencies']);

function ownerOf({ check, subject, tenant }: ProofFinding, known: Owner | undefined): Owner {
  if (known !== undefined) return known;
  if (tenant !== undefined) return { tenant, key: subject };
  // `acme/wallet`, and the postings of it, `acme/wallet#3`; not a place in a log, which has two slashes.
  const [, owner, account] = /^([^/]+)\/([^/#]+)(?:#-?\d+)?$/.exec(subject) ?? [];
  if (OF_ALL.has(check) || owner === undefined || account === undefined)
    return { tenant: INSTALLATION, key: subject };
  return { tenant: owner, key: account };
}
