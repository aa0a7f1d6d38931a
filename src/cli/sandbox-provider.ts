/**
 * `lastro sandbox-provider`: one provider of the sandbox in the foreground, in this process. It is the provider of its
 * name: `npm start` on the same data folder uses it, and starts its own when this one has ended.
 */
import { withFolderLock } from '#platform/processes/folder-lock.ts';
import { joinParticipants } from '#platform/processes/participants.ts';
import { ownIdentity } from '#platform/processes/process-identity.ts';
import {
  chooseProgramPort,
  findIdentity,
  findRunning,
  findUnnoted,
  loadIdentity,
  type ProgramFolder,
  prepareProgramFolder,
  saveIdentity,
} from '#platform/processes/program-folder.ts';
import { checkCallbackUrl, checkedSettings, wholeNumber } from '../../sandbox/provider/options.ts';
import { type RunningProvider, runProvider } from '../../sandbox/provider/run-provider.ts';
import { makeProviderSecrets, providerFolder, secretOf } from '../sandbox-providers.ts';
import { fail, failToUnderstand, readEnvironment, say, understood } from './environment.ts';

const LOCK = { timeoutMs: 30_000 };
const NAME = /^[a-z][a-z0-9-]{0,30}$/;

export interface SandboxProviderOptions {
  readonly name: string;
  readonly port: string;
  readonly callbackUrl?: string;
  readonly latencyMs: string;
}

/** With its numbers read. */
type Foreground = Pick<SandboxProviderOptions, 'name' | 'callbackUrl'> & Record<'port' | 'latencyMs', number>;

export async function sandboxProvider(options: SandboxProviderOptions): Promise<void> {
  try {
    const { name } = options;
    if (!NAME.test(name)) failToUnderstand(`--name has to be small letters, digits and -, not ${name}`);
    understood(() => checkCallbackUrl(options.callbackUrl));
    const numbers = understood(() => ({
      port: wholeNumber(options.port, '--port', 65_535),
      latencyMs: wholeNumber(options.latencyMs, '--latency-ms', 600_000),
    }));
    const program = prepareProgramFolder(providerFolder(readEnvironment().dataDir, name));
    const running = await withFolderLock(program.lock, LOCK, () =>
      startHere(program, { ...options, ...numbers }),
    );
    stopOnSignal(program, running);
    welcome(name, running.url, secretOf(findIdentity(program)?.secrets ?? {}, 'api_key'), program);
  } catch (error) {
    fail(error);
  }
}

interface ForegroundProvider extends RunningProvider {
  leave(): void;
}

/** Under the folder lock. */
async function startHere(
  program: ProgramFolder,
  { name, port, callbackUrl, latencyMs }: Foreground,
): Promise<ForegroundProvider> {
  const identity = loadIdentity(program, makeProviderSecrets);
  const running = findRunning(program) ?? findUnnoted(program);
  if (running !== undefined)
    throw new Error(
      `${name} runs already, as process ${running.pid} on port ${identity.port}: use that one, end who runs it, or choose another --name`,
    );
  const settings = checkedSettings({
    name,
    host: '127.0.0.1',
    port: port === 0 ? await chooseProgramPort(identity) : port,
    book: program.book,
    apiKey: secretOf(identity.secrets, 'api_key'),
    webhookSecret: secretOf(identity.secrets, 'webhook_secret'),
    callbackUrl,
    participants: program.participants,
    latencyMs,
  });
  const provider = await runProvider({ ...settings, callbackUrl: undefined }, fail);
  saveIdentity(program, { ...identity, port: settings.port, process: ownIdentity() });
  const participant = joinParticipants(program.participants, callbackUrl ?? '');
  return { ...provider, leave: () => participant.leave() };
}

function stopOnSignal(program: ProgramFolder, provider: ForegroundProvider): void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    withFolderLock(program.lock, LOCK, async () => {
      provider.leave();
      await provider.close();
    }).then(() => process.exit(0), fail);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);
}

function welcome(name: string, url: string, apiKey: string, { folder }: ProgramFolder): void {
  say(`
Provider ${name} listens on ${url}
  API key    ${apiKey}   (kept in ${folder}/identity.json)
  its book   ${folder}/book.jsonl

Let the next charge of 12.34 USD be declined, and see what is in force:

curl '${url}/behaviours' \\
--header 'Authorization: Bearer ${apiKey}' \\
--header 'Content-Type: application/json' \\
--data '{"behaviour": "decline", "match": {"amount": 1234, "currency": "USD"}, "times": 1}'

curl '${url}/behaviours' --header 'Authorization: Bearer ${apiKey}'

./lastro sandbox-provider --help lists the behaviours; docs/sandbox-providers.md has a curl for each. Ctrl-C ends it.
`);
}
