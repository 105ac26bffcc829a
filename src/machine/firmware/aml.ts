/**
 * ACPI Machine Language (ACPI 6.5, chapter 20 "ACPI Machine Language (AML) Specification" and 6.4 "Resource Data Types
 * for ACPI"): as much as a description of devices needs. Every function returns the bytes of its term.
 */
export type Aml = readonly number[];

const u16 = (value: number): Aml => [value & 0xff, (value >> 8) & 0xff];
const u32 = (value: number): Aml => [...u16(value & 0xffff), ...u16(Math.floor(value / 0x1_0000))];
const u64 = (value: number): Aml => [...u32(value >>> 0), ...u32(Math.floor(value / 2 ** 32))];

/** "Package Length Encoding": the length counts its own bytes. */
function withLength(content: Aml): Aml {
  const size = content.length;
  if (size + 1 < 0x40) return [size + 1, ...content];
  const extra = size + 2 < 0x1000 ? 1 : 2;
  const length = size + 1 + extra;
  const bytes = [(extra << 6) | (length & 15), (length >> 4) & 0xff, (length >> 12) & 0xff];
  return [...bytes.slice(0, 1 + extra), ...content];
}

const ascii = (text: string): Aml => [...text].map((letter) => letter.charCodeAt(0));

/** "Name Objects Encoding": segments are filled up with underscores; a leading backslash is the root. */
function path(text: string): Aml {
  const root = text.startsWith('\\') ? [0x5c] : [];
  const segments = text
    .replace('\\', '')
    .split('.')
    .filter((segment) => segment !== '')
    .map((segment) => ascii(segment.padEnd(4, '_')));
  const prefix = segments.length === 2 ? [0x2e] : segments.length > 2 ? [0x2f, segments.length] : [];
  return [...root, ...prefix, ...segments.flat()];
}

export function integer(value: number): Aml {
  if (value < 2) return [value];
  if (value < 0x100) return [0x0a, value];
  if (value < 0x1_0000) return [0x0b, ...u16(value)];
  return value < 2 ** 32 ? [0x0c, ...u32(value)] : [0x0e, ...u64(value)];
}
export const string = (text: string): Aml => [0x0d, ...ascii(text), 0];
export const buffer = (bytes: Aml): Aml => [0x11, ...withLength([...integer(bytes.length), ...bytes])];
export const list = (...items: Aml[]): Aml => [0x12, ...withLength([items.length, ...items.flat()])];
export const name = (of: string, value: Aml): Aml => [0x08, ...path(of), ...value];
export const scope = (of: string, ...body: Aml[]): Aml => [0x10, ...withLength([...path(of), ...body.flat()])];
export const device = (of: string, ...body: Aml[]): Aml => [0x5b, 0x82, ...withLength([...path(of), ...body.flat()])];
export const method = (of: string, args: number, ...body: Aml[]): Aml => [
  0x14,
  ...withLength([...path(of), args, ...body.flat()]),
];
/** The value of a named object. */
export const object = (of: string): Aml => path(of);
export const arg0: Aml = [0x68];
export const store = (value: Aml, target: Aml): Aml => [0x70, ...value, ...target];
export const when = (condition: Aml, ...body: Aml[]): Aml => [0xa0, ...withLength([...condition, ...body.flat()])];
export const giveBack = (value: Aml): Aml => [0xa4, ...value];

/** A compressed EISA ID, such as PNP0A08. */
export function eisaId(id: string): Aml {
  const [a, b, c] = ascii(id.slice(0, 3)).map((letter) => letter & 31);
  const product = Number.parseInt(id.slice(3), 16);
  const first = (a << 2) | (b >> 3);
  const second = ((b & 7) << 5) | c;
  return [0x0c, first, second, (product >> 8) & 0xff, product & 0xff];
}

/** A resource template with its end tag. */
export const resources = (...descriptors: Aml[]): Aml => buffer([...descriptors.flat(), 0x79, 0]);

/** "I/O Port Descriptor", 16 bits decoded. */
export const io = (base: number, length: number): Aml => [0x47, 1, ...u16(base), ...u16(base), 1, length];
/** "IRQ Descriptor", edge-triggered. */
export const irq = (line: number): Aml => [0x22, ...u16(1 << line)];
/** "32-Bit Fixed Memory Range Descriptor", writable. */
export const memory32 = (base: number, length: number): Aml => [0x86, 9, 0, 1, ...u32(base), ...u32(length)];
/** "Extended Interrupt Descriptor": level-triggered, active low as those of PCI, shared. */
export const interrupt = (gsi: number): Aml => [0x89, 6, 0, 0xd, 1, ...u32(gsi)];

/** Address space descriptors of a bridge: what it passes on. Both ends are fixed. */
const FIXED = 0x0c;
const window16 = (type: number, flags: number, first: number, last: number): Aml => [
  ...[0x88, 13, 0, type, FIXED, flags],
  ...[0, first, last, 0, last - first + 1].flatMap(u16),
];
export const busNumbers = (first: number, last: number): Aml => window16(2, 0, first, last);
export const ioWindow = (first: number, last: number): Aml => window16(1, 3, first, last);
export const memoryWindow = (first: number, last: number): Aml => [
  ...[0x87, 23, 0, 0, FIXED, 1],
  ...[0, first, last, 0, last - first + 1].flatMap(u32),
];
