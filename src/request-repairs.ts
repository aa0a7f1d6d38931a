/** What `lastro verify --repair` does with what it found: findings, whose repair the running integrity service is asked for. */
import { statement } from '#platform/postgres/session.ts';
import type { VerifyReport } from '#proof/report.ts';
import { kindOf } from '#services/integrity/proof-port.ts';
import { ruleOf } from '#services/integrity/repair-rules.ts';
import { sightingsOf } from '#services/integrity/sighting-owners.ts';
import { findingsOf } from './integrity-proof.ts';
import { atOperatorDesk } from './operator-desk.ts';

export interface RequestedRepairs {
  /** Findings that have a rule. */
  readonly requested: number;
  /** The others: they wait for a person. */
  readonly parked: number;
  /** Whether a process lives that will repair them. */
  readonly isServed: boolean;
}

/** A process that has not been seen for so long lives no more (leases). */
const LIVE_MS = 3000;

const FIND_SERVING = statement(
  'cli.find_serving',
  `select exists (
     select from log.processes p
     where 'integrity' = any (p.services) and p.seen_at > clock_timestamp() - make_interval(secs => ${LIVE_MS / 1000})
   ) as serving`,
);

export function requestRepairs(url: string, report: VerifyReport): Promise<RequestedRepairs> {
  return atOperatorDesk(url, async (desk, session) => {
    const found = findingsOf(report);
    await desk.open(await sightingsOf(session, found, 'operator'), { isRequested: true });
    const [row] = await session.query<{ serving: boolean }>(FIND_SERVING, []);
    const requested = found.filter((finding) => ruleOf(kindOf(finding)).repair !== undefined).length;
    return { requested, parked: found.length - requested, isServed: row?.serving === true };
  });
}
