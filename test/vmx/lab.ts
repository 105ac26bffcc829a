/**
 * A processor in VMX root operation with a current VMCS whose fields tests put where the processor keeps them: one
 * VMLAUNCH or VMRESUME enters a guest in the mode of the lab, and every VM exit ends at HOST_CODE.
 */

import { LAYOUT } from '../../src/core/layout.gen.ts';
import { offsetOf, VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { RULES } from '../../src/isa/vmx/rules.ts';
import {
  CODE,
  GDT,
  IDT,
  type Lab,
  type LabOptions,
  longLab,
  protectedLab,
  Rights,
  Sel,
  STACK0,
  TABLES,
  TSS,
} from '../exec/lab.ts';
import { runToExit, runTwice } from './twice.ts';

export const VMXON = 0x40000;
export const VMCS = 0x41000;
export const BITMAPS = 0x42000;
export const MSR_LIST = 0x46000;
export const LINK = 0x47000;
export const HOST_CODE = 0x11000;
export const GUEST_CODE = 0x50000;
export const GUEST_STACK = 0x38000;

const REVISION_MSR = 0x480;
/** Of the processor's words in the CPUID page, the one that IA32_VMX_BASIC is; the other capability MSRs follow it. */
const CAPABILITIES = LAYOUT.CPUID + 0xf40;
/** Setup by the processor's own instructions: VMXON [RAX], VMCLEAR [RBX], VMPTRLD [RBX], VMLAUNCH. */
const BEGIN = 'f3 0f c7 30 66 0f c7 33 0f c7 33';
export const VMCALL = '0f 01 c1';
export const VMLAUNCH = '0f 01 c2';
export const VMRESUME = '0f 01 c3';

export type Fields = Readonly<Record<string, number | bigint>>;

/** Places of fields by their names. */
const PLACES: ReadonlyMap<string, number> = new Map(
  VMCS_FIELDS.map(({ name, encoding }) => [name, offsetOf(encoding)]),
);
const ENCODINGS: ReadonlyMap<string, number> = new Map(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding]));
function placeOf(name: string): number {
  const at = PLACES.get(name);
  if (at === undefined) throw new Error(`there is no VMCS field ${name}`);
  return VMCS + at;
}

export class VmxLab {
  readonly lab: Lab;
  readonly long: boolean;

  constructor(lab: Lab, long: boolean) {
    this.lab = lab;
    this.long = long;
  }

  read(name: string): bigint {
    return this.lab.view().getBigUint64(placeOf(name), true);
  }
  write(fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) this.lab.put64(placeOf(name), BigInt(value));
  }
  /** Writes fields as a hypervisor does, by VMWRITE. */
  vmwrite(fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      this.lab.code(CODE + 0x140, '0f 79 c1');
      this.lab.set({ rip: CODE + 0x140, rax: ENCODINGS.get(name) ?? 0, rcx: BigInt(value) });
      this.lab.step(1);
      if (this.error !== 0) throw new Error(`VMWRITE of ${name}: error ${this.error}`);
    }
  }
  /** Capability MSR `index` gets the bits of `bits` too, as if the processor offered more than it does. */
  pretend(index: number, bits: bigint): void {
    const bytes = this.lab.core.state.bytes(CAPABILITIES + 8 * (index - REVISION_MSR), 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    view.setBigUint64(0, view.getBigUint64(0, true) | bits, true);
  }
  /** Executes VMLAUNCH or VMRESUME in the host, and then at most `budget` instructions. */
  enter(instruction = VMLAUNCH, budget = 1): void {
    this.prepare(instruction);
    this.lab.core.run(budget);
  }
  private prepare(instruction: string): void {
    this.lab.core.state.setField('brokenRule', 0n);
    this.lab.code(CODE + 0x100, instruction);
    this.lab.set({ rip: CODE + 0x100 });
  }
  /** Name of the rule that the last entry broke, or undefined. */
  get brokenRule(): string | undefined {
    return RULES[this.lab.core.state.number('brokenRule') - 1]?.name;
  }
  get inGuest(): boolean {
    return this.lab.core.state.number('nonRoot') !== 0;
  }
  /** The VM-instruction error where the last VMX instruction failed validly, else 0. */
  get error(): number {
    return (this.lab.get('rflags') & 0x40n) !== 0n ? Number(this.read('VM_INSTRUCTION_ERROR')) : 0;
  }
  get reason(): number {
    return Number(this.read('EXIT_REASON'));
  }
  get qualification(): bigint {
    return this.read('EXIT_QUALIFICATION');
  }
  /** Enters the guest and lets it go on until it exits or `budget` instructions have retired; in two ways, see runTwice. */
  enterToExit(instruction = VMLAUNCH, budget = 20): void {
    this.prepare(instruction);
    runTwice(this.lab.core, 1 + budget);
  }
  /** The same for a guest that runs. */
  goOn(budget = 20): void {
    if (this.inGuest) runTwice(this.lab.core, budget);
  }
  /** enterToExit in one run only, for tests that enter thousands of guests. */
  enterInOneRun(instruction = VMLAUNCH, budget = 1000): void {
    this.prepare(instruction);
    runToExit(this.lab.core, budget);
  }
  /** Runs `bytes` as the guest, from GUEST_CODE on, until it exits or `budget` instructions have retired. */
  guest(bytes: string, budget = 20): void {
    this.lab.code(GUEST_CODE, bytes);
    this.write({ GUEST_RIP: GUEST_CODE });
    this.enterToExit(VMLAUNCH, budget);
    if (this.brokenRule) throw new Error(`the entry broke ${this.brokenRule}`);
    if (this.error !== 0) throw new Error(`the entry failed with VM-instruction error ${this.error}`);
  }
}

function segments(long: boolean): Fields {
  const code = long ? Rights.CODE64 : Rights.CODE32;
  const fields: Record<string, number> = {};
  for (const s of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS']) {
    fields[`GUEST_${s}_SELECTOR`] = s === 'CS' ? (long ? Sel.CODE64 : Sel.CODE32) : Sel.DATA;
    fields[`HOST_${s}_SELECTOR`] = fields[`GUEST_${s}_SELECTOR`];
    fields[`GUEST_${s}_LIMIT`] = 0xffffffff;
    fields[`GUEST_${s}_ACCESS_RIGHTS`] = s === 'CS' ? code : Rights.DATA;
    fields[`GUEST_${s}_BASE`] = 0;
  }
  return fields;
}

/** The least that VM entry accepts: a guest like the host, which nothing intercepts but what always is. */
export function fieldsOf(lab: Lab, long: boolean): Fields {
  const must = (index: number) => lab.core.readMsr(index) & 0xffffffffn;
  const state = { CR0: lab.get('cr0'), CR3: lab.get('cr3'), CR4: lab.get('cr4') };
  return {
    ...segments(long),
    PIN_BASED_CONTROLS: must(0x48d),
    PRIMARY_CONTROLS: must(0x48e),
    EXIT_CONTROLS: must(0x48f) | (long ? 0x200n : 0n),
    ENTRY_CONTROLS: must(0x490) | (long ? 0x200n : 0n),
    VMCS_LINK_POINTER: 0xffffffffffffffffn,
    ...Object.fromEntries(
      Object.entries(state).flatMap(([name, v]) => [
        [`HOST_${name}`, v],
        [`GUEST_${name}`, v],
      ]),
    ),
    HOST_GDTR_BASE: GDT,
    HOST_IDTR_BASE: IDT,
    HOST_TR_SELECTOR: Sel.TSS,
    HOST_TR_BASE: TSS,
    HOST_RSP: STACK0,
    HOST_RIP: HOST_CODE,
    HOST_EFER: long ? 0x501 : 0,
    HOST_PAT: 0x0007040600070406n,
    GUEST_GDTR_BASE: GDT,
    GUEST_GDTR_LIMIT: 0xff,
    GUEST_IDTR_BASE: IDT,
    GUEST_IDTR_LIMIT: 0xfff,
    GUEST_TR_SELECTOR: Sel.TSS,
    GUEST_TR_BASE: TSS,
    GUEST_TR_LIMIT: 0x6f,
    GUEST_TR_ACCESS_RIGHTS: 0x8b,
    GUEST_LDTR_ACCESS_RIGHTS: 0x10000,
    GUEST_DR7: 0x400,
    GUEST_RSP: GUEST_STACK,
    GUEST_RIP: GUEST_CODE,
    GUEST_RFLAGS: 2,
    GUEST_EFER: long ? 0x501 : 0,
    GUEST_PAT: 0x0007040600070406n,
  };
}

/** Page-directory-pointer table of PAE paging, and its directory. */
export const PAE_POINTERS = 0x66000;
const PAE_DIRECTORY = 0x65000;
/** The first 4 MiB one to one in PAE paging, and CR0, CR3, CR4 by instructions, which load the PDPTE registers. */
function enterPae(lab: Lab): void {
  lab.put64(PAE_POINTERS, BigInt(PAE_DIRECTORY | 1));
  for (const n of [0, 1]) lab.put64(PAE_DIRECTORY + 8 * n, BigInt((n << 21) | 0x87));
  lab.set({ rax: 0x20, rbx: PAE_POINTERS, rcx: 0x80000031 });
  lab.code(CODE, '0f 22 e0  mov cr4, eax\n 0f 22 db  mov cr3, ebx\n 0f 22 c1  mov cr0, ecx');
  lab.step(3);
  lab.set({ rip: CODE });
}

/** VMX root operation in 64-bit mode, or in 32-bit protected mode with 32-bit or PAE paging; `options` are for the former. */
export async function vmxLab(
  mode: boolean | 'pae' = true,
  cpu = 'max,+vmx',
  options: LabOptions = {},
): Promise<VmxLab> {
  const long = mode === true;
  const lab = long ? await longLab(cpu, options) : await protectedLab(cpu);
  if (mode === 'pae') enterPae(lab);
  else if (!long) {
    lab.put32(TABLES, 0x83);
    lab.set({ cr3: TABLES, cr4: 0x10, cr0: 0x80000031 });
  }
  return enterVmx(lab, long);
}

/** Enters VMX root operation by instructions at CODE, with a current VMCS for a guest like the host. */
export function enterVmx(lab: Lab, long: boolean): VmxLab {
  lab.set({ cr0: lab.get('cr0') | 0x20n, cr4: lab.get('cr4') | 0x2000n });
  lab.core.writeMsr(0x3a, 5n);
  const revision = Number(lab.core.readMsr(REVISION_MSR) & 0x7fffffffn);
  lab.put32(VMXON, revision);
  lab.put32(VMCS, revision);
  lab.put64(CODE + 0x80, BigInt(VMXON));
  lab.put64(CODE + 0x88, BigInt(VMCS));
  lab.set({ rax: CODE + 0x80, rbx: CODE + 0x88 });
  lab.code(CODE, BEGIN);
  lab.step(3);
  const vmx = new VmxLab(lab, long);
  vmx.write(fieldsOf(lab, long));
  return vmx;
}
