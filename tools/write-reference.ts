/**
 * Writes the generated pages of docs/reference, and enters new event contracts into their lock. A contract that is
 * locked already is never entered anew: what is published does not change.
 *
 * Run it as `node_modules/.bin/node tools/write-reference.ts`; the tests say when it is due.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderSettingsPage } from '#platform/config/render-settings.ts';
import { CARD_TRANSACTION } from '#sagas/card-transaction.ts';
import { ALL_SAGAS } from '#sagas/definitions.ts';
import { PROBLEMS } from '../src/problems.ts';
import {
  type ContractLock,
  changesOfPublished,
  digestOf,
  type EventContract,
  LOCK_PATH,
  loadContractLock,
  loadEventContracts,
} from '../tests/event-contracts.ts';
import { renderEventsPage } from './reference/events-page.ts';
import { renderMetricsPage } from './reference/metrics-page.ts';
import { renderProblemsPage } from './reference/problems-page.ts';
import { renderSagasPage } from './reference/sagas-page.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function write(path: string, text: string): void {
  writeFileSync(`${ROOT}/${path}`, text);
}

function withNew(lock: ContractLock, contracts: readonly EventContract[]): ContractLock {
  const found = Object.fromEntries(contracts.map((contract) => [contract.path, digestOf(contract)]));
  return Object.fromEntries(Object.entries({ ...found, ...lock }).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const contracts = loadEventContracts();
const lock = loadContractLock();
write(LOCK_PATH, `${JSON.stringify(withNew(lock, contracts), null, 2)}\n`);
write('docs/reference/problems.md', renderProblemsPage(PROBLEMS));
write('docs/reference/events.md', renderEventsPage(contracts));
write('docs/reference/metrics.md', renderMetricsPage());
write('docs/reference/sagas.md', renderSagasPage(ALL_SAGAS, CARD_TRANSACTION));
write('docs/reference/settings.md', renderSettingsPage());

const changes = changesOfPublished(lock, contracts);
for (const change of changes) console.error(change);
process.exitCode = changes.length === 0 ? 0 : 1;
