/** What every command needs to know of where it runs: settings, folders, version. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSettings, renderSettingFaults, type Settings } from '#platform/config/settings.ts';
import { SERVICES } from '../topology.ts';
import { readVersion } from './read-version.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface CommandEnvironment {
  readonly settings: Settings;
  readonly dataDir: string;
  readonly version: string;
  readonly root: string;
}

/** Ends the process with 2 and every fault of the environment, if there is one. */
export function readEnvironment(): CommandEnvironment {
  const parsed = parseSettings(process.env, SERVICES);
  if (!parsed.ok) {
    console.error(`lastro cannot start with these settings:\n${renderSettingFaults(parsed.faults)}`);
    process.exit(2);
  }
  const settings = parsed.value;
  const dataDir = resolve(ROOT, settings.dataDir ?? 'data');
  return { settings, dataDir, version: readVersion(), root: ROOT };
}

/** For people, on standard error: standard output belongs to what a command answers. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A failure a person can act on: its message without a stack. */
export function fail(error: unknown): never {
  return failWith(1, error);
}

/** Of a command whose exit status 1 is a verdict: that there is none is another status. */
export function failWithoutVerdict(error: unknown): never {
  return failWith(2, error);
}

/** Of a command line that is not understood: the status that the parser's own refusals have (lastro.ts). */
export function failToUnderstand(error: unknown): never {
  return failWith(2, error);
}

/** What an option says, before anything is opened. What it does not accept was not understood. */
export function understood<Given>(read: () => Given): Given {
  try {
    return read();
  } catch (error) {
    return failToUnderstand(error);
  }
}

function failWith(status: number, error: unknown): never {
  say(`lastro: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(status);
}
