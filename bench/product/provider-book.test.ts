import { describe, expect, it } from 'vitest';
import { type BookEntry, firstChargeSince, sumBooks } from './provider-book.ts';

describe('sumBooks', () => {
  it('counts payments that stand charged once', () => {
    const books = [charge('att_1', 'pay_1'), charge('att_2', 'pay_2')];
    expect(sumBooks(books)).toEqual({ charges: 2, refunds: 0, charged: 2, chargedTwice: 0 });
  });

  it('takes only approved charges for charges', () => {
    const books = [charge('att_1', 'pay_1', 'declined'), charge('att_2', 'pay_1', 'voided')];
    expect(sumBooks(books)).toMatchObject({ charges: 0, charged: 0 });
  });

  it('finds a payment that two providers have charged', () => {
    const books = [charge('att_1', 'pay_1'), charge('att_2', 'pay_1')];
    expect(sumBooks(books)).toMatchObject({ charges: 2, charged: 1, chargedTwice: 1 });
  });

  it('counts no charge that was given back', () => {
    const books = [charge('att_1', 'pay_1'), charge('att_2', 'pay_1'), refund('att_2', 'succeeded')];
    expect(sumBooks(books)).toEqual({ charges: 2, refunds: 1, charged: 1, chargedTwice: 0 });
  });

  it('takes a refund that failed for none', () => {
    const books = [charge('att_1', 'pay_1'), charge('att_2', 'pay_1'), refund('att_2', 'failed')];
    expect(sumBooks(books)).toMatchObject({ refunds: 0, chargedTwice: 1 });
  });
});

describe('firstChargeSince', () => {
  const at = (ms: number) => ({ ...charge(`att_${ms}`, 'pay_1'), created_at: new Date(ms).toISOString() });

  it('is the earliest charge from that instant on', () => {
    expect(firstChargeSince([at(5000), at(3000), at(1999)], 2000)).toBe(3000);
    expect(firstChargeSince([at(2000)], 2000)).toBe(2000);
  });

  it('is none before, and no other document', () => {
    expect(firstChargeSince([at(1999), { ...at(3000), status: 'voided' }], 2000)).toBeUndefined();
    expect(firstChargeSince([refund('att_1', 'succeeded')], 0)).toBeUndefined();
  });
});

function charge(key: string, reference: string, status = 'approved'): BookEntry {
  return { position: 1, kind: 'charge', key, reference, status, created_at: '2026-01-01T00:00:00.000Z' };
}

function refund(of: string, status: string): BookEntry {
  return { ...charge(`refund-of-${of}`, 'pay_1', status), kind: 'refund', charge: of };
}
