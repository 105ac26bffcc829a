/**
 * The state block of a vCPU: fixed addresses, so that operands are plain loads and a snapshot is a copy.
 * tools/gen.ts reads this file and writes the same offsets for TypeScript.
 */
import { STATE } from './window';

/** Sixteen general registers, 8 bytes each; with 32-bit results the upper half is zero. */
export const GPR: usize = STATE;
/** Eight zero bytes: the register that an absent base or index names. */
export const ZERO: usize = STATE + 0x80;
/** Where a segment register's fields lie: SEG + 32 * index. */
export const SEG: usize = STATE + 0x600;
/** Sixteen vector registers of 32 bytes. */
export const YMM: usize = STATE + 0x800;
/** Eight physical x87 registers of 16 bytes (80-bit values); MMX register n is the first 8 bytes of entry n. */
export const FPR: usize = STATE + 0xa00;
/** Bounce buffer of accesses that no host pointer can serve (page crossing, MMIO, decoded code). */
export const BOUNCE: usize = STATE + 0xb00;
/** TLB bank descriptors, 64 bytes each. */
export const BANKS: usize = STATE + 0xc00;
/** A link that leads nowhere known: {delta 0, chain 0}. */
export const LINK_NONE: usize = STATE + 0xf00;
/** Instruction bytes that cross a page. */
export const FETCH_BUFFER: usize = STATE + 0xf40;
/** A block of one instruction for single steps: header and records. */
export const STEP_BLOCK: usize = STATE + 0x1000;
/** MTRRs and other MSRs that only hold a value. */
export const MSR_STORE: usize = STATE + 0x2000;
/** The local APIC's registers, as its page shows them. */
export const APIC: usize = STATE + 0x3000;
/** Physical map of this machine: see cpu/phys.ts. */
export const PHYS_MAP: usize = STATE + 0x4000;
/** CPUID: enabled feature words and the answers to its leaves. */
export const CPUID: usize = STATE + 0x5000;
/** VM exits by reason, the last one, and the ring of those before it: see cpu/exit-records.ts. */
export const EXIT_COUNTS: usize = STATE + 0x6000;
export const EXIT: usize = STATE + 0x7000;
export const EXIT_RING: usize = STATE + 0x8000;
/** The fields of the current VMCS as the last VM entry took them over: see vmx/entered.ts. */
export const ENTERED: usize = STATE + 0xe000;
/** Segment registers as a VM exit loads them, in the format of SEG. */
export const HOST_SEG: usize = STATE + 0xe600;
/** The same as the last VM exit saved them and a VM entry loads them. */
export const GUEST_SEG: usize = STATE + 0xe700;

export const enum Gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 }
export const enum Seg { ES, CS, SS, DS, FS, GS, LDTR, TR }

/** In groups by who owns the fields. What runs for every instruction comes first. */
@unmanaged
export class Cpu {
  // The interpreter (exec/interpret.gen.ts, exec/run.ts)
  /** RIP of the first instruction of the running block; between blocks, RIP. */
  blockRip: u64;
  /** Lazy flags: the sign-extended result and the carry vector. See flags.ts. */
  lazyResult: u64;
  lazyCarry: u64;
  /** RFLAGS without CF PF AF ZF SF OF. */
  rflags: u64;
  /** All ones in 64-bit mode, else 2^32 - 1. */
  laMask: u64;
  /** Instructions until `interpret` must come back. */
  budget: i32;
  /** Address of the running TLB bank. */
  bank: u32;
  /** Context of decoded code: generation of the bank, and mode key. */
  ctx: u32;
  /** What decoding depends on: Key. */
  modeKey: u32;
  /** What happens instead of the current instruction: Pending. */
  pending: i32;
  /** What needs looking at before the next instruction: Attention bits. */
  attention: u32;
  /** Block being executed, for faults. */
  block: u32;
  /** 1: leave the running block after this instruction. */
  leave: u32;
  /** What instructions may not use now: bits of Uses, kept by updateMode. */
  blocked: u32;
  cpl: u32;
  /** Retired instructions when `budget` reaches 0. */
  retiredEnd: u64;
  /** Retired-instruction count at which `run` returns; what retires nothing takes from it too. */
  runEnd: u64;
  /** Nanoseconds that passed without an instruction: see clock(). */
  skew: u64;
  /** The vCPU's number, and the next free record of its arena. */
  id: u32;
  arenaTop: u32;

  // Operands between access and commit (isa/operand.ts, mmu/access.ts)
  /** Host pointer of a read-modify-write operand. */
  operand: u32;
  /**
   * A bounced access: length, how to finish it, where it goes: a host address where decoded code
   * lies, or physical addresses.
   */
  bounceLength: u32;
  bounceKind: u32;
  bounceHost: u32;
  bouncePa: u64;
  bouncePa2: u64;
  /** What a LOCKed instruction started from: old operand and lazy flags. */
  lockedOld: u64;
  lockedResult: u64;
  lockedCarry: u64;

  // Control and system registers (ops/control-regs.ts, ops/msr.ts)
  cr0: u64;
  cr2: u64;
  cr3: u64;
  cr4: u64;
  efer: u64;
  xcr0: u64;
  /** PDPTE registers of PAE paging. */
  pdpte0: u64;
  pdpte1: u64;
  pdpte2: u64;
  pdpte3: u64;
  gdtrBase: u64;
  idtrBase: u64;
  gdtrLimit: u32;
  idtrLimit: u32;
  pkru: u32;
  pkrs: u32;
  star: u64;
  lstar: u64;
  cstar: u64;
  sfmask: u64;
  kernelGsBase: u64;
  sysenterCs: u64;
  sysenterEsp: u64;
  sysenterEip: u64;
  tscOffset: u64;
  tscAdjust: u64;
  tscAux: u64;
  pat: u64;
  miscEnable: u64;
  featureControl: u64;
  mtrrDefType: u64;
  /** Line that MONITOR watches, 0 for none. */
  monitorPa: u64;
  /** State of the random generator. */
  random: u64;

  // Debugging (cpu/debug.ts, exec/debug.ts)
  dr0: u64;
  dr1: u64;
  dr2: u64;
  dr3: u64;
  dr6: u64;
  dr7: u64;
  /** Debug traps that wait for the end of the instruction, and the causes of a pending #DB (DR6 format). */
  pendingDebug: u64;
  /** 1 where a data breakpoint is armed, which keeps pages out of the TLB. */
  slowData: u32;

  // x87 and SSE (ops/x87, cpu/vector-state.ts)
  mxcsr: u32;
  fcw: u32;
  fsw: u32;
  /** x87 tags, abridged: bit i set when physical register i is not empty. */
  ftw: u32;
  fop: u32;
  fipSelector: u32;
  fdpSelector: u32;
  fip: u64;
  fdp: u64;
  /** x87 opcode and data pointer of the last exception that was not masked: see ops/x87/pointers.ts. */
  exceptionFop: u32;
  exceptionFdpSelector: u32;
  exceptionFdp: u64;
  /** 1 while the pin is asserted: FERR#, which we drive, and IGNNE#, which the board drives. */
  ferr: u32;
  ignne: u32;
  /** XSAVE's state components that an instruction has put into their initial state: see ops/xsave.ts. */
  initialized: u32;

  // Memory (cpu/phys.ts, mmu)
  /** Behind the last slot of PHYS_MAP that was ever defined. */
  mapEnd: u32;
  /** Physical address mask: bits 51:MAXPHYADDR are reserved in page tables. */
  physMask: u64;
  /** 1 MiB wrap of real-mode addresses: all ones, or all but bit 20. */
  a20Mask: u64;
  /** The last number that a TLB bank got. */
  nextGeneration: u32;

  // The pending event, and the one that is delivered (cpu/pending.ts, exec/deliver.ts)
  vector: i32;
  errorCode: u32;
  /** Its kind: Event. */
  eventType: i32;
  /** Length of the instruction that it comes from: software interrupts and traps. */
  eventLength: u32;
  /** Linear address of a page fault: becomes CR2 when the fault is delivered. */
  faultAddress: u64;
  /** Vector of the event that is being delivered (double fault rules), -1 for none. */
  delivering: i32;
  /** VM entry injected it (2: with an error code): its own exception is not intercepted. */
  injected: u32;

  // Between instructions (exec/between.ts, exec/interrupts.ts, cpu/rflags.ts)
  activity: u32;
  /** Retired-instruction counts at which an interrupt shadow is open, and RFLAGS.RF is set: see rflags.ts. */
  shadowAt: u64;
  resumeAt: u64;
  /** 1: the shadow of a load of SS, which holds off debug traps too. */
  shadowsDebug: u32;
  /** 1: an interrupt or NMI waits until it is no longer masked. */
  deferred: u32;
  /**
   * INTR pin from the PIC; 1: an interrupt message of type ExtINT came, whose vector the interrupt controller tells.
   */
  intrPin: u32;
  extInt: u32;
  nmiPending: u32;
  nmiBlocked: u32;
  /** 1 where the running IRET ended the blocking of NMIs. */
  iretUnblocked: u32;
  /** An INIT that VMX operation holds off. */
  initPending: u32;
  /** 1: an MTF VM exit is due before the next instruction. */
  trapPending: u32;
  /** Reason of a VM exit that is due after the current instruction, 0 for none; and its qualification. */
  trapExit: u32;
  trapQualification: u64;

  // The local APIC (apic/apic.ts)
  apicBase: u64;
  /** Deadline of its timer on the clock, 0 for none; and IA32_TSC_DEADLINE. */
  apicDeadline: u64;
  tscDeadline: u64;
  /** Errors that the next write to ESR shows. */
  apicErrors: u32;

  // Guests, whoever made them (cpu/intercepts.ts, cpu/exit-records.ts)
  /** 1 while a guest runs. */
  nonRoot: u32;
  /** What the running guest may not do by itself, 0 outside of guests. */
  intercepts: u64;
  exceptionBitmap: u32;
  /** 8 (the bit of a TLB bank's key) where EPT tells user-mode execution from supervisor's. */
  eptKey: u32;
  /** EPT pointer, 0 where EPT is off; and what tags translations beside the PCID: VPID and EPT pointer. */
  eptp: u64;
  contextTag: u64;
  /** Physical address of the APIC-access page, all ones for none. */
  apicAccessPage: u64;
  /**
   * Records so far, the clock at the last VM exit (0: a VM entry followed it), retired instructions at
   * the last VM entry.
   */
  exitCount: u64;
  exitClock: u64;
  entryRetired: u64;
  /** 1 keeps records in the ring, and returns from `run` before they are overwritten; 2 returns at every one. */
  recordExits: u32;

  // VMX (vmx/)
  /** 1 after VMXON. */
  vmxOn: u32;
  /** Controls of the running guest, 0 in root operation. */
  pinControls: u32;
  primaryControls: u32;
  secondaryControls: u32;
  /** Groups of fields in ENTERED that passed the checks of VM entry: Clean. */
  clean: u32;
  /** What `intercepts` becomes at VM entry with the controls in ENTERED. */
  guestIntercepts: u64;
  /** Host address of the current VMCS region, 0 for none, and the physical addresses of it and of the VMXON region. */
  vmcs: u32;
  /** Host address of the shadow VMCS that the guest's VMREAD and VMWRITE mean, 0 for none. */
  shadowVmcs: u32;
  vmcsPa: u64;
  vmxonPa: u64;
  /** Clock at which the VMX-preemption timer expires, 0 for never. */
  vmxDeadline: u64;
  /** The rule of VM entry that the last failed one broke: vmx/fields.gen.ts. */
  brokenRule: u32;
  /** When the last PAUSE at CPL 0 since the VM entry came (0: none did), and the first one of its loop. */
  pauseAt: u64;
  pauseLoopAt: u64;
}

export const CPU: usize = STATE + 0x90;
export const cpu = changetype<Cpu>(CPU);

@inline export function gpr(n: u32): u64 { return load<u64>(GPR + (n << 3)); }
@inline export function setGpr(n: u32, v: u64): void { store<u64>(GPR + (n << 3), v); }
/** Writes the low bytes of a register; 32-bit writes clear the upper half, 8 and 16-bit ones keep the rest. */
@inline export function setReg<T>(address: usize, v: T): void {
  if (sizeof<T>() == 4) store<u64>(address, <u64><u32>v);
  else store<T>(address, v);
}
