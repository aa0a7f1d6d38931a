-- Positions are locked by the first statement of a transaction and moved by a later one, when it is decided how far; of
-- several groups at once where one commit is of all of them (docs/adr/0011). `fence` stays for the program before this one.

-- R1: locks the positions, in (group, topic, partition) order, and raises LS001 unless every one is where the batch
-- started. What waited for a lock sees the row as it is after the wait.
create function lock_positions(p_groups text[], p_topics text[], p_partitions smallint[], p_from bigint[],
                               p_turns bigint[])
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  matched integer;
begin
  select count(*) into matched
  from (
    select * from unnest(p_groups, p_topics, p_partitions, p_from, p_turns) as b(grp, topic, partition, start, expected)
    order by b.grp, b.topic, b.partition
  ) as batch
  cross join lateral (
    select p.position, p.turn from log.positions p
    where p.consumer_group = batch.grp and p.topic = batch.topic and p.partition = batch.partition
    for no key update
  ) as locked
  where locked.position = batch.start and locked.turn = batch.expected;

  if matched <> cardinality(p_groups) then
    raise exception 'a position is not where the batch started: another worker has moved it' using errcode = 'LS001';
  end if;
end $$;

-- Moves the positions that `lock_positions` has locked in this transaction, forward or not at all: the row that is found
-- is the row that is moved.
create function move_positions(p_groups text[], p_topics text[], p_partitions smallint[], p_to bigint[])
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  moved integer;
begin
  update log.positions p set position = batch.target, turn = p.turn + 1
  from unnest(p_groups, p_topics, p_partitions, p_to) as batch(grp, topic, partition, target)
  cross join lateral (
    select t.ctid from log.positions t
    where t.consumer_group = batch.grp and t.topic = batch.topic and t.partition = batch.partition
      and t.position <= batch.target
    offset 0
  ) as found(at)
  where p.ctid = found.at;

  get diagnostics moved = row_count;
  if moved <> cardinality(p_groups) then
    raise exception 'a position would go back, or is none' using errcode = 'LS002';
  end if;
end $$;

-- An event's identity is in the events that follow from it, so a batch that appends both has said where the first will
-- stand. Raises LS001 if somebody else has appended meanwhile.
create function require_firsts(p_firsts bigint[], p_expected bigint[]) returns void language plpgsql as $$
begin
  if p_firsts is distinct from p_expected then
    raise exception 'the heads are not where the batch expected them: somebody else has appended'
      using errcode = 'LS001';
  end if;
end $$;
