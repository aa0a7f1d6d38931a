export { differingIntegrations, listIntegrationRefs } from './audit.ts';
export type { LastroOrder, PlaceOrder } from './calls/caller.ts';
export type { CallOutcome } from './calls/decide-call.ts';
export type { IntegrationRef } from './integration.ts';
export { type HubProblemCode, hubProblems } from './problems.ts';
