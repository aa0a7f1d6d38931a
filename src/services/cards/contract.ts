export {
  differingCards,
  differingCardTransactions,
  differingRules,
  listCards,
  listCardTransactionRefs,
  listOpenHoldRefs,
  listRulesVersions,
} from './audit.ts';
export type { CardApproved, CardCaptured, CardReleased, CardReversed } from './events.ts';
export { type CardProblemCode, cardProblems } from './problems.ts';
