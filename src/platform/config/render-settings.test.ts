import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { renderSettings, renderSettingsPage } from './render-settings.ts';
import { parseSettings } from './settings.ts';

const SERVICES = ['payments', 'ledger'];

function linesOf(environment: Record<string, string>) {
  const parsed = parseSettings(environment, SERVICES);
  if (!parsed.ok) throw new Error('the environment is refused');
  return new Map(renderSettings(parsed.value, SERVICES).map((line) => [line.name, line]));
}

test('each setting is shown with the value in force and its default', () => {
  const lines = linesOf({ LASTRO_PORT: '9000', LASTRO_SERVICES: 'ledger' });
  expect(lines.get('LASTRO_PORT')).toMatchObject({ value: '9000', default: '8080' });
  expect(lines.get('LASTRO_SERVICES')).toMatchObject({ value: 'ledger', default: 'all of them' });
  expect(lines.get('LASTRO_DATABASE_URL')).toMatchObject({ value: 'the embedded PostgreSQL' });
});

test('a secret is masked wherever it is shown', () => {
  const lines = linesOf({ LASTRO_DATABASE_URL: 'postgres://lastro:hunter2@db/lastro' });
  expect(lines.get('LASTRO_DATABASE_URL')?.value).toBe('********');
  expect(JSON.stringify([...lines.values()])).not.toContain('hunter2');
});

test('docs/reference/settings.md says what the code does', () => {
  const page = readFileSync(new URL('../../../docs/reference/settings.md', import.meta.url), 'utf8');
  expect(page).toBe(renderSettingsPage());
});
