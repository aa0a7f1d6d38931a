export {
  type CardTransactionRef,
  countCardKeys,
  differingCards,
  differingCardTransactions,
  differingRules,
  type ListedCard,
  listCards,
  listCardTransactionRefs,
  listRulesVersions,
} from './audit.ts';
export type { CardApproved, CardCaptured, CardReleased, CardReversed } from './events.ts';
export { type CardProblemCode, cardProblems } from './problems.ts';
