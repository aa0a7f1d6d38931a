-- A rebuild asks of each day that it begins whether a version of it was kept.
create index rebuilt_day_versions_by_day on rebuilt_day_versions (account_key, day, version);
