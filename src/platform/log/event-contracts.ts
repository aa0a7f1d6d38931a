/** The contracts of events, read from their files when one is asked for: what an edited event is held against. */
import { readFileSync } from 'node:fs';
import type { FieldProblem } from '#kernel/problem.ts';
import { createFaultFinder, type FaultFinder } from '../http/validation.ts';
import type { JsonObject, LogEvent } from './event.ts';

/** Types and versions come out of the log; this keeps a damaged one from naming a file elsewhere. */
const TYPE = /^[a-z_]+(?:\.[a-z_]+)+$/;

export class EventContracts {
  readonly #directoryOf: (topic: string) => URL;
  readonly #finders = new Map<string, FaultFinder | undefined>();

  /** `directoryOf` a topic: where `<type>.v<version>.json` lie. */
  constructor(directoryOf: (topic: string) => URL) {
    this.#directoryOf = directoryOf;
  }

  /** What of the data breaks the contract of the event's type and version, by pointers below `root`; undefined if there is none. */
  faultsOf(
    { topic, type, version }: Pick<LogEvent, 'topic' | 'type' | 'version'>,
    data: JsonObject,
    root: string,
  ): readonly FieldProblem[] | undefined {
    const name = `${topic}/${type}.v${version}.json`;
    if (!this.#finders.has(name)) this.#finders.set(name, this.#read({ topic, type, version }));
    return this.#finders.get(name)?.(data, root);
  }

  #read({ topic, type, version }: Pick<LogEvent, 'topic' | 'type' | 'version'>): FaultFinder | undefined {
    if (!TYPE.test(type)) return undefined;
    try {
      const text = readFileSync(new URL(`${type}.v${version}.json`, this.#directoryOf(topic)), 'utf8');
      return createFaultFinder(JSON.parse(text) as object);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
