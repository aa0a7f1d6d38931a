/** P8, U16: event contracts are permanent. The gate that keeps them so, and the golden cases that keep the gate. */
import { describe, expect, test } from 'vitest';
import { TOPOLOGY } from '../src/topology.ts';
import {
  changesOfPublished,
  digestOf,
  type EventContract,
  incompatibilitiesOf,
  loadContractLock,
  loadEventContracts,
  openObjectsIn,
  reads,
  type Schema,
} from './event-contracts.ts';

const contracts = loadEventContracts();
const lock = loadContractLock();

describe('the contracts of the tree', () => {
  test('are those of every service that has a log', () => {
    const services = new Set(contracts.map(({ service }) => service));
    expect([...services].toSorted()).toEqual(TOPOLOGY.topics.toSorted());
  });

  test('an event type belongs to one service, and its versions are 1, 2, 3 … without a gap', () => {
    const types = [...new Set(contracts.map(({ type }) => type))];
    for (const type of types) {
      const versions = contracts.filter((candidate) => candidate.type === type);
      expect(versions.map(({ version }) => version)).toEqual(versions.map((_, index) => index + 1));
      expect(new Set(versions.map(({ service }) => service)).size).toBe(1);
    }
  });

  test.each(contracts)('$path names itself and is closed', ({ schema, type, version }) => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: `urn:lastro:event:${type}:v${version}`,
      title: type,
      description: expect.any(String) as unknown,
      type: 'object',
    });
    expect(openObjectsIn(schema)).toEqual([]);
  });

  test('each is in the lock: what is merged is published (E1)', () => {
    expect(contracts.map(({ path }) => path).filter((path) => !(path in lock))).toEqual([]);
  });

  test('what is published did not change (E1)', () => {
    expect(changesOfPublished(lock, contracts)).toEqual([]);
  });

  test('each version reads all earlier ones (E2)', () => {
    expect(incompatibilitiesOf(contracts)).toEqual([]);
  });
});

function contract(version: number, schema: Schema, type = 'thing.done'): EventContract {
  return { service: 'things', type, version, path: `things/${type}.v${version}.json`, schema };
}

function members(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', additionalProperties: false, required, properties };
}

const TEXT = { type: 'string' };
const WHOLE = { type: 'integer', minimum: 1, maximum: 10 };

describe('a later version reads an earlier one', () => {
  test.each<[string, Schema, Schema]>([
    ['that is the same', members({ a: TEXT }), members({ a: TEXT })],
    ['that lacks an optional member', members({ a: TEXT }), members({ a: TEXT, b: TEXT }, ['b'])],
    ['in which a member was required', members({ a: TEXT }), members({ a: TEXT }, ['a'])],
    ['with fewer allowed values', members({ a: { enum: ['x'] } }), members({ a: { enum: ['x', 'y'] } })],
    ['with a narrower range', members({ a: WHOLE }), members({ a: { ...WHOLE, minimum: 0, maximum: 11 } })],
    [
      'with shorter texts',
      members({ a: { ...TEXT, maxLength: 5 } }),
      members({ a: { ...TEXT, maxLength: 6 } }),
    ],
    ['in which a member was never null', members({ a: TEXT }), members({ a: { type: ['string', 'null'] } })],
    ['with shorter lists', members({ a: list(TEXT, 5) }), members({ a: list(TEXT, 6) })],
    ['with another sentence about it', members({ a: TEXT }), members({ a: { ...TEXT, description: 'new' } })],
    ['that demanded a format', members({ a: { ...TEXT, format: 'date-time' } }), members({ a: TEXT })],
  ])('%s', (_, earlier, later) => {
    expect(reads(later, earlier)).toBe(true);
  });
});

describe('a later version that cannot read an earlier one is found', () => {
  test.each<[string, Schema, Schema]>([
    ['a new required member', members({ a: TEXT }), members({ a: TEXT, b: TEXT })],
    ['a member taken away', members({ a: TEXT, b: TEXT }, ['b']), members({ a: TEXT })],
    ['a member renamed', members({ a: TEXT }), members({ b: TEXT })],
    ['an optional member made required', members({ a: TEXT }, ['a']), members({ a: TEXT })],
    ['fewer allowed values', members({ a: { enum: ['x', 'y'] } }), members({ a: { enum: ['x'] } })],
    ['a narrower range', members({ a: WHOLE }), members({ a: { ...WHOLE, minimum: 2 } })],
    ['a narrower pattern', members({ a: pattern('^[a-z]{1,3}$') }), members({ a: pattern('^[a-z]{1,2}$') })],
    ['a pattern where there was none', members({ a: TEXT }), members({ a: pattern('^[a-z]+$') })],
    ['a format where there was none', members({ a: TEXT }), members({ a: { ...TEXT, format: 'date-time' } })],
    ['a shorter text', members({ a: { ...TEXT, maxLength: 5 } }), members({ a: { ...TEXT, maxLength: 4 } })],
    ['a shorter list', members({ a: list(TEXT, 5) }), members({ a: list(TEXT, 4) })],
    ['a narrower item', members({ a: list(TEXT, 5) }), members({ a: list({ enum: ['x'] }, 5) })],
    ['null no longer allowed', members({ a: { type: ['string', 'null'] } }), members({ a: TEXT })],
    ['another kind of value', members({ a: TEXT }), members({ a: { type: 'integer' } })],
    ['fractions no longer allowed', members({ a: { type: 'number' } }), members({ a: { type: 'integer' } })],
    ['a bag that was closed', members({ a: { type: 'object' } }), members({ a: members({}) })],
  ])('%s', (_, earlier, later) => {
    expect(reads(later, earlier)).toBe(false);
  });

  test('against every earlier version, not only the one before it', () => {
    const versions = [members({ a: TEXT }), members({ a: TEXT, b: TEXT }, ['b']), members({ a: WHOLE })];
    expect(incompatibilitiesOf(versions.map((schema, index) => contract(index + 1, schema)))).toEqual([
      'thing.done: version 3 cannot read version 1',
      'thing.done: version 3 cannot read version 2',
    ]);
  });

  test('and types that have nothing to do with each other are not compared', () => {
    const other = contract(2, members({ b: TEXT }), 'other.done');
    expect(incompatibilitiesOf([contract(1, members({ a: TEXT })), other])).toEqual([]);
  });
});

describe('what is published', () => {
  const published = contract(1, members({ a: TEXT }));
  const planted = { [published.path]: digestOf(published) };

  test('stays as it is, however it is laid out', () => {
    const turned = Object.fromEntries(Object.entries(published.schema).toReversed());
    expect(changesOfPublished(planted, [{ ...published, schema: turned }])).toEqual([]);
  });

  test('cannot change, not even compatibly', () => {
    const widened = contract(1, members({ a: TEXT, b: TEXT }, ['b']));
    expect(changesOfPublished(planted, [widened])).toEqual([
      'things/thing.done.v1.json is published and cannot change; add a version',
    ]);
  });

  test('cannot be taken away', () => {
    expect(changesOfPublished(planted, [])).toEqual([
      'things/thing.done.v1.json is published and cannot be taken away',
    ]);
  });
});

describe('an object that admits what it does not name is found (E3)', () => {
  test('at the root', () => {
    const { additionalProperties: _, ...open } = members({ a: TEXT });
    expect(openObjectsIn(open)).toEqual(['']);
  });

  test('in a member and in the items of a list', () => {
    const open = { type: 'object', properties: { b: TEXT } };
    expect(openObjectsIn(members({ a: open, c: list(open, 2) }))).toEqual([
      '/properties/a',
      '/properties/c/items',
    ]);
  });

  test('but not a bag of the caller’s own, which names no member', () => {
    expect(openObjectsIn(members({ metadata: { type: 'object', additionalProperties: true } }))).toEqual([]);
  });
});

function list(items: Schema, maxItems: number): Schema {
  return { type: 'array', items, maxItems };
}

function pattern(source: string): Schema {
  return { ...TEXT, pattern: source };
}
