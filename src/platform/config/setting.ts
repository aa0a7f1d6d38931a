/**
 * One setting, as data: what it is called, what it may be, what it means when nobody sets it. The parser, the
 * `config` command and the reference page all read these definitions and nothing else.
 */
export interface Setting<Value> {
  /** The environment variable. */
  readonly name: `LASTRO_${string}`;
  /** What holds when the variable is absent or empty. */
  readonly fallback: Value;
  /** The fallback in words, where the value itself would say nothing. */
  readonly fallbackText?: string;
  /** What may be written, for people: `1 … 65535`, `sandbox | production`. */
  readonly allowed: string;
  /** What it does and its unit, one or two sentences. */
  readonly meaning: string;
  /** Never shown: neither by the `config` command nor in a complaint about its value. */
  readonly secret: boolean;
  /** The value a text stands for, or undefined if it is not allowed. */
  readonly parse: (text: string) => Value | undefined;
  /** The text that stands for a value; `parse(render(value))` gives it back. */
  readonly render: (value: Value) => string;
}

type Described<Value> = Pick<Setting<Value>, 'name' | 'fallback' | 'meaning'> &
  Partial<Pick<Setting<Value>, 'fallbackText' | 'secret'>>;

/** A whole number within bounds, written in plain decimal digits. */
export function wholeNumber(setting: Described<number> & { min: number; max: number }): Setting<number> {
  const { min, max, ...described } = setting;
  return {
    secret: false,
    ...described,
    allowed: `a whole number, ${min} … ${max}`,
    parse: (text) => {
      if (!/^\d{1,15}$/.test(text)) return undefined;
      const value = Number(text);
      return value >= min && value <= max ? value : undefined;
    },
    render: String,
  };
}

export function oneOf<const Choice extends string>(
  setting: Described<NoInfer<Choice>> & { choices: readonly Choice[] },
): Setting<Choice> {
  const { choices, ...described } = setting;
  return {
    secret: false,
    ...described,
    allowed: choices.join(' | '),
    parse: (text) => choices.find((choice) => choice === text),
    render: (value) => value,
  };
}

/** Free text that may be left out. `matches` says whether a text is of the form that `allowed` describes. */
export function optionalText(
  setting: Described<string | undefined> & { allowed: string; matches: (text: string) => boolean },
): Setting<string | undefined> {
  const { matches, ...described } = setting;
  return {
    secret: false,
    ...described,
    parse: (text) => (matches(text) ? text : undefined),
    render: (value) => value ?? '',
  };
}

export function requiredText(
  setting: Described<string> & { allowed: string; matches: (value: string) => boolean },
): Setting<string> {
  const { matches, ...described } = setting;
  return {
    secret: false,
    ...described,
    parse: (value) => (matches(value) ? value : undefined),
    render: (value) => value,
  };
}

/** Names separated by commas, each one of `choices`, none twice. */
export function listOf(
  setting: Described<readonly string[]> & { choices: readonly string[] },
): Setting<readonly string[]> {
  const { choices, ...described } = setting;
  return {
    secret: false,
    ...described,
    allowed: `service names separated by commas${choices.length === 0 ? '' : `: ${choices.join(', ')}`}`,
    parse: (value) => {
      const names = value.split(',').map((name) => name.trim());
      const distinct = new Set(names);
      return distinct.size === names.length && names.every((name) => choices.includes(name))
        ? names
        : undefined;
    },
    render: (names) => names.join(','),
  };
}
