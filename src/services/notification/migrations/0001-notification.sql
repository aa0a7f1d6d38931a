select log.create_topic('notification');

-- What is told about a subject, rendered once: one row per subject and event told of.
create table notifications (
  subject text not null,
  -- The event it tells of: `payment.completed`.
  type text not null,
  id uuid not null,
  tenant text not null,
  payload text not null,
  created_at timestamptz not null,
  primary key (subject, type)
);
