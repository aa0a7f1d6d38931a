import type { ProblemRegistry } from '#kernel/problem.ts';

export const integrityProblems = {
  'integrity.finding_not_found': {
    status: 404,
    title: 'The finding does not exist',
    retryable: false,
    remedy: 'Check the id; findings of other tenants, and of the installation, are not visible.',
  },
  'integrity.finding_closed': {
    status: 409,
    title: 'The finding is repaired or resolved already',
    retryable: false,
    remedy: 'Nothing is left to do; if it is seen again, it becomes a finding of its own.',
  },
  'integrity.audit_running': {
    status: 409,
    title: 'An audit is under way',
    retryable: true,
    remedy: 'Wait until it has ended; there is one at a time, over all tenants.',
  },
  'integrity.audit_not_found': {
    status: 404,
    title: 'The audit does not exist',
    retryable: false,
    remedy: 'Check the id; audits that other tenants asked for are not visible.',
  },
  'integrity.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;
