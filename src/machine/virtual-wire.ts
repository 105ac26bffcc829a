/**
 * What firmware does to the local APIC before it boots anything: the PIC's requests pass through LINT0, NMIs through
 * LINT1 (SDM Vol. 3A, "Local Interrupt Pins": virtual wire mode). After reset the APIC lets neither in.
 */
import { WasmCore } from '../core.ts';
import type { Core } from '../core-types.ts';
import { LAYOUT } from '../layout.gen.ts';

/** Offsets of APIC registers, and the delivery modes in bits 10:8 of a local vector. */
const Register = { SVR: 0xf0, LVT_LINT0: 0x350, LVT_LINT1: 0x360 } as const;
const SOFTWARE_ENABLED = 0x1ff;
const Delivery = { NMI: 0x400, EXT_INT: 0x700 } as const;

/** Opens the wires. A processor that is not the library's own has none. */
export function openVirtualWires(core: Core): void {
  if (!(core instanceof WasmCore)) return;
  const set = (register: number, value: number): void => {
    core.state.bytes(LAYOUT.APIC + register, 4).set([value & 0xff, value >> 8, 0, 0]);
  };
  set(Register.SVR, SOFTWARE_ENABLED);
  set(Register.LVT_LINT0, Delivery.EXT_INT);
  set(Register.LVT_LINT1, Delivery.NMI);
}
