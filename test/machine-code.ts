/**
 * Programs as an assembler lists them: bytes, two spaces or more, the instruction; a word with a colon is a label, and
 * `db` is data. An independent decoder reads the bytes, and a line whose text says something else is refused.
 *
 *     b0 03  loop: mov al, 3
 *     e6 f4        out 0xf4, al
 *     eb fa        jmp loop
 */
import { createRequire } from 'node:module';
import type { Formatter } from 'iced-x86';

export type Bits = 16 | 32 | 64;

interface Line {
  at: number;
  bytes: number[];
  text: string;
}

const LINE = /^((?:[0-9a-f]{2} )*[0-9a-f]{2})? *(?: {2}(?:(\w+):)?(?: *([^;]*))?)?(?:;.*)?$/;

/** The decoder is loaded by the first program that needs it: many tests that could write listings have none. */
let iced: (typeof import('iced-x86') & { formatter: Formatter }) | undefined;

function decoder(): NonNullable<typeof iced> {
  if (iced) return iced;
  const module: typeof import('iced-x86') = createRequire(import.meta.url)('iced-x86');
  const formatter = new module.Formatter(module.FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.memorySizeOptions = module.MemorySizeOptions.Minimal;
  formatter.showBranchSize = false;
  formatter.usePseudoOps = false;
  formatter.ripRelativeAddresses = false;
  iced = Object.assign({ formatter }, module);
  return iced;
}

/** The bytes of `listing`, which begins at the address `origin`. Throws an error that shows the line that lies. */
export function machineCode(bits: Bits, origin: number, listing: string): Uint8Array {
  const { lines, labels } = read(origin, listing);
  for (const line of lines) {
    const said = plain(line.text.replaceAll(/'.'|[a-z_]\w*|\$/gi, (word) => numberOf(word, line.at, labels)));
    const found = /^db /.test(said) ? `db ${line.bytes.join(',')}` : plain(decode(bits, line));
    if (said !== found) throw new Error(`${hex(line.at)}: '${line.text}' is written, and the bytes say '${found}'`);
  }
  return Uint8Array.from(lines.flatMap(({ bytes }) => bytes));
}

function read(origin: number, listing: string): { lines: Line[]; labels: Map<string, number> } {
  const lines: Line[] = [];
  const labels = new Map<string, number>();
  let at = origin;
  for (const row of listing
    .split('\n')
    .map((one) => one.trim())
    .filter((one) => one !== '')) {
    const match = LINE.exec(/^[0-9a-f]{2}\b/.test(row) ? row : `  ${row}`);
    if (!match) throw new Error(`'${row}' is no line of a listing`);
    const [, code = '', label, text = ''] = match;
    if (label !== undefined) labels.set(label, at);
    if (code === '' && text === '') continue;
    if (code === '') throw new Error(`'${row}' has no bytes`);
    const bytes = code.split(' ').map((byte) => Number.parseInt(byte, 16));
    lines.push({ at, bytes, text: text.trim() });
    at += bytes.length;
  }
  return { lines, labels };
}

function numberOf(word: string, at: number, labels: ReadonlyMap<string, number>): string {
  if (word.startsWith("'")) return String(word.charCodeAt(1));
  return word === '$' ? String(at) : String(labels.get(word) ?? word);
}

function decode(bits: Bits, { at, bytes }: Line): string {
  const { Decoder, DecoderOptions, formatter } = decoder();
  const code = new Decoder(bits, Uint8Array.from(bytes), DecoderOptions.None);
  code.ip = BigInt(at);
  const instructions: string[] = [];
  while (code.canDecode) instructions.push(formatter.format(code.decode()));
  return instructions.join('; ');
}

/** Without what is a matter of taste: spaces and the notation of numbers. */
function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/\b(0x[0-9a-f]+|\d+)\b/g, (number) => String(BigInt(number)))
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([,[\]+*:-]) ?/g, '$1')
    .trim();
}

/** The bytes of a value as a listing has them. */
export const le8 = (value: number): string => littleEndian(value, 1);
export const le16 = (value: number): string => littleEndian(value, 2);
export const le32 = (value: number): string => littleEndian(value, 4);

function littleEndian(value: number, width: number): string {
  const bytes = Array.from({ length: width }, (_, at) => (value >>> (8 * at)) & 0xff);
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

const hex = (value: number): string => `0x${value.toString(16)}`;
