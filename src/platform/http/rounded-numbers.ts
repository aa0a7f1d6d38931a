import type { FieldProblem } from '#kernel/problem.ts';
import { pointerStep } from './json-pointer.ts';

interface Place {
  readonly holder: unknown;
  readonly name: string;
}

/** The numbers of a valid JSON text that a double does not keep. Parses again, with the text of each number beside it. */
export function roundedNumbers(text: string): FieldProblem[] {
  const places: Place[] = [];
  const root: unknown = JSON.parse(
    text,
    function collect(this: unknown, name: string, value: unknown, context?: { source?: string }) {
      if (typeof value === 'number' && isRounded(value, context?.source ?? ''))
        places.push({ holder: this, name });
      return value;
    },
  );
  if (places.length === 0) return [];
  const pointers = new Map<unknown, string>();
  locate(root, '', pointers);
  return places.map(({ holder, name }) => ({
    pointer: pointerOf(pointers.get(holder), name),
    code: 'number_not_exact',
    detail: 'is a number that cannot be kept exactly (integers reach 2^53−1)',
  }));
}

/** A text that is nothing but a number is held by an object of the parser's that has no pointer. */
function pointerOf(holder: string | undefined, name: string): string {
  return holder === undefined ? '' : holder + pointerStep(name);
}

function locate(value: unknown, pointer: string, pointers: Map<unknown, string>): void {
  if (typeof value !== 'object' || value === null) return;
  pointers.set(value, pointer);
  for (const [name, item] of Object.entries(value)) locate(item, pointer + pointerStep(name), pointers);
}

/** Whether reading `source` as a double lost what it said. A true fraction (0.1) is as good as a double can be. */
function isRounded(value: number, source: string): boolean {
  if (!Number.isInteger(value)) return !Number.isFinite(value);
  return !Number.isSafeInteger(value) || integerText(source) !== String(Math.abs(value));
}

/** The integer that a number's text stands for, in plain digits without sign; undefined if it is none. */
function integerText(source: string): string | undefined {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const zeros = Number(exponent) - fraction.length + (digits.length - significant.length);
  if (zeros < 0 || zeros > String(Number.MAX_SAFE_INTEGER).length) return undefined;
  return significant + '0'.repeat(zeros);
}
