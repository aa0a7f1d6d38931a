-- A batch writes what it remembers of accounts without loading them. It is wrong if fewer rows than it means are as it
-- remembers them: somebody else has counted, sealed or rebuilt meanwhile. Raises LS001, and the batch is decided anew.
create function require_all(p_found bigint, p_meant integer) returns void language plpgsql as $$
begin
  if p_found <> p_meant then
    raise exception '% of % rows are not as they are remembered', p_meant - p_found, p_meant using errcode = 'LS001';
  end if;
end $$;
