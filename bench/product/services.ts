/**
 * What LASTRO_SERVICES can name, but `access`, which every process runs (tests/bench-services.test.ts holds it to the product's
 * list). A group of a service that nobody runs lags for ever, and a comparison waits until nothing lags: so what is left out is
 * one service, and never whatever came after the list was written.
 */
export const SERVICES = [
  'payments',
  'validation',
  'authorization',
  'ledger',
  'providers',
  'notification',
  'integrity',
  'cards',
  'hub',
  'cashflow',
  'consolidation',
] as const;

/** A setting: all of them, or all but one. */
export function servicesBut(left: (typeof SERVICES)[number] | undefined): { LASTRO_SERVICES: string } {
  return { LASTRO_SERVICES: SERVICES.filter((service) => service !== left).join(',') };
}
