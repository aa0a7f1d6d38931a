/** How the report writes figures. */
export const NOT_KNOWN = 'n/a';
const LABEL_WIDTH = 34;
const COLUMN_WIDTH = 13;

export function line(label: string, columns: readonly string[]): string {
  return label.padEnd(LABEL_WIDTH) + columns.map((column) => column.padStart(COLUMN_WIDTH)).join('');
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Null: not known. */
export function perSecond(rate: number | null): string {
  return rate === null ? NOT_KNOWN : whole(rate);
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`;
}

/** Null: not known. */
export function duration(ms: number | null): string {
  if (ms === null) return NOT_KNOWN;
  return ms >= 100 ? `${whole(ms)} ms` : `${ms.toFixed(1)} ms`;
}

export function bytes(value: number | null): string {
  return value === null ? NOT_KNOWN : `${whole(value / 1024 ** 2)} MiB`;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** CPU of each of so many; null: not known. */
export function cpuEach(us: number | null, count: number): string {
  return us === null || count === 0 ? NOT_KNOWN : `${(us / count).toFixed(1)} µs`;
}
