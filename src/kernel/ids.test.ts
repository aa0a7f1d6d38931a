import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantViolation } from './fault.ts';
import { type Id, idOf, isId, newId, uuidOf } from './ids.ts';

// The published vectors of the TypeID specification (spec/valid.json, spec/invalid.json), with our prefix.
const VALID = [
  ['00000000000000000000000000', '00000000-0000-0000-0000-000000000000'],
  ['00000000000000000000000001', '00000000-0000-0000-0000-000000000001'],
  ['0000000000000000000000000a', '00000000-0000-0000-0000-00000000000a'],
  ['0000000000000000000000000g', '00000000-0000-0000-0000-000000000010'],
  ['00000000000000000000000010', '00000000-0000-0000-0000-000000000020'],
  ['7zzzzzzzzzzzzzzzzzzzzzzzzz', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  ['0123456789abcdefghjkmnpqrs', '0110c853-1d09-52d8-d73e-1194e95b5f19'],
  ['01h455vb4pex5vsknk084sn02q', '01890a5d-ac96-774b-bcce-b302099a8057'],
] as const;

const INVALID = [
  ['upper-case prefix', 'PAY_00000000000000000000000000'],
  ['another prefix', 'jen_00000000000000000000000000'],
  ['a longer prefix', 'payx_00000000000000000000000000'],
  ['no prefix', '00000000000000000000000000'],
  ['empty prefix', '_00000000000000000000000000'],
  ['no separator', 'pay00000000000000000000000000'],
  ['doubled separator', 'pay__0000000000000000000000000'],
  ['nothing after the separator', 'pay_'],
  ['empty', ''],
  ['25 symbols', 'pay_1234567890123456789012345'],
  ['27 symbols', 'pay_123456789012345678901234567'],
  ['a space', 'pay_1234567890123456789012345 '],
  ['upper-case suffix', 'pay_0123456789ABCDEFGHJKMNPQRS'],
  ['hyphens', 'pay_123456789-123456789-123456'],
  ['letters outside the alphabet', 'pay_ooooooiiiiiiuuuuuuulllllll'],
  ['look-alikes of Crockford', 'pay_0i23456789ol23456789oi2345'],
  ['more than 128 bits', 'pay_8zzzzzzzzzzzzzzzzzzzzzzzzz'],
  ['a letter above ASCII', 'pay_0000000000000000000000000é'],
  ['a letter above Latin-1', 'pay_0000000000000000000000000\u0131'],
] as const;

const uuids = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'))
  .map((hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));

describe('TypeID', () => {
  test.each(VALID)('%s is %s, both ways', (suffix, uuid) => {
    expect(idOf('pay', uuid)).toBe(`pay_${suffix}`);
    expect(isId('pay', `pay_${suffix}`)).toBe(true);
    expect(uuidOf(`pay_${suffix}` as Id<'pay'>)).toBe(uuid);
  });

  test.each(INVALID)('%s is no id: %j', (_case, text) => {
    expect(isId('pay', text)).toBe(false);
  });

  test('any UUID survives the way to an id and back, and keeps its order', () => {
    fc.assert(
      fc.property(uuids, uuids, (a, b) => {
        const [idA, idB] = [idOf('jen', a), idOf('jen', b)];
        expect(uuidOf(idA)).toBe(a);
        expect(isId('jen', idA)).toBe(true);
        expect(idA < idB).toBe(a < b);
      }),
    );
  });

  test.each([
    ['upper case', '01890A5D-AC96-774B-BCCE-B302099A8057'],
    ['no dashes', '01890a5dac96774bbcceb302099a8057'],
    ['a dash elsewhere', '01890a5da-c96-774b-bcce-b302099a8057'],
    ['something after it', '01890a5d-ac96-774b-bcce-b302099a80570'],
    ['another letter', '01890a5d-ac96-774b-bcce-b302099a805g'],
    ['nothing', ''],
  ])('a UUID the database would not print is our mistake: %s', (_case, uuid) => {
    expect(() => idOf('pay', uuid)).toThrow(InvariantViolation);
  });

  test('an id that was never checked is our mistake', () => {
    expect(() => uuidOf('pay_' as Id<'pay'>)).toThrow(InvariantViolation);
    expect(() => uuidOf('pay_8zzzzzzzzzzzzzzzzzzzzzzzzz' as Id<'pay'>)).toThrow(InvariantViolation);
  });
});

describe('newId', () => {
  test('is a UUIDv7 of now', () => {
    const before = Date.now();
    const uuid = uuidOf(newId('hld'));
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const at = Number.parseInt(uuid.replace('-', '').slice(0, 12), 16);
    // A full counter borrows from the next millisecond.
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now() + 1);
  });

  test('is after every id before it, in text as in the database, within a millisecond too', () => {
    const ids = Array.from({ length: 20_000 }, () => newId('pay'));
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => isId('pay', id))).toBe(true);
  });
});
