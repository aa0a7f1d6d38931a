import type { ProblemRegistry } from '#kernel/problem.ts';

/** The refusals of managing tenants and keys. Those of using a key are the edge's: 401 and 403. */
export const accessProblems = {
  'access.invalid_tenant_id': {
    status: 422,
    title: 'The id is not one that a tenant can have',
    retryable: false,
    remedy: 'Use 1 to 32 characters: a–z, 0–9 and -, the first not a -.',
  },
  'access.tenant_exists': {
    status: 409,
    title: 'A tenant with this id exists',
    retryable: false,
    remedy: 'Choose another id.',
  },
  'access.tenant_not_found': {
    status: 404,
    title: 'The tenant does not exist',
    retryable: false,
    remedy: 'Create the tenant first, or mend its id.',
  },
  'access.invalid_key_name': {
    status: 422,
    title: 'The name is not one that a key can have',
    retryable: false,
    remedy: 'Use 1 to 100 characters.',
  },
  'access.unknown_scope': {
    status: 422,
    title: 'There is no such scope',
    retryable: false,
    remedy: 'Use the scopes that `detail` lists, or `*` for every one.',
  },
  'access.expiry_in_the_past': {
    status: 422,
    title: 'The key would have expired already',
    retryable: false,
    remedy: 'Give an instant in the future, or none for a key that does not expire.',
  },
  'access.key_not_found': {
    status: 404,
    title: 'The tenant has no key with this id',
    retryable: false,
    remedy: 'List the tenant’s keys.',
  },
} as const satisfies ProblemRegistry;

export type AccessProblemCode = keyof typeof accessProblems;
