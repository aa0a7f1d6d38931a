/** Every chapter, in the order of a run and of the report. A new scenario is a file and a line here. */
import type { Chapter } from './chapter.ts';
import { CARDS } from './chapters/cards.ts';
import { CASH_ENTRIES } from './chapters/cash-entries.ts';
import { CONSOLIDATION_COST } from './chapters/consolidation-cost.ts';
import { DAILY_BALANCES } from './chapters/daily-balances.ts';
import { INTEGRATIONS } from './chapters/integrations.ts';
import { INTEGRITY_COST } from './chapters/integrity-cost.ts';
import { LONG_ACCOUNT } from './chapters/long-account.ts';
import { PAYMENTS } from './chapters/payments.ts';
import { WEBHOOKS } from './chapters/webhooks.ts';

export const CHAPTERS: readonly Chapter[] = [
  PAYMENTS,
  INTEGRITY_COST,
  CARDS,
  INTEGRATIONS,
  WEBHOOKS,
  CASH_ENTRIES,
  CONSOLIDATION_COST,
  DAILY_BALANCES,
  LONG_ACCOUNT,
];

export const SCENARIOS = CHAPTERS.flatMap(({ scenarios }) => scenarios);
