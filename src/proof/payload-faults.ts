/** What of a row that was told, and of its payload, is not as it should be. Payloads are kept as the exact bytes that are signed and sent. */
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import { parseData } from './event-data.ts';

/** Which of the values are other than they should be. */
export function valueFaults(
  values: readonly (readonly [name: string, actual: unknown, expected: unknown])[],
): string[] {
  return values
    .filter(([, actual, expected]) => actual !== expected)
    .map(([name, actual, expected]) => `${name} is ${String(actual)}, not ${String(expected)}`);
}

/** `expected`: undefined if what it tells of cannot be read. */
export function payloadFaults(payload: string, expected: JsonObject | undefined): string[] {
  if (expected === undefined) return ['what it tells of is not there, or cannot be read'];
  if (payload === JSON.stringify(expected)) return [];
  const told = parseData(payload);
  if (told === undefined) return ['the payload is not what a notification says'];
  const faults = differences(membersOf(told), membersOf(expected));
  return faults.length > 0 ? faults : ['the payload is written otherwise than it was rendered'];
}

/** Of the payload and of its data, each as JSON. */
function membersOf({ data, ...rest }: JsonObject): Map<string, string> {
  const inner = typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {};
  const members: [string, JsonValue][] = [...Object.entries(rest), ...Object.entries(inner)];
  return new Map(members.map(([name, value]) => [name, JSON.stringify(value)]));
}

function differences(told: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): string[] {
  return [...new Set([...expected.keys(), ...told.keys()])]
    .filter((name) => told.get(name) !== expected.get(name))
    .map((name) => `${name} is ${told.get(name) ?? 'not there'}, not ${expected.get(name) ?? 'told'}`);
}
