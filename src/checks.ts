/**
 * Checks of what an embedder hands over, at run time, for those who write no TypeScript or got past it: the message names
 * the thing, its value and what it may be, before anything inside stumbles over it.
 */

/** What is said of an option, an argument or a name that is not possible. `code` is for programs. */
export class OptionError extends RangeError {
  override readonly name: string = 'OptionError';
  readonly code = 'ERR_OPTION';
}

/** What is said where something cannot be done now: the machine runs, is closed, or its run has ended. */
export class StateError extends Error {
  override readonly name: string = 'StateError';
  readonly code = 'ERR_STATE';
}

/** What a value is to be, in words; null where it is that. */
export type Check = (value: unknown) => string | null;
export type Checks = Readonly<Record<string, Check>>;

const SHOWN = 40;

/** A value as messages show it. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > SHOWN ? `${value.slice(0, SHOWN)}..` : value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (value === null || typeof value !== 'object') return String(value);
  if (value instanceof Date) return 'an invalid date';
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
  const name = Array.isArray(value) ? 'array' : (value.constructor?.name ?? 'object');
  return name === 'Object' ? 'an object' : `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`;
}

const when =
  (isRight: (value: unknown) => boolean, words: string): Check =>
  (value) =>
    isRight(value) ? null : words;

export const isText = when((value) => typeof value === 'string', 'a text');
export const isFlag = when((value) => typeof value === 'boolean', 'true or false');
export const isFunction = when((value) => typeof value === 'function', 'a function');
export const isNumber = when((value) => typeof value === 'number' && !Number.isNaN(value), 'a number');
export const isBigInt = when((value) => typeof value === 'bigint', 'a bigint');
export const isDate = when((value) => value instanceof Date && !Number.isNaN(value.getTime()), 'a valid Date');
export const isInteger = (min: number, max: number): Check =>
  when(
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    max === Number.MAX_SAFE_INTEGER ? `an integer from ${min} on` : `an integer from ${min} to ${max}`,
  );
export const isPort = isInteger(0, 65535);
/** Of this realm or another: what Node's Buffer is too. */
export const isBytes = when((value) => Object.prototype.toString.call(value) === '[object Uint8Array]', 'a Uint8Array');

export const isOneOf = (...choices: readonly unknown[]): Check =>
  when((value) => choices.includes(value), `one of ${choices.map(show).join(', ')}`);

/** An object with these methods, and other members that fit. */
export const isObject = (methods: readonly string[], members: Checks = {}): Check => {
  const words = [...(methods.length > 0 ? [`the methods ${methods.join(', ')}`] : []), ...Object.keys(members)];
  const all = `an object with ${words.join(' and ')}`;
  return (value) => {
    if (value === null || typeof value !== 'object') return all;
    const given = value as Record<string, unknown>;
    if (methods.some((name) => typeof given[name] !== 'function')) return all;
    for (const [name, check] of Object.entries(members)) {
      const wrong = check(given[name]);
      if (wrong) return `${all}, its ${name} ${wrong}`;
    }
    return null;
  };
};

export const isEither =
  (...checks: readonly Check[]): Check =>
  (value) => {
    const wrong = checks.map((check) => check(value));
    return wrong.includes(null) ? null : wrong.join(', or ');
  };

export const isOptional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? null : check(value);

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/** Whether a name was cut short: 'mem' for 'memory'. */
const isShortFor = (name: string, known: string): boolean => name.length > 2 && known.startsWith(name);

/** The known name that is so near to an unknown one that it was meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  return known
    .map((one) => ({ one, far: distance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, far }) => isShortFor(name, one) || far <= Math.max(1, Math.min(name.length, one.length) / 3))
    .sort((a, b) => a.far - b.far)[0]?.one;
}

/** What somebody meant who wrote an unknown name, and all that is there otherwise. */
export function suggest(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? `there are ${known.join(', ') || 'none'}` : `did you mean '${near}'?`;
}

/** Throws OptionError where the value is not what it is to be. */
export function check(what: string, value: unknown, rule: Check): void {
  const wrong = rule(value);
  if (wrong) throw new OptionError(`${what}: ${show(value)} is not ${wrong}`);
}

/** Throws OptionError for options that are none, have a name that is unknown, or a value that is not possible. */
export function checkOptions(what: string, options: unknown, rules: Checks): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new OptionError(`${what}: ${show(options)} is not an object of options`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(rules, name)) {
      throw new OptionError(`${what}: there is no '${name}'; ${suggest(name, Object.keys(rules))}`);
    }
    if (value !== undefined) check(`${what}: ${name}`, value, rules[name]);
  }
}

/** Throws OptionError where what is needed is not among the options. */
export function checkNeeded(what: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] === undefined) throw new OptionError(`${what}: ${name} is missing`);
  }
}

/** Throws OptionError where a list is none, or `rule` is not met by an element; `what` names the element. */
export function checkList(what: string, list: unknown, rule: (what: string, element: unknown) => void): void {
  if (!Array.isArray(list)) throw new OptionError(`${what}: ${show(list)} is not a list`);
  for (const [index, element] of list.entries()) rule(`${what}[${index}]`, element);
}

/** Throws OptionError where a table by names is none, or `rule` is not met by a value. */
export function checkTable(what: string, table: unknown, rule: Check): void {
  if (table === null || typeof table !== 'object' || Array.isArray(table)) {
    throw new OptionError(`${what}: ${show(table)} is not an object by names`);
  }
  for (const [name, value] of Object.entries(table)) check(`${what}.${name}`, value, rule);
}
