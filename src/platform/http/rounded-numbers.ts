import type { FieldProblem } from '#kernel/problem.ts';
import { SAFE_DIGITS } from './scan-json.ts';
import { pointerIn, walkJson } from './walk-json.ts';

/** Where a valid JSON text holds numbers that a double does not keep: the first `most` of them. */
export function roundedNumbers(text: string, most: number): FieldProblem[] {
  const faults: FieldProblem[] = [];
  for (const part of walkJson(text)) {
    if (part.kind !== 'number' || !isRounded(part.text)) continue;
    faults.push({
      pointer: pointerIn(part.holder),
      code: 'number_not_exact',
      detail: 'is a number that cannot be kept exactly (integers reach 2^53−1)',
    });
    if (faults.length === most) break;
  }
  return faults;
}

/** Whether reading `source`, which has no sign, as a double loses what it says. A true fraction (0.1) is as good as a double can be. */
function isRounded(source: string): boolean {
  const value = Number(source);
  if (!Number.isInteger(value)) return !Number.isFinite(value);
  if (!Number.isSafeInteger(value)) return true;
  // So few digits say an integer of theirs exactly, or nothing that a double takes for one but 0.
  if (source.length <= SAFE_DIGITS && value !== 0) return false;
  return integerText(source) !== String(value);
}

/** The integer that a number's text stands for, in plain digits; undefined if it is none. */
function integerText(source: string): string | undefined {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const zeros = Number(exponent) - fraction.length + (digits.length - significant.length);
  if (zeros < 0 || zeros > String(Number.MAX_SAFE_INTEGER).length) return undefined;
  return significant + '0'.repeat(zeros);
}
