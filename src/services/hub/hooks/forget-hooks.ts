import { statement } from '#platform/postgres/session.ts';

/**
 * Webhooks of which nothing was taken, not authentic or no text; what was taken tells a repeat, and stays. The oldest, by the
 * index of those that were not taken: ids rise with time.
 */
export const FORGET_HOOKS = statement(
  'hub.forget_hooks',
  `delete from hub.received_hooks h
   where h.ctid = any (array(
     select t.ctid from hub.received_hooks t where t.id < $1::uuid and t.dedup is null and t.integration is null
     order by t.id limit $2::integer for update skip locked
   ))
   returning 1 as forgotten`,
);
