export {
  type CashEntryRef,
  differingCashEntries,
  findKnownCashEntries,
  listCashEntryRefs,
  listStalledImports,
} from './audit.ts';
export { contraAccountId } from './contra-account.ts';
export { type CashflowProblemCode, cashflowProblems } from './problems.ts';
