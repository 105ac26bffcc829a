/** Addresses of Ethernet and IPv4: in frames, as numbers and bytes; for people, as text. */

export const BROADCAST_IP = 0xffff_ffff;
export const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

/** A dotted address as a number. Throws RangeError, with `what` in front, if it is none. */
export function parseIp(text: string, what = 'address'): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) throw new RangeError(`${what} '${text}' is no IPv4 address`);
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export const formatIp = (ip: number): string => [24, 16, 8, 0].map((shift) => (ip >>> shift) & 0xff).join('.');

/** Six bytes of `52:54:00:12:34:56`. Throws RangeError if it is no address of one card. */
export function parseMac(text: string): Uint8Array {
  const parts = /^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i.test(text) ? text.split(/[:-]/) : [];
  const bytes = Uint8Array.from(parts, (part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || bytes[0] & 1) throw new RangeError(`MAC address '${text}' is none of one card`);
  return bytes;
}

/** The address of the n-th card that was given none, as QEMU counts them. */
export const defaultMac = (n: number): Uint8Array => Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, (0x56 + n) & 0xff);

export interface Subnet {
  address: number;
  mask: number;
}

/** `10.0.2.0/24`, or an address alone, whose mask is 24 bits. Throws RangeError if it is none or has no room. */
export function parseSubnet(text: string, what: string): Subnet {
  const [ip, bits = '24'] = text.split('/');
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : 99;
  if (length < 8 || length > 28) throw new RangeError(`${what} '${text}': the prefix must be from 8 to 28`);
  const mask = (0xffff_ffff << (32 - length)) >>> 0;
  return { address: (parseIp(ip, what) & mask) >>> 0, mask };
}

export const isWithin = (ip: number, { address, mask }: Subnet): boolean => (ip & mask) >>> 0 === address;
