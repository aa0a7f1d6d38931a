/** Processes that take gateway payments, the sandbox's two providers, and a client that finds whoever lives. */
import { setTimeout as delay } from 'node:timers/promises';
import { GatewayCaller } from './gateway-caller.ts';
import { LastroHome } from './lastro-home.ts';
import { http, type LastroProcess } from './lastro-process.ts';
import { SandboxDesk } from './sandbox-desk.ts';

export class GatewayHome {
  readonly lastro: LastroHome;
  readonly alfa: SandboxDesk;
  readonly beta: SandboxDesk;
  readonly caller: GatewayCaller;
  /** Those that take requests. */
  readonly live = new Set<LastroProcess>();
  readonly #settings: Readonly<Record<string, string>>;

  private constructor(lastro: LastroHome, settings: Readonly<Record<string, string>>) {
    this.lastro = lastro;
    this.#settings = settings;
    this.alfa = new SandboxDesk('alfa', lastro.folder);
    this.beta = new SandboxDesk('beta', lastro.folder);
    this.caller = new GatewayCaller(() => [...this.live].map(({ url }) => url));
  }

  /** `settings` of every process, as LASTRO_ variables without the prefix. */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<GatewayHome> {
    return new GatewayHome(await LastroHome.open(), settings);
  }

  get desks(): readonly SandboxDesk[] {
    return [this.alfa, this.beta];
  }

  async start(): Promise<LastroProcess> {
    const started = await this.lastro.start(this.#settings);
    this.live.add(started);
    return started;
  }

  async kill(process: LastroProcess): Promise<void> {
    this.live.delete(process);
    process.kill('SIGKILL');
    await process.ended;
  }

  /** Stopped for so long, as by a machine that was suspended; nobody asks it meanwhile. */
  async suspend(process: LastroProcess, forMs: number): Promise<void> {
    this.live.delete(process);
    process.kill('SIGSTOP');
    await delay(forMs);
    process.kill('SIGCONT');
    this.live.add(process);
  }

  /** Of every provider, as every process sees it. */
  async breakers(): Promise<string[]> {
    const seen = await Promise.all([...this.live].map(({ url }) => http(`${url}/v1/providers`)));
    return seen.flatMap((answer) =>
      (answer.json()['data'] as { breaker: string }[]).map(({ breaker }) => breaker),
    );
  }

  async behave(): Promise<void> {
    await Promise.all(this.desks.map((desk) => desk.behave()));
  }

  remove(): Promise<void> {
    return this.lastro.remove();
  }
}
