-- Keeps the process registered, renews its leases, gives back what exceeds its fair share and takes what is free
-- or expired up to it. The share: partitions / live processes, the first (by id) taking one more each until none
-- is left over; so processes differ by one at most. Returns what the process owns now, and one row without a group that
-- carries the number of live processes alone. Clock: the database's. Where it was set back, what was written before is
-- dated so far ahead that nobody would miss who died meanwhile: it is dated anew, and whoever lives renews it in time.
-- p_refused: `group/partition` that this process cannot work on, because it met an event it does not read yet.
create or replace function tend_leases(p_process text, p_groups text[], p_services text[], p_ttl interval, p_refused text[])
returns table (consumer_group text, partition smallint, epoch bigint, live_processes integer) language plpgsql as $$
declare
  now_at timestamptz := clock_timestamp();
  total integer := (select i.partitions from log.installation i);
  grp text;
  live integer;
  my_rank integer;
  quota integer;
  owned integer;
begin
  insert into log.processes as p (id, consumer_groups, services, started_at, seen_at)
  values (p_process, p_groups, p_services, now_at, now_at)
  on conflict (id) do update set seen_at = excluded.seen_at;
  delete from log.processes where seen_at < now_at - 20 * p_ttl;
  -- A turn that waited for another one may see dates a little ahead of its own.
  update log.processes p set seen_at = now_at
  where p.id = any (array(
    select s.id from log.processes s where s.seen_at > now_at + p_ttl order by s.id for update skip locked));
  update log.leases l set expires_at = now_at + p_ttl
  where l.consumer_group || '/' || l.partition = any (array(
    select s.consumer_group || '/' || s.partition from log.leases s where s.expires_at > now_at + 2 * p_ttl
    order by s.consumer_group, s.partition for update skip locked));

  update log.leases l set owner = null, expires_at = now_at
  where l.owner = p_process and l.consumer_group || '/' || l.partition = any (p_refused);

  foreach grp in array p_groups loop
    select count(*), count(*) filter (where p.id < p_process) into live, my_rank
    from log.processes p where grp = any (p.consumer_groups) and p.seen_at > now_at - p_ttl;
    quota := total / live + case when my_rank < total % live then 1 else 0 end;

    update log.leases l set expires_at = now_at + p_ttl where l.consumer_group = grp and l.owner = p_process;
    get diagnostics owned = row_count;

    if owned > quota then
      -- The longest held first: what was taken beyond the share, because nobody else wanted it, stays.
      update log.leases l set owner = null, expires_at = now_at
      where l.consumer_group = grp and l.owner = p_process and l.partition in (
        select s.partition from log.leases s where s.consumer_group = grp and s.owner = p_process
        order by s.taken_at, s.partition desc limit owned - quota);
    elsif owned < quota then
      -- The array is made once. As a subquery of IN it may be run again for every lease, each time locking others.
      update log.leases l set owner = p_process, epoch = l.epoch + 1, expires_at = now_at + p_ttl, taken_at = now_at
      where l.consumer_group = grp and l.partition = any (array(
        select s.partition from log.leases s
        where s.consumer_group = grp and (s.owner is null or s.expires_at < now_at) and s.owner is distinct from p_process
          and s.consumer_group || '/' || s.partition <> all (p_refused)
        order by s.partition limit quota - owned for update skip locked));
    else
      -- One that has had no owner for longer than a lease lasts is refused by those who have room for it.
      update log.leases l set owner = p_process, epoch = l.epoch + 1, expires_at = now_at + p_ttl, taken_at = now_at
      where l.consumer_group = grp and l.partition = any (array(
        select s.partition from log.leases s
        where s.consumer_group = grp and s.owner is null and s.expires_at < now_at - p_ttl
          and s.consumer_group || '/' || s.partition <> all (p_refused)
        order by s.partition limit 1 for update skip locked));
    end if;
  end loop;

  select count(*) into live from log.processes p where p.seen_at > now_at - p_ttl;
  return query select null::text, null::smallint, null::bigint, live;
  return query select l.consumer_group, l.partition, l.epoch, live from log.leases l where l.owner = p_process;
end $$;
