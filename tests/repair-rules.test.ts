/** P5: whatever a proof can find has a rule that says how grave it is and what is done about it. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { kindOf } from '#services/integrity/proof-port.ts';
import { LOGS_IN_DOUBT, REPAIR_RULES } from '#services/integrity/repair-rules.ts';

const FOLDER = new URL('../src/proof/', import.meta.url);
/** As `check.found({ kind: … })` and a walk's own `#found(…)` name it. */
const KIND = /(?:\bkind: |#found\(\s*)'([a-z]+_[a-z_]+)'/g;

function kindsFound(): string[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.ts') && !name.includes('.test.'));
  const texts = files.map((name) => readFileSync(new URL(name, FOLDER), 'utf8'));
  return [...new Set(texts.flatMap((text) => [...text.matchAll(KIND)].map((match) => match[1] ?? '')))];
}

test('every kind that a proof names has a rule', () => {
  const kinds = kindsFound();
  expect(kinds.length).toBeGreaterThan(40);
  expect(kinds.filter((kind) => !Object.hasOwn(REPAIR_RULES, kindOf({ kind })))).toEqual([]);
});

test('what puts the logs in doubt is critical, and is repaired by nobody', () => {
  for (const kind of LOGS_IN_DOUBT) {
    expect(REPAIR_RULES[kind].severity).toBe('critical');
    expect(REPAIR_RULES[kind]).not.toHaveProperty('repair');
  }
});
