/** Findings as the operator has them at the command line: of all tenants, and of the installation itself. */
import { systemClock } from '#kernel/clock.ts';
import type { Decision } from '#kernel/decision.ts';
import { isId, uuidOf } from '#kernel/ids.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session, statement } from '#platform/postgres/session.ts';
import { INSTALLATION, type StoredFinding } from '#services/integrity/finding.ts';
import { FindingDesk } from '#services/integrity/finding-desk.ts';
import { FindingReads, renderReading } from '#services/integrity/finding-reads.ts';
import { acknowledge, resolve } from '#services/integrity/settle-finding.ts';

const CHANGES = { acknowledge, resolve };
export type FindingChange = keyof typeof CHANGES;

const READ_PARTITIONS = statement('cli.read_partitions', 'select partitions from log.installation');

/** Beside running processes, on the same database; they see what is settled here with their next look. */
export async function atOperatorDesk<Result>(
  url: string,
  work: (desk: FindingDesk, session: Session) => Promise<Result>,
): Promise<Result> {
  const session = new Session({ url, name: 'operator' });
  try {
    const [installation] = await session.query<{ partitions: number }>(READ_PARTITIONS, []);
    const desk = new FindingDesk({
      session,
      log: { partitions: installation?.partitions ?? 1, publish: () => undefined },
      clock: systemClock,
      observer: { opened: () => undefined, settled: () => undefined },
    });
    return await work(desk, session);
  } finally {
    await session.close();
  }
}

/** Those that are not closed, newest first; `whose`: a tenant, or nobody's. */
export async function listLiveFindings(
  pool: ReadPool,
  limit: number,
): Promise<readonly (StoredFinding & { readonly whose: string })[]> {
  const findings = await new FindingReads(pool).listLive(limit);
  return findings.map((finding) => ({
    ...finding,
    whose: finding.tenant === INSTALLATION ? '(installation)' : finding.tenant,
  }));
}

/** As the API shows it; undefined if there is no such finding, of any tenant or of the installation. */
export async function readFinding(pool: ReadPool, id: string): Promise<object | undefined> {
  const reading = isId('fnd', id) ? await new FindingReads(pool).find(null, uuidOf(id)) : undefined;
  return reading && renderReading(reading);
}

/** Undefined if there is no such finding. */
export async function changeFinding(
  url: string,
  change: {
    readonly verb: FindingChange;
    readonly id: string;
    readonly actor: string;
    readonly reason: string;
  },
): Promise<Decision<StoredFinding> | undefined> {
  const { verb, id, actor, reason } = change;
  if (!isId('fnd', id)) return undefined;
  return atOperatorDesk(url, (desk) =>
    desk.byPerson({ tenant: null, uuid: uuidOf(id) }, (finding, now) =>
      CHANGES[verb](finding, { actor, reason, now }),
    ),
  );
}
