/**
 * The keys of a PC by the names of KeyboardEvent.code (W3C "UI Events KeyboardEvent code Values"), their scan codes, and
 * the keys that type a character on a US layout.
 */

/** In the order of scan code set 1 from 1 on. One letter or digit is its key, "N1" is "Numpad1", "-" is no key. */
const PLAIN =
  'Escape 1 2 3 4 5 6 7 8 9 0 Minus Equal Backspace Tab Q W E R T Y U I O P BracketLeft BracketRight Enter ControlLeft ' +
  'A S D F G H J K L Semicolon Quote Backquote ShiftLeft Backslash Z X C V B N M Comma Period Slash ShiftRight ' +
  'NMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock N7 N8 N9 NSubtract N4 N5 N6 NAdd ' +
  'N1 N2 N3 N0 NDecimal - - IntlBackslash F11 F12';
/** Set 1 codes after the prefix 0xe0. */
const EXTENDED =
  '1cNEnter 1dControlRight 35NDivide 37PrintScreen 38AltRight 47Home 48ArrowUp 49PageUp 4bArrowLeft 4dArrowRight 4fEnd ' +
  '50ArrowDown 51PageDown 52Insert 53Delete 5bMetaLeft 5cMetaRight 5dContextMenu';
/** Set 1 by set 2 below 0x80, as the controller translates (IBM "Personal Computer AT Technical Reference"). */
const TRANSLATION =
  'ff43413f3d3b3c58644442403e0f295965382a701d10025a66712c1f1e11035b672e2d201205045c68392f211413065d' +
  '693130232215075e6a7232241608095f6b332517180b0a606c34352627190c616d7328741a0d626e3a361c1b752b6376' +
  '55567778797a0e7b7c4f7d4b477e7f6f5253504c4d480145574e514a37494654';
const PLAIN_CHARACTERS = "1234567890-=[];'`\\,./ \n\t\b\x1b";
const SHIFTED_CHARACTERS = '!@#$%^&*()_+{}:"~|<>?';
const NAMES =
  'Minus Equal BracketLeft BracketRight Semicolon Quote Backquote Backslash Comma Period Slash Space Enter Tab Backspace Escape';

export const Prefix = { EXTENDED: 0xe0, RELEASE: 0xf0 } as const;
/** The two codes of set 2 beyond its first half. */
const F7 = 0x83;
const SYSTEM_REQUEST = 0x84;
/** Pause says it all when it is pressed. */
const PAUSE = [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];

const hexes = (text: string): number[] => (text.match(/../g) ?? []).map((hex) => Number.parseInt(hex, 16));
const translation = hexes(TRANSLATION);
const fullName = (word: string): string =>
  word
    .replace(/^[A-Z]$/, 'Key$&')
    .replace(/^\d$/, 'Digit$&')
    .replace(/^N(?=\d|[A-Z])/, 'Numpad');

/** Set 1 codes by key; those after the prefix have bit 8. */
const keys = new Map<string, number>([
  ...PLAIN.split(' ').map((word, index) => [fullName(word), index + 1] as const),
  ...EXTENDED.split(' ').map(
    (word) => [fullName(word.slice(2)), 0x100 | Number.parseInt(word.slice(0, 2), 16)] as const,
  ),
]);
keys.delete('-');

/** The names of all keys. */
export const KEY_CODES: readonly string[] = [...keys.keys(), 'Pause'];

/** The key's code in set 1, with bit 8 for the prefix 0xe0. Throws RangeError for a key that is not there. */
export function set1Code(code: string): number {
  const set1 = keys.get(code);
  if (set1 === undefined) throw new RangeError(`key '${code}' is unknown: keys have names such as KeyA and ArrowUp`);
  return set1;
}

/** What a keyboard sends in scan code set 2. Throws RangeError for a key that it has not. */
export function scanCodes(code: string, isDown: boolean): readonly number[] {
  if (code === 'Pause') return isDown ? PAUSE : [];
  const set1 = set1Code(code);
  const set2 = code === 'F7' ? F7 : translation.indexOf(set1 & 0xff);
  return [...(set1 & 0x100 ? [Prefix.EXTENDED] : []), ...(isDown ? [] : [Prefix.RELEASE]), set2];
}

/** Set 1 of a byte in set 2, as the controller translates what the keyboard sends. */
export function translated(byte: number): number {
  if (byte === F7) return 0x41;
  if (byte === SYSTEM_REQUEST) return 0x54;
  return byte < 0x80 ? translation[byte] : byte;
}

/** The key that types `character` on a US layout, and whether with Shift. Throws RangeError if there is none. */
export function keyOf(character: string): { code: string; shift: boolean } {
  const shifted = character === '' ? -1 : SHIFTED_CHARACTERS.indexOf(character);
  const plain = shifted < 0 ? character : PLAIN_CHARACTERS[shifted];
  if (/^[a-z]$/i.test(plain)) return { code: `Key${plain.toUpperCase()}`, shift: plain !== plain.toLowerCase() };
  if (/^\d$/.test(plain)) return { code: `Digit${plain}`, shift: shifted >= 0 };
  const name = NAMES.split(' ')[PLAIN_CHARACTERS.indexOf(plain) - 10];
  if (name === undefined || character === '') {
    throw new RangeError(`no key of a US keyboard types '${character}'`);
  }
  return { code: name, shift: shifted >= 0 };
}
