/** What can be asked of the bench. */
export interface BenchOptions {
  readonly quick: boolean;
  /** Names, in the order in which they are measured. */
  readonly scenarios: readonly string[];
  readonly seconds: number;
  readonly connections: number;
  /** Of the open loop, requests a second. */
  readonly rate: number;
  /** Of the open loop by providers. */
  readonly gatewayRate: number;
  /** Of arms without and with what is compared: providers that hang, the integrity service, the consolidation. */
  readonly pairs: number;
  readonly wallets: number;
  readonly services: number;
  /** Payments that the plain-SQL yardstick writes; 0 to leave the yardsticks out. */
  readonly plainSqlPayments: number;
  readonly peers: boolean;
  /** Stored payments at which the cost is measured again; undefined to leave it out. */
  readonly fill: number | undefined;
  readonly seed: number;
  /** Used and kept instead of a scratch folder. */
  readonly dataDir: string | undefined;
  /** A PostgreSQL to use instead of the embedded one. */
  readonly databaseUrl: string | undefined;
}
