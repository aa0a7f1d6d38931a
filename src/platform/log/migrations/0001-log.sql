-- The event log (DESIGN §3): what is common to all topics. Each service that owns a topic calls
-- log.create_topic('<its schema>') in its first migration and gets its own events, batches and append function.

-- The last position of every partition, and the chain value there. Appending moves a head as the last thing
-- before commit; the row's lock is what makes positions gapless and equal to commit order.
create table heads (
  topic text not null,
  partition smallint not null,
  position bigint not null default 0 check (position >= 0),
  chain bytea not null check (length(chain) = 32),
  primary key (topic, partition)
) with (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- How far a consumer group has got. Moved in the same commit as the effects (R1); never trusted from memory.
create table positions (
  consumer_group text not null,
  topic text not null,
  partition smallint not null,
  position bigint not null default 0 check (position >= 0),
  -- Counts the group's commits here, so that one which leaves the position where it is fences others too.
  turn bigint not null default 0,
  primary key (consumer_group, topic, partition)
) with (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Who works on a partition. A lost lease costs time, never correctness: the fence decides.
create table leases (
  consumer_group text not null,
  partition smallint not null,
  owner text,
  epoch bigint not null default 0,
  -- When it ends, or since when nobody has it.
  expires_at timestamptz not null default now(),
  taken_at timestamptz not null default '-infinity',
  primary key (consumer_group, partition)
) with (fillfactor = 25);

-- The processes that live: who has not been seen for three seconds counts no more.
create table processes (
  id text primary key,
  consumer_groups text[] not null,
  services text[] not null,
  started_at timestamptz not null,
  seen_at timestamptz not null
) with (fillfactor = 25);

-- The installation's constants: written once, compared at every start.
create table installation (
  singleton boolean primary key default true check (singleton),
  partitions smallint not null check (partitions between 1 and 1024),
  created_at timestamptz not null default now()
);

-- R1: locks the group's position rows in (topic, partition) order and raises LS001 unless every one is where the
-- batch started. First statement of every consumer's transaction: nothing is read before the fence.
create function fence(p_group text, p_topics text[], p_partitions smallint[], p_from bigint[], p_turns bigint[])
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  matched integer;
begin
  select count(*) into matched
  from (
    select p.position, p.turn, batch.start, batch.expected
    from unnest(p_topics, p_partitions, p_from, p_turns) as batch(topic, partition, start, expected)
    join log.positions p on p.consumer_group = p_group and p.topic = batch.topic and p.partition = batch.partition
    order by p.topic, p.partition
    for no key update of p
  ) as locked
  where locked.position = locked.start and locked.turn = locked.expected;

  if matched <> cardinality(p_topics) then
    raise exception 'group % is fenced: another process has moved its position', p_group using errcode = 'LS001';
  end if;
end $$;

-- The chain value before the first append: binds the chain to its topic and partition.
create function genesis(p_topic text, p_partition integer) returns bytea
  language sql immutable as $$ select sha256(convert_to(p_topic || '/' || p_partition, 'UTF8')) $$;

-- Creates <schema>.events, .batches and .append for the topic of the same name.
create function create_topic(p_topic text) returns void language plpgsql as $outer$
begin
  execute format($ddl$
    create table %1$I.events (
      partition smallint not null,
      position bigint not null,
      type text not null,
      version smallint not null,
      subject text not null,
      tenant text not null,
      key text not null,
      data text not null,
      occurred_at timestamptz not null,
      correlation_id text not null,
      causation text not null,
      traceparent text,
      primary key (partition, position)
    ) partition by range (position);
    -- Timelines: a subject's events. Subjects are time-ordered ids, so the index grows at its right edge.
    create index events_subject on %1$I.events (subject);

    create table %1$I.batches (
      partition smallint not null,
      first bigint not null,
      count integer not null check (count > 0),
      root bytea not null check (length(root) = 32),
      chain bytea not null check (length(chain) = 32),
      primary key (partition, first)
    );

    -- Appends events to partitions and returns the first position given in each. Locks the heads in partition
    -- order (R3: the last locks of a transaction) and holds them only until the commit that follows.
    -- p_partitions ascend; an event's slot is its partition's index in p_partitions (from 1), its offset the
    -- distance from the first position there. Chain: sha256(previous || int8 first || int4 count || root).
    create function %1$I.append(
      p_partitions smallint[], p_counts integer[], p_roots bytea[], p_occurred_at timestamptz,
      e_slots smallint[], e_offsets integer[], e_types text[], e_versions smallint[], e_subjects text[],
      e_tenants text[], e_keys text[], e_data text[], e_correlations text[], e_causations text[], e_traces text[]
    ) returns bigint[] language plpgsql set plan_cache_mode = force_generic_plan as $body$
    declare
      firsts bigint[];
    begin
      perform 1
      from unnest(p_partitions) as slot(partition)
      join log.heads h on h.topic = %2$L and h.partition = slot.partition
      order by h.partition
      for no key update of h;

      with moved as (
        update log.heads h
        set position = h.position + slot.count,
            chain = sha256(h.chain || int8send(h.position + 1) || int4send(slot.count) || slot.root)
        from unnest(p_partitions, p_counts, p_roots) as slot(partition, count, root)
        where h.topic = %2$L and h.partition = slot.partition
        returning h.partition, h.position - slot.count + 1 as first, slot.count, slot.root, h.chain
      ), noted as (
        insert into %1$I.batches (partition, first, count, root, chain)
        select partition, first, count, root, chain from moved
      )
      select array_agg(first order by partition) into firsts from moved;

      if cardinality(firsts) is distinct from cardinality(p_partitions) then
        raise exception 'topic %% lacks a head for a partition of %%', %2$L, p_partitions using errcode = 'LS002';
      end if;

      insert into %1$I.events (partition, position, type, version, subject, tenant, key, data, occurred_at,
                               correlation_id, causation, traceparent)
      select p_partitions[e.slot], firsts[e.slot] + e.distance, e.type, e.version, e.subject, e.tenant, e.key, e.data,
             p_occurred_at, e.correlation_id, e.causation, e.traceparent
      from unnest(e_slots, e_offsets, e_types, e_versions, e_subjects, e_tenants, e_keys, e_data, e_correlations,
                  e_causations, e_traces)
        as e(slot, distance, type, version, subject, tenant, key, data, correlation_id, causation, traceparent);

      return firsts;
    end $body$;
  $ddl$, p_topic, p_topic);
  perform log.add_event_range(p_topic, 0);
  perform log.add_event_range(p_topic, 1);
end $outer$;

-- Adds the range table that holds positions [n * 2^22, (n+1) * 2^22) of every partition: about 67 million events at
-- 16 partitions. Attached rather than created in place, so that no reader or writer of the topic waits for it.
create function add_event_range(p_topic text, p_number integer) returns boolean language plpgsql as $$
declare
  child text := 'events_' || lpad(p_number::text, 6, '0');
  lower_bound bigint := p_number::bigint << 22;
  upper_bound bigint := (p_number::bigint + 1) << 22;
begin
  if to_regclass(format('%I.%I', p_topic, child)) is not null then
    return false;
  end if;
  execute format('create table %1$I.%2$I (like %1$I.events including defaults,
                    check (position >= %3$s and position < %4$s))', p_topic, child, lower_bound, upper_bound);
  execute format('alter table %1$I.events attach partition %1$I.%2$I for values from (%3$s) to (%4$s)',
                 p_topic, child, lower_bound, upper_bound);
  return true;
end $$;

-- Keeps the process registered, renews its leases, gives back what exceeds its fair share and takes what is free
-- or expired up to it. The share: partitions / live processes, the first (by id) taking one more each until none
-- is left over; so processes differ by one at most. Returns what the process owns now, and one row without a group that
-- carries the number of live processes alone. Clock: the database's.
-- p_refused: `group/partition` that this process cannot work on, because it met an event it does not read yet.
create function tend_leases(p_process text, p_groups text[], p_services text[], p_ttl interval, p_refused text[])
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

-- Leaves at once: the leases are free for the others' next turn.
create function leave(p_process text) returns void language sql as $$
  update log.leases set owner = null, expires_at = clock_timestamp() where owner = p_process;
  delete from log.processes where id = p_process;
$$;
