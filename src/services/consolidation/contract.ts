export {
  type AuditedDays,
  type AuditedVersion,
  type DayAccount,
  isAllCounted,
  listAuditedDays,
  listDayAccounts,
  listReplacedVersions,
  listStrayDays,
  type VersionRef,
} from './audit.ts';
export type { Day } from './day.ts';
export type { DayReopened, DaySealed } from './events.ts';
export { type AccountName, accountsNamedIn } from './posting.ts';
export { type ConsolidationProblemCode, consolidationProblems } from './problems.ts';
export { DaysRebuild } from './rebuild.ts';
export { type DueAccounts, FIRST_KEY } from './waiting-postings.ts';
