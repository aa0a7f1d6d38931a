-- `append` walks its arrays in a target list, not in `from unnest(…)`, which puts every row together in a store first
-- (docs/adr/0003: a ninth of the insert's time).

-- Makes <topic>.append, or makes it anew. Appends events to partitions and returns the first position given in each. Locks
-- the heads in partition order (R3: the last locks of a transaction) and holds them only until the commit that follows.
-- p_partitions ascend; an event's slot is its partition's index in p_partitions (from 1), its offset the distance from
-- the first position there. Chain: sha256(previous || int8 first || int4 count || root).
create function create_append(p_topic text) returns void language plpgsql as $outer$
begin
  execute format($ddl$
    create or replace function %1$I.append(
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
      from (
        select unnest(e_slots) as slot, unnest(e_offsets) as distance, unnest(e_types) as type,
               unnest(e_versions) as version, unnest(e_subjects) as subject, unnest(e_tenants) as tenant,
               unnest(e_keys) as key, unnest(e_data) as data, unnest(e_correlations) as correlation_id,
               unnest(e_causations) as causation, unnest(e_traces) as traceparent
      ) as e;

      return firsts;
    end $body$;
  $ddl$, p_topic, p_topic);
end $outer$;

-- What it made of a topic stays as it was, but for `append`.
alter function create_topic(text) rename to create_topic_tables;

-- Creates <schema>.events, .batches and .append for the topic of the same name.
create function create_topic(p_topic text) returns void language plpgsql as $$
begin
  perform log.create_topic_tables(p_topic);
  perform log.create_append(p_topic);
end $$;

-- The topics there are.
select log.create_append(topic) from (select distinct topic from log.heads) as known;
