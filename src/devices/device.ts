/**
 * What every device on the board has in common. A device sees offsets into the range it was given, never addresses; it
 * drives interrupt lines it was given, never an interrupt controller.
 */
import type { Width } from '../core/types.ts';
import type { Saved } from '../saved.ts';

/** A level on an interrupt wire. Setting the level it already has is allowed and changes nothing. */
export type IrqLine = (level: boolean) => void;

/** A range of ports or of memory-mapped registers. */
export interface IoDevice {
  /** The widest access it takes whole, in bytes; the bus splits wider ones into little-endian parts. */
  readonly maxWidth: Width;
  /** Reads `width` bytes at `offset`; the value is unsigned and fits the width. */
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
}

/** A range with the state behind it: no other is put on a bus, but for faces. */
export type Device = IoDevice & Saved;

/** A range that holds nothing of its own: it shows the state of `stateOf`, or there is none. */
export interface Face extends IoDevice {
  readonly stateOf: Saved | null;
}

/** The gate of address line 20, which more than one port moves. */
export interface A20Gate {
  isOpen: boolean;
}

/** A device may not touch guest memory now; the message says why. */
export class NoAccess extends RangeError {
  override readonly name = 'NoAccess';
}
