-- When an account was opened: from then on it is known that nothing had been posted to it before. Null of an account whose
-- opening was told while this was not kept; a rebuild of the days makes up for that.
alter table accounts add column opened_at timestamptz;
