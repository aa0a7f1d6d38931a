/**
 * The cards that had their answers sent when a batch last read them: a guess at how long a request may wait until one reads its
 * card again. A card that is forgotten, or was never read here, has its requests wait among those with a deadline.
 */
import { type CardAuthorization, isAnswerSent, refOfCard } from './answer-way.ts';

/** Some megabytes; of more the one that was added first is forgotten. */
const CARDS_MAX = 20_000;

export class SendingCards {
  readonly #refs = new Set<string>();

  mayAnswer(asked: CardAuthorization): boolean {
    return asked.reading.isSentAsCardSays && this.#refs.has(refOfCard(asked) ?? '');
  }

  /** `asked`: as its card says. */
  note(asked: CardAuthorization): void {
    const ref = refOfCard(asked);
    if (ref === undefined || !asked.reading.isSentAsCardSays) return;
    if (!isAnswerSent(asked)) this.#refs.delete(ref);
    else if (!this.#refs.has(ref)) this.#add(ref);
  }

  #add(ref: string): void {
    const [first] = this.#refs;
    if (this.#refs.size >= CARDS_MAX && first !== undefined) this.#refs.delete(first);
    this.#refs.add(ref);
  }
}
