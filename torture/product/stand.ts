/**
 * What is tortured: two processes of the product, the embedded PostgreSQL and who keeps it running, two providers, and a
 * wire between each two that talk.
 *
 *     caller ──► process a ──wire-a──► PostgreSQL ◄── keeper (starts it again)
 *           └──► process b ──wire-b──┘
 *                process a, b ──wire-alfa, wire-beta──► alfa, beta ──wire-callbacks──► process a or b
 *
 * The keeper is a process of the product too, with one service that no payment waits for: PostgreSQL is started again by the
 * product itself, while a and b reach it as they reach a server on another machine.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, FaultyWire } from '../proxy/faulty-wire.ts';
import { FullDisk } from './full-disk.ts';
import { type CommandResult, runLastro } from './lastro-command.ts';
import { Postgres } from './postgres.ts';
import { Program, until } from './program.ts';
import { Provider } from './provider.ts';

const COMMAND_TIMEOUT_MS = 60_000;
const VERIFY_TIMEOUT_MS = 600_000;
const ORPHAN_ENDS_WITHIN_MS = 30_000;
/** Node's banner after an uncaught error, and our own loudest word. */
const CRASH = /^Node\.js v\d|InvariantViolation/;
const CRASH_TEXT_MAX = 400;
const READY = /ready at http/;
const API_KEY = /^lk_\S+$/m;
/** Impatient, so that what is unknown is known, or before a person, while the run lasts. */
const IMPATIENCE = { LASTRO_PROVIDER_TIMEOUT_MS: '1000', LASTRO_PROVIDER_DEADLINE_MS: '8000' };
const SIGNING_KEY = 'signing-key.pem';
/** Signed while faults are under way, too. */
const CHECKPOINT_EVERY_MS = '5000';
/** Payments up to it go to beta first, the others to alfa. */
const BETA_FIRST_UP_TO = 400;

export interface Wires {
  readonly a: FaultyWire;
  readonly b: FaultyWire;
  readonly alfa: FaultyWire;
  readonly beta: FaultyWire;
  readonly callbacks: FaultyWire;
}

export class Stand {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly disk: FullDisk;
  readonly keeper: Program;
  readonly a: Program;
  readonly b: Program;
  readonly alfa: Provider;
  readonly beta: Provider;
  readonly wires: Wires;
  /** Of a and b. */
  readonly urls: readonly [string, string];
  readonly apiKey: string;
  /** Of processes, whatever the history says. */
  readonly failures: string[] = [];
  readonly #root: string;
  readonly #ports: Ports;
  readonly #secretKey = randomBytes(32).toString('base64');

  private constructor(root: string, parts: { folder: string; ports: Ports; wires: Wires; apiKey: string }) {
    this.#root = root;
    this.folder = parts.folder;
    this.#ports = parts.ports;
    this.wires = parts.wires;
    this.apiKey = parts.apiKey;
    this.postgres = new Postgres(this.dataDir);
    this.disk = new FullDisk(this.postgres);
    this.keeper = this.#keeper();
    this.a = this.#process('a');
    this.b = this.#process('b');
    this.alfa = this.#provider('alfa');
    this.beta = this.#provider('beta');
    this.urls = [urlOf(this.#ports.a), urlOf(this.#ports.b)];
    this.#connect();
  }

  /** Everything is there, and nothing runs. */
  static async prepare(root: string): Promise<Stand> {
    const folder = mkdtempSync(join(tmpdir(), 'lastro-torture-'));
    chmodSync(folder, 0o711); // root's PostgreSQL runs as another user
    const command = { root, settings: { LASTRO_MODE: 'production', LASTRO_DATA_DIR: join(folder, 'data') } };
    const args = ['keys', 'create', '--tenant', 'torture', '--name', 'torture'];
    const { stdout, stderr } = await runLastro(command, args, COMMAND_TIMEOUT_MS);
    const [apiKey] = API_KEY.exec(stdout) ?? [];
    if (apiKey === undefined) throw new Error(`no API key could be created: ${stderr}`);
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(folder, SIGNING_KEY), pem, { mode: 0o600 });
    return new Stand(root, { folder, ports: await findPorts(), wires: await openWires(), apiKey });
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  get processes(): readonly [Program, Program] {
    return [this.a, this.b];
  }

  get providers(): readonly [Provider, Provider] {
    return [this.alfa, this.beta];
  }

  async start(): Promise<void> {
    await Promise.all([this.keeper, this.alfa.program, this.beta.program].map((program) => program.start()));
    await this.disk.install();
    this.#writeProvidersFile();
    await this.a.start();
    await this.b.start();
  }

  /** Everything recomputed from the logs by the product's own proof. */
  verify(): Promise<CommandResult> {
    return runLastro({ root: this.#root, settings: this.#common }, ['verify', '--json'], VERIFY_TIMEOUT_MS);
  }

  /** In order; what is wrong with how they ended. */
  async stop(): Promise<string[]> {
    const { wires } = this;
    const ends: (string | undefined)[] = await Promise.all(this.processes.map((program) => program.end()));
    ends.push(...(await Promise.all(this.providers.map(({ program }) => program.end()))));
    ends.push(await this.keeper.end());
    await Promise.all(Object.values(wires).map((wire: FaultyWire) => wire.close()));
    await this.#endOrphan();
    return [...this.failures, ...ends.filter((fault) => fault !== undefined), ...this.#crashes()];
  }

  /** Whatever state they are in. */
  async kill(): Promise<void> {
    const programs = [...this.processes, this.keeper, ...this.providers.map(({ program }) => program)];
    await Promise.all(programs.map((program) => program.kill()));
    await this.#endOrphan();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** PostgreSQL outlives a keeper that was killed. Nobody needs what is in it any more, so it may end at once. */
  async #endOrphan(): Promise<void> {
    const pid = this.postgres.findPid();
    if (pid === undefined) return;
    process.kill(pid, 'SIGQUIT');
    await until(() => this.postgres.findPid() !== pid, ORPHAN_ENDS_WITHIN_MS);
  }

  /** What no process may do, whatever befalls it: end by an error that nobody caught, or find an invariant violated. */
  #crashes(): string[] {
    return [...this.processes, this.keeper].flatMap(({ name }) => {
      const log = readFileSync(join(this.folder, `${name}.log`), 'utf8').split('\n');
      return log
        .filter((line) => CRASH.test(line))
        .map((line) => `${name}.log: ${line.slice(0, CRASH_TEXT_MAX)}`);
    });
  }

  #connect(): void {
    const { wires } = this;
    wires.a.leadTo(() => this.postgres.address);
    wires.b.leadTo(() => this.postgres.address);
    wires.alfa.leadTo(() => addressOf(this.#ports.alfa));
    wires.beta.leadTo(() => addressOf(this.#ports.beta));
    // Whoever is there; a process that has stopped answering is not known here, and keeps the callback waiting.
    let turn = 0;
    wires.callbacks.leadTo(() => {
      const live = [this.#ports.a, this.#ports.b].filter((_port, index) => this.processes[index]?.isReady);
      const port = live[turn++ % Math.max(1, live.length)];
      return port === undefined ? undefined : addressOf(port);
    });
  }

  /** Of every process of the product. */
  get #common(): Readonly<Record<string, string>> {
    return {
      LASTRO_MODE: 'production',
      LASTRO_DATA_DIR: this.dataDir,
      LASTRO_SIGNING_KEY_FILE: join(this.folder, SIGNING_KEY),
      LASTRO_SECRET_KEY: this.#secretKey,
      LASTRO_CHECKPOINT_INTERVAL_MS: CHECKPOINT_EVERY_MS,
      LASTRO_LOG_LEVEL: 'warn',
    };
  }

  #keeper(): Program {
    const settings = {
      ...this.#common,
      LASTRO_SERVICES: 'notification',
      LASTRO_PORT: `${this.#ports.keeper}`,
    };
    return this.#program('keeper', settings);
  }

  #process(name: 'a' | 'b'): Program {
    const settings = {
      ...this.#common,
      LASTRO_PORT: `${this.#ports[name]}`,
      LASTRO_DATABASE_URL: this.postgres.urlBy(this.wires[name].port),
      LASTRO_PROVIDERS_FILE: this.#providersFile,
      ...IMPATIENCE,
    };
    return this.#program(name, settings);
  }

  #program(name: string, settings: Readonly<Record<string, string>>): Program {
    return new Program({
      name,
      root: this.#root,
      args: ['start'],
      settings,
      ready: READY,
      logPath: join(this.folder, `${name}.log`),
      onUnasked: (what) => this.failures.push(what),
    });
  }

  #provider(name: 'alfa' | 'beta'): Provider {
    return new Provider({
      name,
      root: this.#root,
      port: this.#ports[name],
      dataDir: this.dataDir,
      callbackUrl: `${urlOf(this.wires.callbacks.port)}/v1/provider-callbacks/${name}`,
      logPath: join(this.folder, `${name}.log`),
      onUnasked: (what) => this.failures.push(what),
    });
  }

  get #providersFile(): string {
    return join(this.folder, 'providers.json');
  }

  #writeProvidersFile(): void {
    const terms = this.providers.map(({ name, identity }) => {
      const url = urlOf(this.wires[name === 'alfa' ? 'alfa' : 'beta'].port);
      const { api_key, webhook_secret } = identity;
      return [name, { url, api_key, webhook_secret, concurrency: 256, void: true }];
    });
    const routes = [
      { max_amount: BETA_FIRST_UP_TO, providers: ['beta', 'alfa'] },
      { providers: ['alfa', 'beta'] },
    ];
    const text = JSON.stringify({ providers: Object.fromEntries(terms) as unknown, routes }, null, 2);
    writeFileSync(this.#providersFile, text, { mode: 0o600 });
  }
}

async function openWires(): Promise<Wires> {
  const open = () => FaultyWire.open();
  return {
    a: await open(),
    b: await open(),
    alfa: await open(),
    beta: await open(),
    callbacks: await open(),
  };
}

interface Ports {
  readonly a: number;
  readonly b: number;
  readonly keeper: number;
  readonly alfa: number;
  readonly beta: number;
}

/** All at once, so that no two are the same; they stay theirs as long as nobody else takes them meanwhile. */
async function findPorts(): Promise<Ports> {
  const servers = Array.from({ length: 5 }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [a = 0, b = 0, keeper = 0, alfa = 0, beta = 0] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return { a, b, keeper, alfa, beta };
}

function addressOf(port: number): Address {
  return { host: '127.0.0.1', port };
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}
