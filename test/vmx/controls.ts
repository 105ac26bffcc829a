/** Controls by their names in the manual, exit reasons, and the fields that a set of controls makes. */
import type { Fields } from './lab.ts';

export const Pin = { EXTERNAL: 1, NMI: 8, VIRTUAL_NMIS: 0x20, TIMER: 0x40, POSTED: 0x80 } as const;
export const Primary = {
  INTERRUPT_WINDOW: 4,
  TSC_OFFSETTING: 8,
  HLT: 0x80,
  CR3_LOAD: 0x8000,
  TPR_SHADOW: 0x200000,
  NMI_WINDOW: 0x400000,
  MONITOR_TRAP: 0x8000000,
  MSR_BITMAPS: 0x10000000,
} as const;
export const Secondary = {
  APIC_ACCESSES: 1,
  EPT: 2,
  X2APIC: 0x10,
  VPID: 0x20,
  UNRESTRICTED: 0x80,
  APIC_REGISTERS: 0x100,
  VIRTUAL_INTERRUPTS: 0x200,
  PAUSE_LOOP: 0x400,
  FUNCTIONS: 0x2000,
  PML: 0x20000,
  VE: 0x40000,
  XSAVES: 0x100000,
  MODE_BASED_EXECUTE: 0x400000,
  TSC_SCALING: 0x2000000,
} as const;
export const Exit = { HOST_64: 0x200, ACKNOWLEDGE: 0x8000, SAVE_TIMER: 0x400000 } as const;

export const Reason = {
  EXCEPTION_NMI: 0,
  EXTERNAL_INTERRUPT: 1,
  TRIPLE_FAULT: 2,
  INTERRUPT_WINDOW: 7,
  NMI_WINDOW: 8,
  HLT: 12,
  VMCALL: 18,
  CR_ACCESS: 28,
  MSR_LOAD_FAIL: 34,
  MONITOR_TRAP: 37,
  PAUSE: 40,
  TPR_BELOW_THRESHOLD: 43,
  APIC_ACCESS: 44,
  EOI_INDUCED: 45,
  EPT_VIOLATION: 48,
  EPT_MISCONFIGURATION: 49,
  TIMER: 52,
  APIC_WRITE: 56,
  VMFUNC: 59,
  PML_FULL: 62,
  XSAVES: 63,
  XRSTORS: 64,
} as const;

/** Bits that the processor wants set whatever is asked for. */
const MUST = { pin: 0x16, primary: 0x0400_6172, exit: 0x36dfb } as const;

interface Controls {
  pin?: number;
  primary?: number;
  secondary?: number;
  /** Where given, those of a 64-bit host are added. */
  exit?: number;
}
export function controls({ pin = 0, primary = 0, secondary = 0, exit }: Controls): Fields {
  return {
    PIN_BASED_CONTROLS: MUST.pin | pin,
    PRIMARY_CONTROLS: (MUST.primary | primary | (secondary === 0 ? 0 : 0x80000000)) >>> 0,
    SECONDARY_CONTROLS: secondary,
    ...(exit === undefined ? {} : { EXIT_CONTROLS: MUST.exit | Exit.HOST_64 | exit }),
  };
}

/** A guest of the 64-bit lab at CPL 3. */
export const USER: Fields = {
  GUEST_CS_SELECTOR: 0x33,
  GUEST_CS_ACCESS_RIGHTS: 0xa0fb,
  GUEST_SS_SELECTOR: 0x2b,
  GUEST_SS_ACCESS_RIGHTS: 0xc0f3,
};
