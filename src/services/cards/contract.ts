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
export { type CardProblemCode, cardProblems } from './problems.ts';
