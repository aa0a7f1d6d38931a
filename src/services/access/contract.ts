export {
  type Access,
  createAccess,
  type NewKey,
  refusalOfKey,
  SANDBOX_TENANT,
  withoutSandbox,
} from './access.ts';
export { type ApiKey, claimedId } from './api-key.ts';
export { type AccessProblemCode, accessProblems } from './problems.ts';
export { SCOPES, type Scope } from './scopes.ts';
export type { ApiKeyRecord } from './store.ts';
