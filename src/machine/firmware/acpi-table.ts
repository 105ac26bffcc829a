/** How ACPI's tables are put together (ACPI 6.5, 5.2 "ACPI System Description Tables"). */

const OEM = 'VMLNCH';

/** Bytes in front to back order. */
export class Table {
  readonly bytes: number[] = [];

  u8(...values: number[]): this {
    this.bytes.push(...values);
    return this;
  }
  u16(value: number): this {
    return this.u8(value & 0xff, (value >> 8) & 0xff);
  }
  u32(value: number): this {
    return this.u16(value & 0xffff).u16(Math.floor(value / 0x1_0000));
  }
  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 2 ** 32));
  }
  text(text: string, length: number): this {
    return this.u8(...new TextEncoder().encode(text.padEnd(length)));
  }
  /** "Generic Address Structure" of an I/O port. */
  port(port: number, bits: number): this {
    return this.u8(1, bits, 0, bits === 32 ? 3 : bits === 16 ? 2 : 1).u64(port);
  }
}

/** "System Description Table Header" around `body`, with its checksum. */
export function table(signature: string, revision: number, body: readonly number[]): number[] {
  const length = 36 + body.length;
  const head = new Table().text(signature, 4).u32(length).u8(revision, 0).text(OEM, 6).text('VMLAUNCH', 8);
  const bytes = [...head.u32(1).text('VMLN', 4).u32(1).bytes, ...body];
  bytes[9] = checksum(bytes);
  return bytes;
}

export const checksum = (bytes: readonly number[]): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

/** "Root System Description Pointer" to an XSDT. */
export function buildRsdp(xsdt: number): Uint8Array {
  const bytes = RSDP_BYTES;
  const rsdp = new Table().text('RSD PTR ', 8).u8(0).text(OEM, 6).u8(2).u32(0).u32(bytes).u64(xsdt).u8(0, 0, 0, 0);
  rsdp.bytes[8] = checksum(rsdp.bytes.slice(0, 20));
  rsdp.bytes[32] = checksum(rsdp.bytes);
  return Uint8Array.from(rsdp.bytes);
}
const RSDP_BYTES = 36;
