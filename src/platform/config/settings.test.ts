import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Environment, parseSettings, renderSettingFaults } from './settings.ts';

const SERVICES = ['payments', 'ledger', 'access'];

function settingsOf(environment: Environment) {
  const parsed = parseSettings(environment, SERVICES);
  if (!parsed.ok) throw new Error(renderSettingFaults(parsed.faults));
  return parsed.value;
}

function faultsOf(environment: Environment) {
  const parsed = parseSettings(environment, SERVICES);
  return parsed.ok ? [] : parsed.faults;
}

test('an empty environment is the sandbox on loopback with the documented defaults', () => {
  expect(settingsOf({})).toEqual({
    mode: 'sandbox',
    host: '127.0.0.1',
    port: 8080,
    dataDir: undefined,
    databaseUrl: undefined,
    services: SERVICES,
    partitions: 16,
    logLevel: 'info',
    backpressureSoft: 1_500,
    backpressureHard: 40_000,
    batchMax: 500,
    retentionDays: 90,
    providersFile: undefined,
    providerTimeoutMs: 2000,
    providerDeadlineMs: 60_000,
    rateLimitPerSecond: 0,
    shutdownTimeoutMs: 20_000,
    signingKeyFile: undefined,
    secretKey: undefined,
    checkpointIntervalMs: 60_000,
    bodyLimitBytes: 1_048_576,
    apiKey: undefined,
  });
});

test('an empty variable is the same as none', () => {
  expect(settingsOf({ LASTRO_PORT: '', LASTRO_DATABASE_URL: '' })).toEqual(settingsOf({}));
});

test('what is set is in force, typed', () => {
  const settings = settingsOf({
    LASTRO_MODE: 'production',
    LASTRO_HOST: '0.0.0.0',
    LASTRO_PORT: '0',
    LASTRO_DATA_DIR: '/var/lib/lastro',
    LASTRO_DATABASE_URL: 'postgresql://lastro:secret@db:5432/lastro',
    LASTRO_SERVICES: 'ledger, access',
    LASTRO_RATE_LIMIT: '100',
  });
  expect(settings).toMatchObject({
    mode: 'production',
    host: '0.0.0.0',
    port: 0,
    dataDir: '/var/lib/lastro',
    databaseUrl: 'postgresql://lastro:secret@db:5432/lastro',
    services: ['ledger', 'access'],
    rateLimitPerSecond: 100,
  });
});

test('the settings cannot be changed once they are read', () => {
  expect(Object.isFrozen(settingsOf({}))).toBe(true);
});

describe('C1: every wrong value is reported at once, with what was given and what is allowed', () => {
  test('several of them together', () => {
    const faults = faultsOf({ LASTRO_PORT: '70000', LASTRO_MODE: 'staging', LASTRO_BATCH_MAX: 'many' });
    expect(renderSettingFaults(faults)).toBe(
      [
        'LASTRO_MODE: "staging" is not allowed; allowed is sandbox | production',
        'LASTRO_PORT: "70000" is not allowed; allowed is a whole number, 0 … 65535',
        'LASTRO_BATCH_MAX: "many" is not allowed; allowed is a whole number, 1 … 5000',
      ].join('\n'),
    );
  });

  test.each([
    ['LASTRO_PORT', '-1'],
    ['LASTRO_PORT', '65536'],
    ['LASTRO_PORT', '8080.5'],
    ['LASTRO_PORT', ' 8080'],
    ['LASTRO_PORT', '0x1f90'],
    ['LASTRO_PORT', '8e3'],
    ['LASTRO_PARTITIONS', '0'],
    ['LASTRO_PARTITIONS', '257'],
    ['LASTRO_BODY_LIMIT', '1MiB'],
    ['LASTRO_LOG_LEVEL', 'INFO'],
    ['LASTRO_HOST', 'http://localhost'],
    ['LASTRO_HOST', '127.0.0.1:8080'],
    ['LASTRO_HOST', '999.1.1.1'],
    ['LASTRO_API_KEY', 'key_1'],
    ['LASTRO_SERVICES', 'payments,,ledger'],
    ['LASTRO_SERVICES', 'payments,payments'],
    ['LASTRO_SERVICES', 'payment'],
    ['LASTRO_DATABASE_URL', 'mysql://db'],
    ['LASTRO_DATA_DIR', 'a\0b'],
  ])('%s=%s', (name, value) => {
    expect(faultsOf({ [name]: value }).map((fault) => fault.name)).toEqual([name]);
  });

  test('bounds that contradict each other', () => {
    const faults = faultsOf({ LASTRO_BACKPRESSURE_SOFT: '50', LASTRO_BACKPRESSURE_HARD: '50' });
    expect(faults).toEqual([
      { name: 'LASTRO_BACKPRESSURE_SOFT', detail: '50 is not below LASTRO_BACKPRESSURE_HARD (50)' },
    ]);
  });
});

describe('C2: a LASTRO_ variable nobody knows is refused', () => {
  test('with the name that was probably meant', () => {
    expect(faultsOf({ LASTRO_RATELIMIT: '5' })).toEqual([
      { name: 'LASTRO_RATELIMIT', detail: 'no such setting; did you mean LASTRO_RATE_LIMIT?' },
    ]);
  });

  test('without a guess where nothing is alike', () => {
    expect(faultsOf({ LASTRO_WHATEVER_ELSE: '5' })[0]?.detail).toBe(
      'no such setting; `./lastro config` lists them',
    );
  });

  test('other programs’ variables are none of ours', () => {
    expect(faultsOf({ PATH: '/bin', PGPORT: 'x', lastro_port: 'x' })).toEqual([]);
  });
});

test('C3: a secret’s value is in no complaint', () => {
  const faults = faultsOf({ LASTRO_DATABASE_URL: 'postgress://lastro:hunter2@db/lastro' });
  expect(faults).toHaveLength(1);
  expect(renderSettingFaults(faults)).not.toContain('hunter2');
});

test('no environment whatever makes the parser throw', () => {
  const names = fc.oneof(
    fc.constantFrom('LASTRO_PORT', 'LASTRO_MODE', 'LASTRO_HOST', 'LASTRO_SERVICES', 'LASTRO_DATABASE_URL'),
    fc.string().map((rest) => `LASTRO_${rest}`),
  );
  fc.assert(
    fc.property(fc.dictionary(names, fc.string({ unit: 'binary' })), (environment) => {
      const parsed = parseSettings(environment, SERVICES);
      expect(parsed.ok ? 1 : parsed.faults.length).toBeGreaterThan(0);
    }),
  );
  // Every name that is none is compared with all there are: seconds on a machine that is busy.
}, 30_000);
