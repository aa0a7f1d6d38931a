import type { Setting } from './setting.ts';
import { type SettingDefinitions, type Settings, settingDefinitions } from './settings.ts';

export interface SettingLine {
  readonly name: string;
  /** The value in force, masked if it is a secret. */
  readonly value: string;
  readonly default: string;
  readonly allowed: string;
  readonly meaning: string;
}

/** What `./lastro config` shows: each setting with its value in force. Secrets are masked. */
export function renderSettings(settings: Settings, services: readonly string[]): readonly SettingLine[] {
  const definitions = settingDefinitions(services);
  return keysOf(definitions).map((key) => settingLine(definitions[key] as Setting<unknown>, settings[key]));
}

/** The reference page docs/reference/settings.md, whole. A test keeps it equal to what stands in the repository. */
export function renderSettingsPage(): string {
  const lines = Object.values(settingDefinitions([])).map((setting) => pageRow(setting as Setting<unknown>));
  return `# Settings

Lastro is set by environment variables. \`./lastro config\` shows the values in force. A wrong value, and a
\`LASTRO_\` variable that is not listed here, stop the start with a message that names all of them.

| variable | default | allowed | meaning |
|---|---|---|---|
${lines.join('\n')}
`;
}

function keysOf(definitions: SettingDefinitions): (keyof SettingDefinitions)[] {
  return Object.keys(definitions) as (keyof SettingDefinitions)[];
}

function settingLine(setting: Setting<unknown>, value: unknown): SettingLine {
  return {
    name: setting.name,
    value: renderValue(setting, value),
    default: renderFallback(setting),
    allowed: setting.allowed,
    meaning: setting.meaning,
  };
}

function renderValue(setting: Setting<unknown>, value: unknown): string {
  if (value === undefined) return renderFallback(setting);
  return setting.secret ? '********' : setting.render(value);
}

function renderFallback(setting: Setting<unknown>): string {
  return setting.fallbackText ?? setting.render(setting.fallback);
}

function pageRow(setting: Setting<unknown>): string {
  const cells = [`\`${setting.name}\``, renderFallback(setting), setting.allowed, setting.meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
