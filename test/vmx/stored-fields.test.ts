/**
 * Fields that programs, other processors or devices store into the region of the current VMCS, which the manual forbids
 * (SDM Vol. 3C, "Software Use of Virtual-Machine Control Structures"). A VM entry checks what lies there; once it went
 * through, bounds, addresses and the host state are what was checked (docs/decisions/0021).
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { offsetOf, VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { CODE } from '../exec/lab.ts';
import { outside } from '../exec/outside.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { Ept, ExtendedTables } from './ept.ts';
import {
  BITMAPS,
  type Fields,
  GUEST_CODE,
  HOST_CODE,
  LINK,
  MSR_LIST,
  VMCALL,
  VMCS,
  VMLAUNCH,
  VMRESUME,
  type VmxLab,
  vmxLab,
} from './lab.ts';
import { VIRTUAL_APIC } from './virtual-apic.ts';

const ROM = 0xffff0000;
const RAM_END = 0x400000;
const SHADOWING = 0x4000;
const PAT = 0x277;
const POSTED = 0x4a000;
const ERROR_CONTROLS = 7;
const ERROR_HOST = 8;

let vmx: VmxLab;
beforeEach(async () => {
  vmx = await vmxLab(true, 'max,+vmx', { extraBytes: 0x10000 });
  vmx.lab.core.mapExtra(0, ROM, 0, 0x10000, 'rom');
  vmx.lab.code(HOST_CODE, 'eb fe');
});
/** Nothing after RAM, ROM among it, and nothing of the processor's own was written to. */
function expectInside(): void {
  for (const memory of outside(vmx.lab)) expect(memory.every((byte) => byte === 0)).toBe(true);
}
const fieldNamed = (name: string) => {
  const found = VMCS_FIELDS.find((field) => field.name === name);
  if (!found) throw new Error(`there is no VMCS field ${name}`);
  return found;
};
/** Enters again at GUEST_CODE, and runs what comes of it. */
function resume(code = VMCALL): void {
  vmx.lab.code(GUEST_CODE, code);
  vmx.vmwrite({ GUEST_RIP: GUEST_CODE });
  vmx.enter(VMRESUME, 1);
  if (vmx.inGuest) vmx.lab.core.run(30);
}
/** A guest whose first instruction is to come. */
function begin(fields: Fields, code: string): void {
  vmx.write({ ...fields, GUEST_RIP: GUEST_CODE });
  vmx.lab.code(GUEST_CODE, code);
  vmx.enter(VMLAUNCH, 1);
  expect(vmx.inGuest, vmx.brokenRule).toBe(true);
}

describe('stored between a VM exit and VMRESUME', () => {
  beforeEach(() => {
    const ept = new ExtendedTables(vmx);
    vmx.write({
      ...controls({ primary: Primary.CR3_LOAD | Primary.TPR_SHADOW, secondary: Secondary.EPT | Secondary.PML }),
      EPTP: ept.pointer,
      PML_ADDRESS: 0x4b000,
      VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
      EXIT_MSR_STORE_ADDRESS: MSR_LIST,
      EXIT_MSR_STORE_COUNT: 1,
    });
    vmx.lab.put32(MSR_LIST, PAT);
    vmx.guest(VMCALL);
    expect(vmx.reason).toBe(Reason.VMCALL);
  });

  it.each([
    ['a CR3-target count beyond 4', { CR3_TARGET_COUNT: 0xffffffff }, 'CR3_TARGETS', ERROR_CONTROLS],
    ['an EPT pointer with a page-walk length of 8', { EPTP: 0x20003e }, 'EPTP', ERROR_CONTROLS],
    ['an odd MSR-store address', { EXIT_MSR_STORE_ADDRESS: RAM_END - 12 }, 'EXIT_STORE', ERROR_CONTROLS],
    ['an odd PML address', { PML_ADDRESS: RAM_END - 4 }, 'PML_ADDRESS', ERROR_CONTROLS],
    ['an odd virtual-APIC address', { VIRTUAL_APIC_ADDRESS: RAM_END - 0x83 }, 'VIRTUAL_APIC', ERROR_CONTROLS],
    ['reserved controls', { PIN_BASED_CONTROLS: 0xffffffff }, 'PIN_RESERVED', ERROR_CONTROLS],
    ['a host RIP that is not canonical', { HOST_RIP: 1n << 63n }, 'HOST_64', ERROR_HOST],
    ['reserved bits of the host CR4', { HOST_CR4: 0xffffffffn << 32n }, 'HOST_CR4', ERROR_HOST],
  ])('%s makes the entry fail by its rule', (_name, fields, rule, error) => {
    vmx.write(fields);
    resume();
    expect([vmx.error, vmx.brokenRule]).toEqual([error, rule]);
    expectInside();
  });

  it.each([
    ['reserved bits of the guest CR4', { GUEST_CR4: 0xffffffffn << 32n }, 'GUEST_CR4'],
    ['reserved access rights', { GUEST_CS_ACCESS_RIGHTS: 0xfffff }, undefined],
    ['a GDTR limit of 32 bits', { GUEST_GDTR_LIMIT: 0x10000 }, 'TABLE_LIMIT'],
  ])('%s make the entry a VM exit', (_name, fields, rule) => {
    vmx.write(fields);
    resume();
    expect(vmx.reason).toBe(0x80000021);
    if (rule) expect(vmx.brokenRule).toBe(rule);
  });

  it('what a word of the region before the fields says changes nothing', () => {
    for (let at = 12; at < 16; at++) vmx.lab.view().setUint8(VMCS + at, 0xff);
    vmx.write({ PIN_BASED_CONTROLS: 0xffffffff });
    resume();
    expect([vmx.error, vmx.brokenRule]).toEqual([ERROR_CONTROLS, 'PIN_RESERVED']);
  });

  it('good fields are taken as if VMWRITE had written them', () => {
    vmx.write({ EXIT_MSR_STORE_COUNT: 0, HOST_RIP: HOST_CODE + 0x100 });
    vmx.lab.code(HOST_CODE + 0x100, 'eb fe');
    vmx.lab.put64(MSR_LIST + 8, 0n);
    resume();
    expect(vmx.lab.get('rip')).toBe(BigInt(HOST_CODE + 0x100));
    expect(vmx.lab.view().getBigUint64(MSR_LIST + 8, true)).toBe(0n);
  });
});

describe('segment registers, which are compared with an image', () => {
  const FS_0 = '64 48 8b 04 25 00 00 00 00';
  const SWAPGS = '0f 01 f8';
  const FIRST = 0x4e000;
  const SECOND = 0x4e100;
  beforeEach(() => {
    vmx.lab.put64(FIRST, 1n);
    vmx.lab.put64(SECOND, 2n);
    vmx.write({ GUEST_FS_BASE: FIRST, GUEST_GS_BASE: SECOND });
    vmx.guest(VMCALL);
    resume(`${FS_0} ${VMCALL}`);
    expect(vmx.lab.get('rax')).toBe(1n);
  });

  it.each([
    ['stored', (fields: Fields) => vmx.write(fields)],
    ['written by VMWRITE', (fields: Fields) => vmx.vmwrite(fields)],
  ])('a base %s after an exit is that of the next entry', (_how, write) => {
    write({ GUEST_FS_BASE: SECOND });
    resume(`${FS_0} ${VMCALL}`);
    expect([vmx.lab.get('rax'), vmx.read('GUEST_FS_BASE')]).toEqual([2n, BigInt(SECOND)]);
  });

  it('a base stored while the guest runs changes nothing before the next entry', () => {
    vmx.lab.code(GUEST_CODE, `${FS_0} ${VMCALL}`);
    vmx.vmwrite({ GUEST_RIP: GUEST_CODE });
    vmx.enter(VMRESUME, 1);
    vmx.write({ GUEST_FS_BASE: SECOND });
    vmx.lab.core.run(30);
    expect([vmx.reason, vmx.lab.get('rax')]).toEqual([Reason.VMCALL, 1n]);
    const told = vmx.read('GUEST_FS_BASE');
    resume(`${FS_0} ${VMCALL}`);
    expect(vmx.lab.get('rax')).toBe(told === BigInt(FIRST) ? 1n : 2n);
  });

  it('what the guest changes is saved, and loaded again', () => {
    resume(`${SWAPGS} ${VMCALL}`);
    const swapped = vmx.read('GUEST_GS_BASE');
    expect(swapped).not.toBe(BigInt(SECOND));
    resume(VMCALL);
    expect(vmx.read('GUEST_GS_BASE')).toBe(swapped);
    resume(`${SWAPGS} ${VMCALL}`);
    expect(vmx.read('GUEST_GS_BASE')).toBe(BigInt(SECOND));
  });
});

describe('stored before the first entry', () => {
  it('a word beside the fields spares no check', () => {
    vmx.write({ GUEST_CR4: 0xffffffff80002020n, HOST_RIP: 1n << 63n, PIN_BASED_CONTROLS: 0xffffffff });
    vmx.lab.put32(VMCS + 12, 7);
    vmx.enter(VMLAUNCH, 1);
    expect([vmx.inGuest, vmx.brokenRule]).toEqual([false, 'PIN_RESERVED']);
  });
});

describe('two regions in turn', () => {
  const OTHER = 0x4d000;
  const load = (pa: number) => {
    vmx.lab.put64(CODE + 0x88, BigInt(pa));
    vmx.lab.code(CODE + 0x180, '0f c7 33');
    vmx.lab.set({ rip: CODE + 0x180, rbx: CODE + 0x88 });
    vmx.lab.step(1);
  };
  it('are each checked for what stores changed, and keep their own fields', () => {
    const bytes = (at: number) => vmx.lab.core.memory.bytes(at, 0x1000);
    bytes(OTHER).set(bytes(VMCS));
    const place = OTHER + offsetOf(fieldNamed('HOST_RIP').encoding);
    vmx.lab.put64(place, BigInt(HOST_CODE + 0x100));
    vmx.lab.code(HOST_CODE + 0x100, 'eb fe');
    vmx.lab.code(GUEST_CODE, VMCALL);
    for (const instruction of [VMLAUNCH, VMRESUME, VMRESUME]) {
      for (const [pa, host] of [
        [VMCS, HOST_CODE],
        [OTHER, HOST_CODE + 0x100],
      ]) {
        load(pa);
        vmx.lab.put64(pa + offsetOf(fieldNamed('GUEST_RIP').encoding), BigInt(GUEST_CODE));
        vmx.enter(instruction, 1);
        vmx.lab.core.run(5);
        expect(vmx.lab.get('rip')).toBe(BigInt(host));
      }
    }
    load(VMCS);
    vmx.lab.put64(place, 1n << 63n);
    load(OTHER);
    vmx.enter(VMRESUME, 1);
    expect(vmx.brokenRule).toBe('HOST_64');
  });
});

describe('stored while the guest runs', () => {
  it('a CR3-target count is no bound', () => {
    // mov [rsi], eax; mov cr3, rdi
    const at = VMCS + offsetOf(fieldNamed('CR3_TARGET_COUNT').encoding);
    vmx.lab.set({ rsi: at, rax: 0xffffffff, rdi: 0x123456789000n });
    begin({ ...controls({ primary: Primary.CR3_LOAD }) }, '89 06 0f 22 df');
    vmx.lab.core.run(10);
    expect(vmx.reason).toBe(Reason.CR_ACCESS);
  });

  it('a link pointer is not where VMREAD and VMWRITE go', () => {
    const revision = Number(vmx.lab.core.readMsr(0x480) & 0x7fffffffn);
    vmx.lab.put32(LINK, (revision | 0x80000000) >>> 0);
    vmx.lab.set({ rsi: VMCS + offsetOf(fieldNamed('VMCS_LINK_POINTER').encoding), rax: RAM_END - 8, rcx: 0x41414141 });
    // mov [rsi], rax, and VMWRITE of every field: mov ebx, encoding; vmwrite rbx, rcx
    const little = (value: number) => [0, 8, 16, 24].map((shift) => ((value >> shift) & 255).toString(16)).join(' ');
    const writes = VMCS_FIELDS.map(({ encoding }) => `bb ${little(encoding)} 0f 79 d9`).join(' ');
    begin(
      {
        ...controls({ secondary: SHADOWING }),
        VMREAD_BITMAP_ADDRESS: BITMAPS,
        VMWRITE_BITMAP_ADDRESS: BITMAPS + 0x1000,
        VMCS_LINK_POINTER: LINK,
      },
      `48 89 06 ${writes} ${VMCALL}`,
    );
    vmx.lab.core.run(1000);
    expect(vmx.reason).toBe(Reason.VMCALL);
    const field = fieldNamed('GUEST_RSP');
    expect(vmx.lab.view().getUint32(LINK + offsetOf(field.encoding), true)).toBe(0x41414141);
    expectInside();
  });

  it('an MSR-store address, the host RIP and CR4 are those of the entry', () => {
    vmx.lab.put32(MSR_LIST, PAT);
    vmx.lab.put32(RAM_END - 12, PAT);
    begin({ EXIT_MSR_STORE_ADDRESS: MSR_LIST, EXIT_MSR_STORE_COUNT: 1 }, VMCALL);
    const cr4 = vmx.read('HOST_CR4');
    vmx.write({ EXIT_MSR_STORE_ADDRESS: RAM_END - 12, HOST_RIP: 1n << 63n, HOST_CR4: 0xffffffffn << 32n });
    vmx.lab.core.run(5);
    expect(vmx.lab.view().getBigUint64(MSR_LIST + 8, true)).toBe(0x0007040600070406n);
    expect([vmx.lab.get('rip'), vmx.lab.get('cr4')]).toEqual([BigInt(HOST_CODE), cr4]);
    expectInside();
  });

  it('the address of a page-modification log is that of the entry', () => {
    const ept = new ExtendedTables(vmx);
    vmx.lab.set({ rsi: 0x60000 });
    const fields = {
      ...controls({ secondary: Secondary.EPT | Secondary.PML }),
      EPTP: ept.pointer | 0x40n,
      PML_ADDRESS: 0x4b000,
      PML_INDEX: 500,
    };
    begin(fields, `89 06 ${VMCALL}`);
    vmx.write({ PML_ADDRESS: RAM_END - 4, PML_INDEX: 0 });
    vmx.lab.core.run(5);
    expect(vmx.lab.view().getBigUint64(0x4b000, true)).not.toBe(0n);
    expectInside();
  });

  it('the virtual-APIC page and the posted-interrupt descriptor are those of the entry', () => {
    vmx.lab.set({ rax: 15 });
    const fields = {
      ...controls({
        pin: Pin.EXTERNAL | Pin.POSTED,
        primary: Primary.TPR_SHADOW,
        secondary: Secondary.VIRTUAL_INTERRUPTS,
        exit: 0x8000,
      }),
      VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC,
      POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: POSTED,
      POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0xf2,
    };
    begin(fields, `44 0f 22 c0 ${VMCALL}`);
    vmx.write({ VIRTUAL_APIC_ADDRESS: RAM_END - 0x83, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: RAM_END - 0x24 });
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.core.writeMsr(0x80f, 0x1ffn);
    vmx.lab.core.deliverMsi(0xfee00000, 0xf2);
    vmx.lab.core.run(5);
    expect(vmx.lab.view().getUint8(VIRTUAL_APIC + 0x80)).toBe(0xf0);
    expectInside();
  });

  it('the virtualization-exception area is that of the entry', () => {
    const ept = new ExtendedTables(vmx);
    vmx.lab.gate64(20, 0x20000n);
    vmx.lab.code(0x20000, VMCALL);
    vmx.lab.set({ rsi: 0x60000 });
    const fields = {
      ...controls({ secondary: Secondary.EPT | Secondary.VE }),
      EPTP: ept.pointer,
      VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: 0x4c000,
    };
    begin(fields, `8b 06 ${VMCALL}`);
    ept.change(0, 0x60000, Ept.ALL);
    vmx.write({ VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: RAM_END - 0x1b });
    vmx.lab.core.run(5);
    expect(vmx.lab.view().getUint32(0x4c000, true)).toBe(Reason.EPT_VIOLATION);
    expectInside();
  });

  it('the bitmaps are those of the entry', () => {
    vmx.lab.set({ rcx: PAT });
    begin({ ...controls({ primary: Primary.MSR_BITMAPS }), MSR_BITMAPS_ADDRESS: BITMAPS }, `0f 32 ${VMCALL}`);
    for (let at = 0; at < 0x1000; at += 8) vmx.lab.put64(0x60000 + at, 0xffffffffffffffffn);
    vmx.write({ MSR_BITMAPS_ADDRESS: 0x60000 });
    vmx.lab.core.run(5);
    expect(vmx.reason).toBe(Reason.VMCALL);
  });
});
