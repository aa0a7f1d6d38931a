/**
 * Everything that can be set, and how an environment becomes the one typed, frozen object the program runs on.
 * Nothing else in Lastro reads the environment.
 *
 * C1: every wrong value is reported, all at once, by name, with what was given and what is allowed.
 * C2: a `LASTRO_` variable nobody knows is an error: a misspelt limit must not silently be no limit.
 * C3: a secret's value appears in no message.
 */
import { isIP } from 'node:net';
import { parseSecretKeys } from '../vault/secret-key.ts';
import { closestName } from './closest-name.ts';
import { listOf, oneOf, optionalText, requiredText, type Setting, wholeNumber } from './setting.ts';

const MEBIBYTE = 1024 * 1024;

/** What looks like an address without being one is no name either: it would be looked up for seconds. */
function isHostName(value: string): boolean {
  return value.length <= 255 && /^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/.test(value) && !/^[\d.]+$/.test(value);
}

const FIXED_SETTINGS = {
  mode: oneOf({
    name: 'LASTRO_MODE',
    choices: ['sandbox', 'production'],
    fallback: 'sandbox',
    meaning:
      'In `sandbox`, requests from this machine without credentials act as the sandbox tenant. `production` has no such tenant and does not start before an API key exists.',
  }),
  host: requiredText({
    name: 'LASTRO_HOST',
    fallback: '127.0.0.1',
    allowed: 'a host name or an IP address to listen on',
    matches: (value) => isIP(value) !== 0 || isHostName(value),
    meaning: 'The address to listen on. Anything but loopback needs an API key to exist before the start.',
  }),
  port: wholeNumber({
    name: 'LASTRO_PORT',
    min: 0,
    max: 65_535,
    fallback: 8080,
    meaning: 'The TCP port to listen on; 0 takes a free one from the system and prints it.',
  }),
  dataDir: optionalText({
    name: 'LASTRO_DATA_DIR',
    fallback: undefined,
    fallbackText: 'the folder `data` of the installation',
    allowed: 'a path, from the folder of the installation unless it begins with /',
    matches: (value) => value.length <= 4096 && !value.includes('\0'),
    meaning:
      'Where the embedded PostgreSQL, its log, the sandbox key, the signing key and the secret key are kept.',
  }),
  databaseUrl: optionalText({
    name: 'LASTRO_DATABASE_URL',
    fallback: undefined,
    fallbackText: 'the embedded PostgreSQL',
    allowed: 'postgres://user:password@host:port/database',
    matches: (value) => /^postgres(?:ql)?:\/\//.test(value) && URL.canParse(value),
    meaning:
      'A PostgreSQL (15 or later) to use instead of the embedded one. Its user owns the database, and may create the role lastro_service or has been granted it. A process of one service keeps up to 20 connections to it, one of all services some 60; `max_connections` (100 by default) has to hold those of every process. It has to be the server itself: a pooler takes from sessions what they ask for as they connect.',
    secret: true,
  }),
  partitions: wholeNumber({
    name: 'LASTRO_PARTITIONS',
    min: 1,
    max: 256,
    fallback: 16,
    meaning: 'Partitions of every log. Fixed when the database is created: a later start must say the same.',
  }),
  logLevel: oneOf({
    name: 'LASTRO_LOG_LEVEL',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    fallback: 'info',
    meaning:
      'The least level that is logged. A request that succeeds is logged at `debug`, one that is refused at `info`, one that fails at `error`.',
  }),
  backpressureSoft: wholeNumber({
    name: 'LASTRO_BACKPRESSURE_SOFT',
    min: 1,
    max: 10_000_000,
    fallback: 1_500,
    meaning:
      'Events that the services on the path of a payment may lag behind before intake slows down. A partition that stands alone, because its next event fails, does not count.',
  }),
  backpressureHard: wholeNumber({
    name: 'LASTRO_BACKPRESSURE_HARD',
    min: 1,
    max: 100_000_000,
    fallback: 40_000,
    meaning:
      'Events of such lag beyond which intake answers 503 with `Retry-After`. One partition is allowed four times its even share of them: past that, payments of its own wallets get the 503, and nobody else’s.',
  }),
  batchMax: wholeNumber({
    name: 'LASTRO_BATCH_MAX',
    min: 1,
    max: 5_000,
    fallback: 500,
    meaning: 'The most requests or events that one commit takes.',
  }),
  providersFile: optionalText({
    name: 'LASTRO_PROVIDERS_FILE',
    fallback: undefined,
    fallbackText: 'the two providers of the sandbox; in production none',
    allowed: 'a path',
    matches: (value) => value.length <= 4096 && !value.includes('\0'),
    meaning:
      'The JSON file with the payment providers, their keys and the routes to them; src/services/providers/README.md shows one. Without it, payments with `method: gateway` are refused in production.',
  }),
  providerTimeoutMs: wholeNumber({
    name: 'LASTRO_PROVIDER_TIMEOUT_MS',
    min: 50,
    max: 60_000,
    fallback: 2000,
    meaning:
      'Milliseconds that an answer of a payment provider is waited for, unless the providers file says otherwise of one. After that the outcome is unknown, and the provider is asked.',
  }),
  providerDeadlineMs: wholeNumber({
    name: 'LASTRO_PROVIDER_DEADLINE_MS',
    min: 1000,
    max: 86_400_000,
    fallback: 60_000,
    meaning:
      'Milliseconds after which a charge whose outcome is still unknown is put before a person (`reconciliation_required`). The provider goes on being asked.',
  }),
  signingKeyFile: optionalText({
    name: 'LASTRO_SIGNING_KEY_FILE',
    fallback: undefined,
    fallbackText: '`signing-key.pem` in the data folder, made at the first start',
    allowed: 'a path',
    matches: (value) => value.length <= 4096 && !value.includes('\0'),
    meaning:
      'The Ed25519 private key (PEM, PKCS #8) that signs checkpoints. Production with `LASTRO_DATABASE_URL` does not start without; every process is given the same. To change it, put the new public key (PEM) behind the old one in every process, then the new one first, with the public keys that have signed before behind it: what a key has signed that is not in the file is not built on.',
  }),
  secretKey: optionalText({
    name: 'LASTRO_SECRET_KEY',
    fallback: undefined,
    fallbackText: '`secret-key` in the data folder, made at the first start',
    allowed: '32 bytes in base64, or several such keys separated by commas',
    matches: (value) => parseSecretKeys(value) !== undefined,
    meaning:
      'The key that tenants’ secrets are encrypted with (AES-256-GCM). Production with `LASTRO_DATABASE_URL` does not start without; every process is given the same, and does not start without one that a secret is encrypted with. To change it, put the new one behind the old one in every process, then before it: the first encrypts, all decrypt.',
    secret: true,
  }),
  checkpointIntervalMs: wholeNumber({
    name: 'LASTRO_CHECKPOINT_INTERVAL_MS',
    min: 100,
    max: 3_600_000,
    fallback: 60_000,
    meaning:
      'Milliseconds between signed checkpoints. What happened since the last one can still be rewritten without a trace, and has no receipt.',
  }),
  rateLimitPerSecond: wholeNumber({
    name: 'LASTRO_RATE_LIMIT',
    min: 0,
    max: 1_000_000,
    fallback: 0,
    fallbackText: '0 (none)',
    meaning: 'Requests per second that one API key may make on this process; 0 is no limit.',
  }),
  shutdownTimeoutMs: wholeNumber({
    name: 'LASTRO_SHUTDOWN_TIMEOUT_MS',
    min: 100,
    max: 600_000,
    fallback: 20_000,
    meaning:
      'Milliseconds that a stopping process gives to requests in flight before it cuts their connections.',
  }),
  retentionDays: wholeNumber({
    name: 'LASTRO_RETENTION_DAYS',
    min: 5,
    max: 36_500,
    fallback: 90,
    meaning:
      'Days for which deliveries of webhooks are kept, with their attempts, calls of the hub that have ended, and webhooks that it received and took nothing of. What could not be delivered by then, because its endpoint is disabled, is not sent any more. Payments, integrations, events and idempotency keys are kept for ever.',
  }),
  bodyLimitBytes: wholeNumber({
    name: 'LASTRO_BODY_LIMIT',
    min: 1024,
    max: 16 * MEBIBYTE,
    fallback: MEBIBYTE,
    meaning: 'The largest request body, in bytes; a larger one is answered 413.',
  }),
  apiKey: optionalText({
    name: 'LASTRO_API_KEY',
    fallback: undefined,
    fallbackText: 'none: the sandbox needs none on its own machine',
    allowed: 'lk_<id>_<secret>',
    matches: (value) => /^lk_[^\s]{1,200}$/.test(value),
    meaning: 'With which `./lastro import-entries` calls a running process. `start` has no use for it.',
    secret: true,
  }),
};

/** The settings, given the services that exist (the platform knows none of them by name). */
export function settingDefinitions(services: readonly string[]) {
  return {
    ...FIXED_SETTINGS,
    services: listOf({
      name: 'LASTRO_SERVICES',
      choices: services,
      fallback: services,
      fallbackText: 'all of them',
      meaning:
        'The services that this process runs. The routes of one that runs in no process answer 503. `access` is in every process, named or not.',
    }),
  };
}

export type SettingDefinitions = ReturnType<typeof settingDefinitions>;

/** The settings in force, one member per definition. Durations are in ms, sizes in bytes. */
export type Settings = {
  readonly [Key in keyof SettingDefinitions]: SettingDefinitions[Key] extends Setting<infer Value>
    ? Value
    : never;
};

/** One thing wrong with the environment, fit to be shown to whoever starts the program. */
export interface SettingFault {
  readonly name: string;
  readonly detail: string;
}

export type ParsedSettings =
  | { readonly ok: true; readonly value: Settings }
  | { readonly ok: false; readonly faults: readonly SettingFault[] };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings that an environment stands for, or everything that is wrong with it. */
export function parseSettings(environment: Environment, services: readonly string[]): ParsedSettings {
  const definitions = settingDefinitions(services);
  const faults: SettingFault[] = unknownVariables(environment, definitions);
  const value = mapValues(definitions, (setting) => parseOne(setting, environment, faults));
  if (faults.length === 0 && value.backpressureSoft >= value.backpressureHard)
    faults.push(boundsCrossed(value));
  return faults.length === 0 ? { ok: true, value: Object.freeze(value) } : { ok: false, faults };
}

/** All of what is wrong, a line each, as a start that refuses prints it. */
export function renderSettingFaults(faults: readonly SettingFault[]): string {
  return faults.map((fault) => `${fault.name}: ${fault.detail}`).join('\n');
}

/** An absent and an empty variable are the same: compose files and systemd units pass empty ones for "not set". */
function parseOne<Value>(setting: Setting<Value>, environment: Environment, faults: SettingFault[]): Value {
  const given = environment[setting.name];
  if (given === undefined || given === '') return setting.fallback;
  const value = setting.parse(given);
  if (value !== undefined) return value;
  const shown = setting.secret ? 'the value (a secret, not shown)' : JSON.stringify(given); // C3
  faults.push({ name: setting.name, detail: `${shown} is not allowed; allowed is ${setting.allowed}` });
  return setting.fallback;
}

// C2
function unknownVariables(environment: Environment, definitions: SettingDefinitions): SettingFault[] {
  const known = Object.values(definitions).map((setting) => setting.name as string);
  return Object.keys(environment)
    .filter((name) => name.startsWith('LASTRO_') && !known.includes(name))
    .map((name) => ({ name, detail: `no such setting${didYouMean(name, known)}` }));
}

function didYouMean(name: string, known: readonly string[]): string {
  const closest = closestName(name, known);
  return closest === undefined ? '; `./lastro config` lists them' : `; did you mean ${closest}?`;
}

function boundsCrossed(settings: Settings): SettingFault {
  return {
    name: 'LASTRO_BACKPRESSURE_SOFT',
    detail: `${settings.backpressureSoft} is not below LASTRO_BACKPRESSURE_HARD (${settings.backpressureHard})`,
  };
}

function mapValues(
  definitions: SettingDefinitions,
  parse: <Value>(setting: Setting<Value>) => Value,
): { -readonly [Key in keyof Settings]: Settings[Key] } {
  return {
    mode: parse(definitions.mode),
    host: parse(definitions.host),
    port: parse(definitions.port),
    dataDir: parse(definitions.dataDir),
    databaseUrl: parse(definitions.databaseUrl),
    services: parse(definitions.services),
    partitions: parse(definitions.partitions),
    logLevel: parse(definitions.logLevel),
    backpressureSoft: parse(definitions.backpressureSoft),
    backpressureHard: parse(definitions.backpressureHard),
    batchMax: parse(definitions.batchMax),
    retentionDays: parse(definitions.retentionDays),
    providersFile: parse(definitions.providersFile),
    providerTimeoutMs: parse(definitions.providerTimeoutMs),
    providerDeadlineMs: parse(definitions.providerDeadlineMs),
    signingKeyFile: parse(definitions.signingKeyFile),
    secretKey: parse(definitions.secretKey),
    checkpointIntervalMs: parse(definitions.checkpointIntervalMs),
    rateLimitPerSecond: parse(definitions.rateLimitPerSecond),
    shutdownTimeoutMs: parse(definitions.shutdownTimeoutMs),
    bodyLimitBytes: parse(definitions.bodyLimitBytes),
    apiKey: parse(definitions.apiKey),
  };
}
