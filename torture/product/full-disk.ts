/**
 * A disk that is full now and then, without a disk: while it is told to be, a share of the statements that write fails as
 * PostgreSQL fails when it cannot extend a file (SQLSTATE 53100). Triggers of the superuser do it, on every table of the
 * product, before the statement. The WAL itself never runs out of room here: there the server would stop.
 */
import type { Postgres } from './postgres.ts';

const INSTALL = `
  create schema torture;
  create table torture.disk (full_until timestamptz not null, share double precision not null);
  insert into torture.disk values ('-infinity', 0);
  create function torture.write() returns trigger language plpgsql security definer as $$
  begin
    if exists (select from torture.disk where full_until > clock_timestamp() and random() < share) then
      raise exception 'could not extend file "base/torture": No space left on device' using errcode = '53100';
    end if;
    return null;
  end $$;
  do $$
  declare
    found record;
  begin
    for found in
      select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and not c.relispartition
        and n.nspname not in ('pg_catalog', 'information_schema', 'torture')
    loop
      execute format('create trigger torture before insert or update on %I.%I for each statement execute function torture.write()',
                     found.nspname, found.relname);
    end loop;
  end $$;`;

export class FullDisk {
  readonly #postgres: Postgres;

  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  async install(): Promise<void> {
    await this.#postgres.query(INSTALL);
  }

  /** By the database's clock: it ends by itself, whatever becomes of us. */
  async fill(share: number, forMs: number): Promise<void> {
    await this.#postgres.query(
      `update torture.disk set full_until = clock_timestamp() + $1 * interval '1 millisecond', share = $2`,
      [forMs, share],
    );
  }
}
