/** What `lastro verify --repair` does with what it found: findings, whose repair the running integrity service is asked for. */
import { FIND_RUNNING_SERVICES, type RunningService } from '#platform/log/running-services.ts';
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

export function requestRepairs(url: string, report: VerifyReport): Promise<RequestedRepairs> {
  return atOperatorDesk(url, async (desk, session) => {
    const found = findingsOf(report);
    await desk.open(await sightingsOf(session, found, 'operator'), { isRequested: true });
    const running = await session.query<RunningService>(FIND_RUNNING_SERVICES, []);
    const requested = found.filter((finding) => ruleOf(kindOf(finding)).repair !== undefined).length;
    const isServed = running.some(({ service }) => service === 'integrity');
    return { requested, parked: found.length - requested, isServed };
  });
}
