/** Reads the members of a request's body; whatever is wrong is told by name. */

/** The request cannot be understood: its message tells the caller what to change. */
export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

export class Fields {
  readonly #members: Readonly<Record<string, unknown>>;
  /** Where they stand, for messages: `match.` */
  readonly #path: string;

  /** Refuses members beside `known`: a misspelled one would be passed over in silence. */
  constructor(value: unknown, known: readonly string[], path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new MalformedRequest(`${path === '' ? 'the body' : path.slice(0, -1)} has to be a JSON object`);
    this.#members = value as Readonly<Record<string, unknown>>;
    this.#path = path;
    const strange = Object.keys(this.#members).find((name) => !known.includes(name));
    if (strange !== undefined)
      throw new MalformedRequest(`${path}${strange} is not known here; the members are ${known.join(', ')}`);
  }

  text(name: string, maxLength: number): string {
    return this.optionalText(name, maxLength) ?? this.#refuse(name, 'is missing');
  }

  optionalText(name: string, maxLength: number): string | undefined {
    const value = this.#find(name);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value;
    return this.#refuse(name, `has to be a text of 1 to ${maxLength} characters`);
  }

  wholeNumber(name: string, range: Range): number {
    return this.optionalWholeNumber(name, range) ?? this.#refuse(name, 'is missing');
  }

  optionalWholeNumber(name: string, range: Range): number | undefined {
    const value = this.optionalNumber(name, range);
    if (value === undefined || Number.isSafeInteger(value)) return value;
    return this.#refuse(name, 'has to be a whole number');
  }

  optionalNumber(name: string, { min, max }: Range): number | undefined {
    const value = this.#find(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return this.#refuse(name, `has to be a number from ${min} to ${max}`);
  }

  optionalObject(name: string, known: readonly string[]): Fields | undefined {
    const value = this.#find(name);
    return value === undefined ? undefined : new Fields(value, known, `${this.#path}${name}.`);
  }

  /** null counts as absent. */
  #find(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? (this.#members[name] ?? undefined) : undefined;
  }

  #refuse(name: string, fault: string): never {
    throw new MalformedRequest(`${this.#path}${name} ${fault}`);
  }
}
