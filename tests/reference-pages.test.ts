/** The generated pages of docs/reference say what the code does. `tools/write-reference.ts` writes them. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CARD_TRANSACTION } from '#sagas/card-transaction.ts';
import { ALL_SAGAS } from '#sagas/definitions.ts';
import { definitionName } from '#sagas/saga.ts';
import { PROBLEMS } from '../src/problems.ts';
import { renderEventsPage } from '../tools/reference/events-page.ts';
import { metricsInSource, namesInSource, renderMetricsPage } from '../tools/reference/metrics-page.ts';
import { renderProblemsPage } from '../tools/reference/problems-page.ts';
import { renderSagasPage } from '../tools/reference/sagas-page.ts';
import { loadEventContracts } from './event-contracts.ts';

function pageAt(name: string): string {
  return readFileSync(new URL(`../docs/reference/${name}.md`, import.meta.url), 'utf8');
}

/** The codes, types or names in the first column of a page's tables or in its headings. */
function namedIn(page: string, pattern: RegExp): string[] {
  return [...page.matchAll(pattern)].map((match) => match[1] ?? '');
}

describe('docs/reference/problems.md', () => {
  test('says what the registries say', () => {
    expect(pageAt('problems')).toBe(renderProblemsPage(PROBLEMS));
  });

  test('lists every code once, and no other', () => {
    const listed = namedIn(pageAt('problems'), /^\| `([a-z_.]+)` \|/gm);
    expect(listed.toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  });
});

describe('docs/reference/events.md', () => {
  test('says what the contracts say', () => {
    expect(pageAt('events')).toBe(renderEventsPage(loadEventContracts()));
  });

  test('lists every version of every event once, and no other', () => {
    const listed = namedIn(pageAt('events'), /^### \[`(.+)`\]\(.*\.json\) version \d+$/gm);
    expect(listed).toEqual(loadEventContracts().map(({ type }) => type));
  });
});

describe('docs/reference/metrics.md', () => {
  test('says what the code says', () => {
    expect(pageAt('metrics')).toBe(renderMetricsPage());
  });

  test('lists every metric of the code', () => {
    expect(metricsInSource().map(({ name }) => name)).toEqual(namesInSource());
    expect(namesInSource().length).toBeGreaterThan(0);
  });
});

describe('docs/reference/sagas.md', () => {
  test('draws and lists what the definitions say', () => {
    expect(pageAt('sagas')).toBe(renderSagasPage(ALL_SAGAS, CARD_TRANSACTION));
  });

  test('has every saga once, and no other', () => {
    expect(namedIn(pageAt('sagas'), /^## `(.+)`$/gm)).toEqual(
      [...ALL_SAGAS, CARD_TRANSACTION].map(definitionName),
    );
  });
});
