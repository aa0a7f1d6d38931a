import { renderSettings } from '#platform/config/render-settings.ts';
import { SERVICES } from '../topology.ts';
import { readEnvironment } from './environment.ts';

/** `lastro config`: every setting with its value in force, its default and its meaning; secrets masked. */
export function showConfig(): void {
  const { settings } = readEnvironment();
  for (const { name, value, default: fallback, meaning } of renderSettings(settings, SERVICES)) {
    console.log(`${name}=${value}\n    default: ${fallback}\n    ${meaning}\n`);
  }
}
