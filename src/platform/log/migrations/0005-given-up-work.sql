-- Dead letters of another kind: what a service has tried outside and given up, a call of a connector or a webhook's delivery.
-- Its event was handled, so no key is parked by it. The columns are null of an event that a group could not handle.
alter table dead_letters
  -- Whom it was meant for: a connector, an endpoint.
  add column target text,
  -- What was given up, by its service's own id; stands in parking_key too, where nothing is parked by it.
  add column work text,
  -- HTTP, of the last try, if it was answered.
  add column error_status smallint,
  -- What took its place when it was replayed, by its service's own id.
  add column replayed_as text,
  -- The destination that was away, and at whose return it is replayed by itself: once, so null when that is ordered.
  add column waits_for text collate "C",
  add check ((target is null) = (work is null)),
  add check (work is not null or waits_for is null);

-- What waits for a person, newest first, however much is resolved.
create index dead_letters_open on dead_letters (tenant, id) where state = 'open';
-- Whoever tries it again by its own route resolves it too.
create index dead_letters_work on dead_letters (work) where state = 'open' and work is not null;
create index dead_letters_waiting on dead_letters (waits_for, id) where state = 'open' and waits_for is not null;
