/**
 * Model-specific registers (SDM Vol. 4): their numbers, where those that only hold a value keep it, and their state
 * after reset. Reading and writing them is in ops/msr.ts.
 */
import { cpu, MSR_STORE } from './state';
import { clock } from './pending';
import { modelWord, Word } from './features';

export const enum Msr {
  P5_MC_ADDR = 0, P5_MC_TYPE = 1, TSC = 0x10, PLATFORM_ID = 0x17, APIC_BASE = 0x1b, EBL_CR_POWERON = 0x2a, SMI_COUNT = 0x34,
  FEATURE_CONTROL = 0x3a, TSC_ADJUST = 0x3b, BIOS_UPDT_TRIG = 0x79, BIOS_SIGN_ID = 0x8b, FSB_FREQ = 0xcd,
  PLATFORM_INFO = 0xce, MTRRCAP = 0xfe, ARCH_CAPABILITIES = 0x10a, SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175,
  SYSENTER_EIP = 0x176, MCG_CAP = 0x179, MCG_STATUS = 0x17a, MCG_CTL = 0x17b, PERF_STATUS = 0x198, PERF_CTL = 0x199,
  MISC_ENABLE = 0x1a0, DEBUGCTL = 0x1d9, LASTBRANCH_FROM = 0x1db, LASTBRANCH_TO = 0x1dc, LASTINT_FROM = 0x1dd,
  LASTINT_TO = 0x1de, MTRR_PHYSBASE0 = 0x200, MTRR_FIX64K = 0x250, MTRR_FIX16K = 0x258, MTRR_FIX4K = 0x268, PAT = 0x277,
  MTRR_DEF_TYPE = 0x2ff, MC0_CTL = 0x400, VMX_BASIC = 0x480, VMX_PROCBASED_CTLS2 = 0x48b, VMX_EPT_VPID_CAP, VMX_VMFUNC = 0x491, TSC_DEADLINE = 0x6e0, PKRS = 0x6e1, X2APIC = 0x800, XSS = 0xda0, EFER = 0xc0000080,
  STAR = 0xc0000081, LSTAR = 0xc0000082, CSTAR = 0xc0000083, SFMASK = 0xc0000084, FS_BASE = 0xc0000100,
  GS_BASE = 0xc0000101, KERNEL_GS_BASE = 0xc0000102, TSC_AUX = 0xc0000103, K7_EVNTSEL0 = 0xc0010000, K8_SYSCFG = 0xc0010010,
  K7_HWCR = 0xc0010015, K8_TOP_MEM1 = 0xc001001a, K8_TOP_MEM2 = 0xc001001d, NB_CFG = 0xc001001f, K8_INT_PENDING = 0xc0010055,
  DE_CFG = 0xc0011029,
}

/** Variable-range MTRRs and machine-check banks that the processor has. */
export const MTRR_PAIRS: u32 = 8;
export const MC_BANKS: u32 = 10;

/** Bit of IA32_DEBUGCTL: single-step on branches. */
export const DEBUGCTL_BTF: u64 = 2;
/** Bits of IA32_DEBUGCTL that are not reserved: LBR and BTF. */
export const DEBUGCTL_WRITABLE: u64 = 3;

@inline export function isMtrrType(type: u32): bool { return type <= 1 || (type >= 4 && type <= 6); }
/** Eight memory types of one byte each. */
function areTypes(value: u64, pat: bool): bool {
  for (let n: u64 = 0; n < 64; n += 8) {
    const type = <u32>(value >> n) & 0xff;
    if (!isMtrrType(type) && !(pat && type == 7)) return false;
  }
  return true;
}
export function areMtrrTypes(value: u64): bool { return areTypes(value, false); }
/** PAT knows UC- (7) beside the types of the MTRRs. */
export function isPat(value: u64): bool { return areTypes(value, true); }

/** Where MSRs that only hold a value lie: MSR_STORE + 8 * slot. */
export const enum MsrSlot {
  MTRR_VARIABLE = 0, MTRR_FIXED = 16, DEBUGCTL = 32, MCG_STATUS, MCG_CTL, PERF_CTL, XSS, AMD = 48, MC = 64,
}
@inline export function heldMsr(slot: u32): u64 { return load<u64>(MSR_STORE + (slot << 3)); }
@inline export function holdMsr(slot: u32, value: u64): void { store<u64>(MSR_STORE + (slot << 3), value); }

/** State after power-up (SDM Vol. 3A, "Processor State After Reset"). */
export function resetMsrs(): void {
  memory.fill(MSR_STORE, 0, 0x1000);
  cpu.star = 0;
  cpu.lstar = 0;
  cpu.cstar = 0;
  cpu.sfmask = 0;
  cpu.kernelGsBase = 0;
  cpu.sysenterCs = 0;
  cpu.sysenterEsp = 0;
  cpu.sysenterEip = 0;
  cpu.tscOffset = 0 - clock();
  cpu.tscAux = 0;
  cpu.tscAdjust = 0;
  cpu.pat = 0x0007040600070406;
  cpu.pkru = 0;
  cpu.pkrs = 0;
  cpu.miscEnable = modelWord(Word.MISC_ENABLE);
  cpu.featureControl = 0;
  cpu.mtrrDefType = 0;
  cpu.physMask = modelWord(Word.PHYS_MASK);
}
