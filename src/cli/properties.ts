/** QEMU's property lists: `name,key=value,key=value`, where `,,` stands for a comma inside a value. */
import { UsageError } from './usage-error.ts';

export interface PropertyList {
  /** The first word if it has no `=`; empty otherwise. */
  name: string;
  values: Map<string, string>;
  /** Every value of keys that were given more than once. */
  all: Map<string, string[]>;
}

/** Splits at single commas; doubled ones stay as one. */
export function splitCommas(text: string): string[] {
  const parts = [''];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== ',') parts[parts.length - 1] += text[i];
    else if (text[i + 1] === ',') {
      parts[parts.length - 1] += ',';
      i++;
    } else parts.push('');
  }
  return parts;
}

/** Parses the value of `option`. Throws UsageError for words that are neither the name nor `key=value`. */
export function parseProperties(option: string, text: string): PropertyList {
  const [first, ...rest] = splitCommas(text);
  const hasName = !first.includes('=');
  const values = new Map<string, string>();
  const all = new Map<string, string[]>();
  for (const part of hasName ? rest : [first, ...rest]) {
    const at = part.indexOf('=');
    if (at < 1) throw new UsageError(`-${option} ${text}: '${part}' is not of the form key=value`);
    const [key, value] = [part.slice(0, at), part.slice(at + 1)];
    values.set(key, value);
    all.set(key, [...(all.get(key) ?? []), value]);
  }
  return { name: hasName ? first : '', values, all };
}

/** Throws UsageError if a key is none of `known`. */
export function checkKeys(option: string, list: PropertyList, known: readonly string[]): void {
  for (const key of list.values.keys()) {
    if (!known.includes(key)) {
      const what = list.name ? `${option} ${list.name}` : option;
      throw new UsageError(`-${what}: unknown property '${key}'; there are ${known.join(', ') || 'none'}`);
    }
  }
}

/** A number in decimal or with 0x, within limits. Throws UsageError otherwise. */
export function parseNumber(what: string, text: string, min: number, max: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new UsageError(`${what}: '${text}' is not a number from ${show(min)} to ${show(max)}`);
  }
  return value;
}

const show = (value: number): string => (value > 255 ? `0x${value.toString(16)}` : String(value));
