/** "PCI Express Capability Structure" (PCI Express Base Specification 3.0, 7.8): a link of one lane that is always up. */
import type { PciFunction } from './function.ts';

const CAPABILITY = 0x10;
const VERSION = 2;
const BYTES = 0x3c;
export const ExpressType = { ENDPOINT: 0, ROOT_PORT: 4 } as const;
const SLOT_IMPLEMENTED = 0x100;
/** Offsets in the structure. */
const At = {
  CAPABILITIES: 2,
  DEVICE: 4,
  DEVICE_CONTROL: 8,
  LINK: 12,
  LINK_CONTROL: 16,
  LINK_STATUS: 18,
  SLOT: 20,
  SLOT_CONTROL: 24,
  SLOT_STATUS: 26,
  ROOT_CONTROL: 28,
  DEVICE_CONTROL_2: 40,
  LINK_2: 44,
  LINK_CONTROL_2: 48,
} as const;
const ROLE_BASED_ERRORS = 0x8000;
/** 2.5 GT/s, one lane. */
const SPEED = 1;
const WIDTH = 1 << 4;
const REPORTS_LINK = 1 << 20;
const LINK_IS_UP = 1 << 13;
const SLOT_NUMBER_SHIFT = 19;
const PRESENT = 1 << 6;
/** Bits of the control registers that keep what is written. */
const DEVICE_CONTROL = 0x7fff;
const LINK_CONTROL = 0x00fb;
const SLOT_CONTROL = 0x1fff;
const ROOT_CONTROL = 0x001f;
const DEVICE_CONTROL_2 = 0x001f;

export interface ExpressWishes {
  type: number;
  /** The number of a root port's slot, and whether something is in it. */
  slot?: { number: number; isTaken: boolean };
}

/** Makes a function one of PCI Express. Returns the offset of the structure. */
export function addExpress(to: PciFunction, { type, slot }: ExpressWishes): number {
  const [body, writable] = [new DataView(new ArrayBuffer(BYTES)), new DataView(new ArrayBuffer(BYTES))];
  body.setUint16(At.CAPABILITIES, VERSION | (type << 4) | (slot ? SLOT_IMPLEMENTED : 0), true);
  body.setUint32(At.DEVICE, ROLE_BASED_ERRORS, true);
  body.setUint32(At.LINK, SPEED | WIDTH | (slot ? REPORTS_LINK : 0), true);
  body.setUint16(At.LINK_STATUS, SPEED | WIDTH | (slot?.isTaken ? LINK_IS_UP : 0), true);
  body.setUint32(At.LINK_2, SPEED << 1, true);
  body.setUint16(At.LINK_CONTROL_2, SPEED, true);
  writable.setUint16(At.DEVICE_CONTROL, DEVICE_CONTROL, true);
  writable.setUint16(At.LINK_CONTROL, LINK_CONTROL, true);
  writable.setUint16(At.DEVICE_CONTROL_2, DEVICE_CONTROL_2, true);
  if (slot) {
    body.setUint32(At.SLOT, slot.number * 2 ** SLOT_NUMBER_SHIFT, true);
    body.setUint16(At.SLOT_STATUS, slot.isTaken ? PRESENT : 0, true);
    writable.setUint16(At.SLOT_CONTROL, SLOT_CONTROL, true);
    writable.setUint16(At.ROOT_CONTROL, ROOT_CONTROL, true);
  }
  to.extendConfig();
  const bytes = (view: DataView): number[] => [...new Uint8Array(view.buffer)].slice(At.CAPABILITIES);
  return to.addCapability(CAPABILITY, bytes(body), bytes(writable));
}
