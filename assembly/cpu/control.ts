/** Bits of control registers and EFER (SDM Vol. 3A, "Control Registers"). */
export const enum Cr0 {
  PE = 1, MP = 2, EM = 4, TS = 8, ET = 0x10, NE = 0x20, WP = 0x10000, AM = 0x40000, NW = 0x20000000, CD = 0x40000000,
  PG = 0x80000000,
}
export const enum Cr4 {
  VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 0x10, PAE = 0x20, MCE = 0x40, PGE = 0x80, PCE = 0x100, OSFXSR = 0x200,
  OSXMMEXCPT = 0x400, UMIP = 0x800, LA57 = 0x1000, VMXE = 0x2000, SMXE = 0x4000, FSGSBASE = 0x10000, PCIDE = 0x20000,
  OSXSAVE = 0x40000, SMEP = 0x100000, SMAP = 0x200000, PKE = 0x400000, CET = 0x800000, PKS = 0x1000000,
}
export const enum Efer { SCE = 1, LME = 0x100, LMA = 0x400, NXE = 0x800, SVME = 0x1000 }
