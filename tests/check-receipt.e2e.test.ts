/** The program that docs/proof.md gives auditors knows what is proved from what is not, without anything of ours. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../docs/check-receipt.mjs', import.meta.url));
const KEYS = fileURLToPath(new URL('../src/proof/fixtures/keys.json', import.meta.url));
const RECEIPT = readFileSync(new URL('../src/proof/fixtures/receipt.json', import.meta.url), 'utf8');

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'receipt-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly output: string;
}

function check(receipt: string): Promise<Outcome> {
  const file = join(folder, 'receipt.json');
  writeFileSync(file, receipt);
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, file, KEYS], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
}

/** What stands in the receipt once, changed. */
function changed(from: RegExp, to: string): string {
  const forged = RECEIPT.replace(from, to);
  expect(forged).not.toBe(RECEIPT);
  return forged;
}

test('it imports nothing but Node.js’ own', () => {
  const imports = [...readFileSync(PROGRAM, 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from);
  expect(imports).not.toEqual([]);
  expect(imports.filter((from) => !from?.startsWith('node:'))).toEqual([]);
});

test('a receipt that was given out is proved', async () => {
  const { code, output } = await check(RECEIPT);
  expect(output).toMatch(/^PROVED: 6 events of pay_/);
  expect(code).toBe(0);
});

test.each([
  ['another amount', /\\"amount\\":100/, String.raw`\"amount\":900`],
  ['another instant', /("occurred_at": "[^"]+)6Z/, '$17Z'],
  ['another tenant', /"tenant": "acme"/, '"tenant": "acmf"'],
  ['another place', /"position": 15/, '"position": 14'],
  ['another type', /"payment\.requested"/, '"payment.rejected"'],
  ['a trace that was not there', /"traceparent": "[^"]+"/, '"traceparent": null'],
  ['another subject', /"payment_id": "pay_.+"/, '"payment_id": "pay_01m8cs4r8eerks1vsfvg0kzznz"'],
  ['a step of a path', /"path": \[\s+"[0-9a-f]{4}/, '"path": ["ffff'],
  ['a path that ends early', /"batch_path": \[[^\]]+\]/, '"batch_path": []'],
  ['another batch', /"batch_index": 1/, '"batch_index": 0'],
  ['another checkpoint', /"checkpoint": 1/, '"checkpoint": 2'],
  ['another body', /"body": "\{\\"at\\":\\"2/, String.raw`"body": "{\"at\":\"3`],
  ['another signature', /"signature": "../, '"signature": "ff'],
  ['more that was judged', /"verified": (\d+)/, '"verified": 1$1'],
])('%s is not', async (_what, from, to) => {
  const { code, output } = await check(changed(from, to));
  expect(output).toContain('NOT PROVED');
  expect(code).toBe(1);
});

test('a receipt without one of its causes is not', async () => {
  const receipt = JSON.parse(RECEIPT) as { events: unknown[] };
  receipt.events.splice(1, 1);
  const { code, output } = await check(JSON.stringify(receipt));
  expect(output).toContain('is a cause, and is not there');
  expect(code).toBe(1);
});

test('what is no receipt, as a refusal that was saved in its place, is told apart', async () => {
  const pending = { code: 'integrity.receipt_pending', detail: 'Not all of it is covered yet.' };
  const { code, output } = await check(JSON.stringify(pending));
  expect(output).toBe('NOT PROVED: this is no receipt: Not all of it is covered yet.\n');
  expect(code).toBe(1);
});
