export {
  differingCards,
  differingCardTransactions,
  differingRules,
  listCards,
  listCardTransactionRefs,
  listRulesVersions,
} from './audit.ts';
export type { CardApproved, CardCaptured, CardReleased, CardReversed } from './events.ts';
export { type CardProblemCode, cardProblems } from './problems.ts';
