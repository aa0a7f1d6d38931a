/**
 * Answers the questions of a moment by one query: while one runs, those that come gather for the next. So each answer is of
 * after its question came, at a fraction of a query each under load.
 */
export interface GatheringOptions<Asked, Answer> {
  /** As many answers as questions, in their order. */
  readonly answer: (asked: readonly Asked[]) => Promise<readonly Answer[]>;
  /** Of the questions of one query together, but for a single one. */
  readonly weightMax: number;
  readonly weightOf: (asked: Asked) => number;
}

interface Waiting<Asked, Answer> {
  readonly asked: Asked;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathering<Asked, Answer> {
  readonly #options: GatheringOptions<Asked, Answer>;
  readonly #waiting: Waiting<Asked, Answer>[] = [];
  #isAsking = false;

  constructor(options: GatheringOptions<Asked, Answer>) {
    this.#options = options;
  }

  ask(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked, resolve, reject });
      if (!this.#isAsking) void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const page = this.#waiting.splice(0, this.#pageLength());
    try {
      const answers = await this.#options.answer(page.map(({ asked }) => asked));
      for (const [index, { resolve }] of page.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      for (const { reject } of page) reject(error);
    }
    this.#isAsking = false;
    if (this.#waiting.length > 0) void this.#ask();
  }

  #pageLength(): number {
    const { weightMax, weightOf } = this.#options;
    let weight = 0;
    const end = this.#waiting.findIndex(({ asked }) => (weight += weightOf(asked)) > weightMax);
    return end === -1 ? this.#waiting.length : Math.max(1, end);
  }
}
