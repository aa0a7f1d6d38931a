import type { FieldProblem } from '#kernel/problem.ts';
import { pointerStep } from './json-pointer.ts';

/** An object or array that is open where the reading stands. */
interface Container {
  readonly pointer: string;
  /** The names seen so far; undefined for an array. */
  readonly names: Set<string> | undefined;
  /** The step to the value that is being read: the member's name, or the element's index. */
  step: string | number;
}

/** Where a name stands twice in one object of a valid JSON text. */
export function repeatedNames(text: string): FieldProblem[] {
  const faults: FieldProblem[] = [];
  const open: Container[] = [];
  let expectsName = false;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/gs)) {
    const container = open.at(-1);
    if (token === '{' || token === '[') open.push(openedIn(container, token));
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ',' && expectsName && container !== undefined) enter(container, token, faults);
    if (token === ',' && typeof container?.step === 'number') container.step += 1;
    expectsName = token === '{' || (token === ',' && container?.names !== undefined);
  }
  return faults;
}

function openedIn(parent: Container | undefined, bracket: '{' | '['): Container {
  const pointer = parent === undefined ? '' : parent.pointer + pointerStep(parent.step);
  return bracket === '{' ? { pointer, names: new Set(), step: '' } : { pointer, names: undefined, step: 0 };
}

function enter(object: Container, token: string, faults: FieldProblem[]): void {
  const name: unknown = JSON.parse(token);
  if (typeof name !== 'string' || object.names === undefined) return;
  object.step = name;
  if (object.names.has(name)) {
    const pointer = object.pointer + pointerStep(name);
    faults.push({ pointer, code: 'repeated_name', detail: 'stands twice in one object' });
  }
  object.names.add(name);
}
