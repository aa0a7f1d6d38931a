export { type CardProblemCode, cardProblems } from './problems.ts';
