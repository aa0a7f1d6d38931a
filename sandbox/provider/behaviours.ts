/** The misbehaviours in force, newest first. In memory: a restart forgets them. */
import { type BehaviourRule, isOutage, isOver, matches, type RequestFacts } from './behaviour-rule.ts';

/** Each is compared with every request: more is a mistake of whoever adds them in a loop. */
export const MAX_BEHAVIOURS = 1000;

export interface KeptRule {
  readonly id: string;
  readonly rule: BehaviourRule;
}

export class Behaviours {
  readonly #random: () => number;
  #rules: readonly KeptRule[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  /** False when there are too many already. */
  add(kept: KeptRule): boolean {
    if (this.#rules.length >= MAX_BEHAVIOURS) return false;
    this.#rules = [kept, ...this.#rules];
    return true;
  }

  list(now: number): readonly KeptRule[] {
    this.#rules = this.#rules.filter(({ rule }) => !isOver(rule, now));
    return this.#rules;
  }

  /** False when there is no such one. */
  remove(id: string): boolean {
    const left = this.#rules.filter((kept) => kept.id !== id);
    const isFound = left.length < this.#rules.length;
    this.#rules = left;
    return isFound;
  }

  clear(): void {
    this.#rules = [];
  }

  /** The newest that matches; one of its `times` is used up. */
  match(request: RequestFacts, now: number): BehaviourRule | undefined {
    if (this.#rules.length === 0) return undefined;
    const found = this.list(now).find(({ rule }) => matches(rule, request, { now, draw: this.#random() }));
    if (found !== undefined) this.#use(found);
    return found?.rule;
  }

  isOutage(now: number): boolean {
    return this.list(now).some(({ rule }) => isOutage(rule));
  }

  #use({ id, rule }: KeptRule): void {
    if (rule.times === null) return;
    const used = { id, rule: { ...rule, times: rule.times - 1 } };
    this.#rules = this.#rules.map((kept) => (kept.id === id ? used : kept));
  }
}
