/**
 * Rows of the device table: the names of a device, its properties and how it is made. The types of the properties are
 * those of the library's `devices`; the command line reads the same rows.
 */
import { suggest } from '../../checks.ts';
import type { DeviceContext } from './device-context.ts';

interface Common {
  /** For people: what the property means. */
  readonly about?: string;
}

export interface NumberProperty extends Common {
  readonly kind: 'number';
  readonly min: number;
  readonly max: number;
  readonly initial?: number;
}
export interface FlagProperty extends Common {
  readonly kind: 'flag';
  readonly initial: boolean;
}
export interface TextProperty extends Common {
  readonly kind: 'text';
  readonly initial?: string;
  readonly required?: boolean;
  /** May be given more than once on the command line; the values are lines of one text. */
  readonly repeats?: boolean;
}
export interface ChoiceProperty extends Common {
  readonly kind: 'choice';
  readonly choices: readonly string[];
  readonly initial?: string;
}

export type Property = NumberProperty | FlagProperty | TextProperty | ChoiceProperty;
export type Properties = Readonly<Record<string, Property>>;

/** What every device on PCI takes. */
export const PCI_PLACE = {
  addr: { kind: 'text', about: 'PCI slot, or slot.function, in hexadecimal' },
  bus: { kind: 'text', about: 'id of the pcie-root-port that it is behind' },
} as const satisfies Properties;

type ValueOf<P extends Property> = P extends NumberProperty
  ? number
  : P extends FlagProperty
    ? boolean
    : P extends ChoiceProperty
      ? P['choices'][number]
      : string;
type IsSet<P extends Property> = P extends { readonly required: true }
  ? true
  : P extends { readonly initial: PropertyValue }
    ? true
    : false;

/** What is asked for: required properties, and others as wanted. */
export type Wanted<P extends Properties> = {
  [K in keyof P as P[K] extends { readonly required: true } ? K : never]: ValueOf<P[K]>;
} & { [K in keyof P as P[K] extends { readonly required: true } ? never : K]?: ValueOf<P[K]> };

/** What a device is made of: defaults are filled in. */
export type Filled<P extends Properties> = {
  [K in keyof P]: IsSet<P[K]> extends true ? ValueOf<P[K]> : ValueOf<P[K]> | undefined;
};

/** What must be known of a device before processors are made. */
export interface DeviceNeeds {
  /** Memory beside RAM, by the name that the device asks for it by. */
  readonly extraMemory?: { readonly name: string; readonly bytes: number };
  /** It has a VGA's window at 0xa0000. */
  readonly isVga?: boolean;
}

export interface DeviceRow<N extends string = string, P extends Properties = Properties> {
  /** As QEMU calls it; more than one where it sits on several buses. */
  readonly names: readonly N[];
  /** For people, in a few words. */
  readonly about: string;
  readonly properties: P;
  /** What the device needs of the machine's making, before there are processors. Throws RangeError. */
  needs?(properties: Filled<P>): DeviceNeeds;
  /**
   * Makes the device and connects it. What comes back, if anything, is what the embedder may drive it by
   * (`Machine.device`). Throws RangeError for wishes that cannot be met.
   */
  create(context: DeviceContext, properties: Filled<P>, name: N): object | undefined;
}

/** A row, with the types of its properties inferred. */
export function device<const N extends string, const P extends Properties>(row: DeviceRow<N, P>): DeviceRow<N, P> {
  return row;
}

/** The specification of a row's device, for the library. */
export type SpecOf<R> = R extends DeviceRow<infer N, infer P> ? { type: N; id?: string } & Wanted<P> : never;

export type PropertyValue = number | boolean | string;

/**
 * Checks values against `properties` and fills in what is not given. Throws RangeError that names `what`, the property,
 * the value and what is possible.
 */
export function fillProperties<P extends Properties>(
  what: string,
  properties: P,
  given: Readonly<Record<string, unknown>>,
): Filled<P> {
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(properties, key)) {
      throw new RangeError(`${what}: unknown property '${key}'; ${suggest(key, Object.keys(properties))}`);
    }
  }
  return Object.fromEntries(
    Object.entries(properties).map(([key, property]) => [key, fill(`${what},${key}=`, property, given[key])]),
  ) as Filled<P>;
}

function fill(what: string, property: Property, value: unknown): PropertyValue | undefined {
  if (value === undefined) {
    if (property.kind === 'text' && property.required) throw new RangeError(`${what} is missing`);
    return property.initial;
  }
  if (!fits(property, value)) throw new RangeError(`${what}: '${value}' is not ${describe(property)}`);
  return value as PropertyValue;
}

function fits(property: Property, value: unknown): boolean {
  switch (property.kind) {
    case 'number':
      return Number.isSafeInteger(value) && (value as number) >= property.min && (value as number) <= property.max;
    case 'flag':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string';
    case 'choice':
      return property.choices.includes(value as string);
  }
}

/** What a property takes, for people. */
export function describe(property: Property): string {
  switch (property.kind) {
    case 'number':
      return `a number from ${show(property.min)} to ${show(property.max)}`;
    case 'flag':
      return 'on or off';
    case 'text':
      return 'a text';
    case 'choice':
      return `one of ${property.choices.join(', ')}`;
  }
}

const show = (value: number): string => (value > 255 ? `0x${value.toString(16)}` : String(value));
