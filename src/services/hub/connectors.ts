/** Connectors as they are read: versions never change, so what was read once is kept. */
import type { EpochMs } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type Connector, type ConnectorRef, connectorRef, keptOf, type PutDefinition } from './connector.ts';
import { KeptByLength } from './kept-by-length.ts';

/** A definition has 256 KiB at most, usually two. */
const KEPT_MAX = 500;
/** Of all that is kept, as it was put. */
const KEPT_LENGTH = 16 * 1024 * 1024;
/** Of a page that is listed: hundreds of the usual ones. */
const PAGE_LENGTH = 1024 * 1024;
/** How long a new version may be unknown to those that receive webhooks. */
const CURRENT_FOR_MS = 1000;

export interface VersionRef extends ConnectorRef {
  readonly version: number;
}

interface ConnectorRow {
  tenant: string;
  name: string;
  version: number;
  definition: string;
  put_at: EpochMs;
}

const COLUMNS = 'c.tenant, c.name, c.version, c.definition, c.put_at';

export interface ListedConnectors {
  /** One more than fit, if there are more. */
  readonly connectors: readonly Connector[];
  /** How many are together no longer than PAGE_LENGTH, but for the last of them. */
  readonly fitting: number;
}

export class Connectors {
  readonly #reader: Reader;
  readonly #kept = new KeptByLength<Connector>({ most: KEPT_MAX, mostLength: KEPT_LENGTH });
  readonly #current = new Map<
    string,
    { readonly until: number; readonly found: Promise<Connector | undefined> }
  >();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Each of the versions, by `versionRef`; they are there, since something refers to them. By primary key. */
  async load(refs: readonly VersionRef[]): Promise<ReadonlyMap<string, Connector>> {
    const wanted = new Map(refs.map((ref) => [versionRef(ref), ref]));
    const found = new Map<string, Connector>();
    const missing: VersionRef[] = [];
    for (const [key, ref] of wanted) {
      const kept = this.#kept.find(key);
      if (kept === undefined) missing.push(ref);
      else found.set(key, kept);
    }
    if (missing.length > 0)
      for (const connector of await this.#read(missing)) found.set(versionRef(connector), connector);
    for (const key of wanted.keys())
      if (!found.has(key)) throw new Fault(`the connector ${key} is gone`, { transient: false });
    return found;
  }

  async #read(missing: readonly VersionRef[]): Promise<readonly Connector[]> {
    const rows = await this.#reader.query<ConnectorRow>(
      `select ${COLUMNS} from unnest($1::text[], $2::text[], $3::integer[]) as wanted(tenant, name, version)
       join hub.connectors c using (tenant, name, version)`,
      [
        missing.map(({ tenant }) => tenant),
        missing.map(({ name }) => name),
        missing.map(({ version }) => version),
      ],
    );
    return rows.map((row) => {
      const connector = connectorOf(row);
      this.#kept.keep(versionRef(connector), connector, row.definition.length);
      return connector;
    });
  }

  /** The newest version, or the one asked for. By primary key. */
  async find({ tenant, name }: ConnectorRef, version?: number): Promise<Connector | undefined> {
    const [row] = await this.#reader.query<ConnectorRow>(
      `select ${COLUMNS} from hub.connectors c where c.tenant = $1 and c.name = $2 and ($3::integer is null or c.version = $3)
       order by c.version desc limit 1`,
      [tenant, name, version ?? null],
    );
    return row === undefined ? undefined : connectorOf(row);
  }

  /** The newest version as of a moment ago. */
  current(ref: ConnectorRef): Promise<Connector | undefined> {
    const key = connectorRef(ref);
    const known = this.#current.get(key);
    if (known !== undefined && known.until > performance.now()) return known.found;
    this.#forgetCurrent();
    const found = this.find(ref);
    this.#current.delete(key);
    this.#current.set(key, { until: performance.now() + CURRENT_FOR_MS, found });
    found.catch(() => this.#current.delete(key)); // whoever waits for it hears of it
    return found;
  }

  /** They are in the order of their time. */
  #forgetCurrent(): void {
    const now = performance.now();
    for (const [key, { until }] of this.#current) {
      if (until > now && this.#current.size < KEPT_MAX) return;
      this.#current.delete(key);
    }
  }

  /** The newest version of each, by name; by primary key. */
  async list(tenant: string, { after, limit }: { after: string; limit: number }): Promise<ListedConnectors> {
    const rows = await this.#reader.query<ConnectorRow & { fits: boolean }>(
      `select ${COLUMNS}, c.before < $4 as fits from (
         select c.*, lag(c.before) over (order by c.name) as before_last from (
           select c.*, sum(octet_length(c.definition)) over (order by c.name) - octet_length(c.definition) as before
           from (
             select distinct on (c.name) ${COLUMNS} from hub.connectors c where c.tenant = $1 and c.name > $2
             order by c.name, c.version desc limit $3
           ) c
         ) c
       ) c
       where c.before_last is null or c.before_last < $4 order by c.name`,
      [tenant, after, limit, PAGE_LENGTH],
    );
    return { connectors: rows.map(connectorOf), fitting: rows.filter(({ fits }) => fits).length };
  }
}

export function versionRef({ tenant, name, version }: VersionRef): string {
  return `${tenant}/${name}/${version}`;
}

function connectorOf({ tenant, name, version, definition, put_at: putAt }: ConnectorRow): Connector {
  return { tenant, name, version, definition: keptOf(JSON.parse(definition) as PutDefinition), putAt };
}
