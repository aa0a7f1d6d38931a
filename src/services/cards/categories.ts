import type { Category } from './card.ts';

/** Which benefit a merchant category code belongs to (ISO 18245; K2). Whatever is not here belongs to none. */
const CATEGORY_BY_MCC: ReadonlyMap<string, Category> = new Map([
  ['5411', 'FOOD'],
  ['5412', 'FOOD'],
  ['5811', 'MEAL'],
  ['5812', 'MEAL'],
]);

/** Four digits. */
export function isMcc(text: string): boolean {
  return /^\d{4}$/.test(text);
}

export function categoryOfMcc(mcc: string): Category | undefined {
  return CATEGORY_BY_MCC.get(mcc);
}
