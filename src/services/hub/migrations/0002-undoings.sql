-- Integrations that somebody has had undone, until the sweep of overdue stages sees them end: they began long ago, so no look at what
-- has begun finds them, and an index on the status would cost every change of it its place in the page (HOT).
create table undoings (
  integration uuid primary key,
  tenant text not null,
  since timestamptz not null
);

create index undoings_since on undoings (since, integration);

insert into undoings (integration, tenant, since) select id, tenant, updated_at from integrations where status = 'undoing';
