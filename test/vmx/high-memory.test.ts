/** VMX structures, extended page tables and guest paging structures above 4 GiB. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, HANDLER } from '../exec/lab.ts';
import { controls, Pin, Primary, Reason, Secondary } from './controls.ts';
import { Ept, WRITE_BACK } from './ept.ts';
import { type Fields, GUEST_CODE, HOST_CODE, VMCALL, VMCS, VMLAUNCH, type VmxLab, vmxLab } from './lab.ts';
import { Reg } from './virtual-apic.ts';

const SIZE = 0x100000;
/** Offsets in high memory. */
const At = {
  VMXON: 0,
  VMCS: 0x1000,
  EPT: 0x10000,
  GUEST_TABLES: 0x20000,
  HOST_TABLES: 0x30000,
  DATA: 0x40000,
  LISTS: 0x50000,
} as const;
/** 4 GiB, 72 GiB, and the highest that 46 bits of physical address allow. */
const PLACES = [0x1_0000_0000, 0x12_0000_0000, 2 ** 46 - SIZE];

let vmx: VmxLab;
let high: number;
let extra: DataView;
const put = (offset: number, value: bigint | number) => extra.setBigUint64(offset, BigInt(value), true);
const get = (offset: number) => extra.getBigUint64(offset, true);
const pa = (offset: number) => BigInt(high + offset);
/** Executes instructions of the host. */
function execute(bytes: string, count: number): void {
  vmx.lab.code(CODE + 0x400, bytes);
  vmx.lab.set({ rip: CODE + 0x400 });
  vmx.lab.step(count);
}
/** Runs the guest at GUEST_CODE until it exits. */
function enter(fields: Fields, bytes = VMCALL): number {
  vmx.lab.code(GUEST_CODE, bytes);
  vmx.write(fields);
  vmx.enterToExit();
  if (vmx.brokenRule || vmx.error) throw new Error(`the entry failed: ${vmx.brokenRule ?? vmx.error}`);
  expect(vmx.inGuest).toBe(false);
  return vmx.reason;
}
/** Four-level tables at `offset` that map 4 MiB from 0 one to one, and the high memory at its own address and at `alias`. */
function tables(offset: number, table: bigint, large: bigint, alias?: number): bigint {
  let next = offset + 0x1000;
  const map = (at: number, to: bigint) => {
    let here = offset;
    for (const level of [3, 2]) {
      const index = Math.floor(at / 2 ** (12 + 9 * level)) % 512;
      if (get(here + 8 * index) === 0n) {
        put(here + 8 * index, pa(next) | table);
        next += 0x1000;
      }
      here = Number(get(here + 8 * index) & 0x3fff_ffff_f000n) - high;
    }
    put(here + 8 * (Math.floor(at / 0x200000) % 512), to | large);
  };
  for (const at of [0, 0x200000]) map(at, BigInt(at));
  const page = BigInt(Math.floor(high / 0x200000) * 0x200000);
  map(Number(page), page);
  if (alias !== undefined) map(alias, page);
  return pa(offset);
}

describe.each(PLACES)('at physical address %i', (place) => {
  beforeEach(async () => {
    high = place;
    vmx = await vmxLab(true, 'max,+vmx', { extraBytes: SIZE });
    vmx.lab.core.mapExtra(0, high, 0, SIZE, 'ram');
    const bytes = vmx.lab.core.extra;
    extra = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  });

  it('the VMXON region and the VMCS are used', () => {
    const revision = Number(vmx.lab.core.readMsr(0x480) & 0x7fffffffn);
    // VMCLEAR [RBX] of the VMCS below, whose contents go to the one above; VMXOFF; VMXON [RAX]; VMPTRLD [RCX]; VMPTRST [RDX].
    execute('66 0f c7 33', 1);
    vmx.lab.core.extra.set(vmx.lab.core.memory.bytes(VMCS, 0x1000), At.VMCS);
    extra.setUint32(At.VMXON, revision, true);
    vmx.lab.put64(CODE + 0x90, pa(At.VMXON));
    vmx.lab.put64(CODE + 0x98, pa(At.VMCS));
    vmx.lab.set({ rax: CODE + 0x90, rcx: CODE + 0x98, rdx: CODE + 0xa0 });
    execute('0f 01 c4 f3 0f c7 30 0f c7 31 0f c7 3a', 4);
    expect(vmx.lab.view().getBigUint64(CODE + 0xa0, true)).toBe(pa(At.VMCS));
    vmx.lab.code(GUEST_CODE, VMCALL);
    vmx.lab.code(HOST_CODE, '0f 78 c3');
    vmx.lab.set({ rax: 0x4402 });
    execute(VMLAUNCH, 3);
    // VMREAD RBX, RAX of the exit reason.
    expect([vmx.lab.get('rip'), vmx.lab.get('rbx')]).toEqual([BigInt(HOST_CODE + 3), BigInt(Reason.VMCALL)]);
    expect(vmx.reason).toBe(0);
  });

  it('extended page tables and what they map are used', () => {
    const gpa = 0x8000_0000;
    const eptp = tables(At.EPT, Ept.ALL, Ept.ALL | Ept.LARGE | WRITE_BACK, gpa);
    const within = high % 0x200000;
    // The guest's own tables stay below 4 GiB; they map 2 MiB at linear 400000H to guest-physical 2 GiB.
    vmx.lab.put64(0xa000 + 16, BigInt(gpa) | 0x87n);
    vmx.lab.set({ rsi: 0x400000 + within + At.DATA, rax: 0x1234_5678 });
    expect(enter({ ...controls({ secondary: Secondary.EPT }), EPTP: eptp | 0x1en }, `89 06 8b 5e 04 ${VMCALL}`)).toBe(
      Reason.VMCALL,
    );
    expect(get(At.DATA) & 0xffffffffn).toBe(0x1234_5678n);
  });
  it('a page that extended page tables do not map is told by its whole address', () => {
    const eptp = tables(At.EPT, Ept.ALL, Ept.ALL | Ept.LARGE | WRITE_BACK);
    const absent = 0x33_4440_0000;
    vmx.lab.put64(0xa000 + 16, BigInt(absent) | 0x87n);
    vmx.lab.set({ rsi: 0x400000 + 0x1238 });
    expect(enter({ ...controls({ secondary: Secondary.EPT }), EPTP: eptp | 0x1en }, '8b 06')).toBe(
      Reason.EPT_VIOLATION,
    );
    expect([vmx.read('GUEST_PHYSICAL_ADDRESS'), vmx.read('GUEST_LINEAR_ADDRESS')]).toEqual([
      BigInt(absent + 0x1238),
      0x401238n,
    ]);
  });
  it.each([
    ['with EPT', Secondary.EPT],
    ['without EPT', 0],
  ])('guest paging structures are walked, %s', (_name, secondary) => {
    const eptp = tables(At.EPT, Ept.ALL, Ept.ALL | Ept.LARGE | WRITE_BACK);
    const cr3 = tables(At.GUEST_TABLES, 7n, 0x87n);
    put(At.DATA, 0x1122_3344_5566_7788n);
    vmx.lab.set({ rsi: high + At.DATA });
    expect(enter({ ...controls({ secondary }), EPTP: eptp | 0x5en, GUEST_CR3: cr3 }, `48 8b 06 ${VMCALL}`)).toBe(
      Reason.VMCALL,
    );
    expect([vmx.lab.get('rax'), vmx.read('GUEST_CR3')]).toEqual([0x1122_3344_5566_7788n, cr3]);
    // The walk set accessed flags.
    expect(get(At.GUEST_TABLES) & 0x20n).toBe(0x20n);
  });
  it('the paging structures of the host are used behind the VM exit', () => {
    const cr3 = tables(At.HOST_TABLES, 7n, 0x87n);
    vmx.lab.code(HOST_CODE, '48 8b 06');
    put(At.DATA, 0x8877_6655_4433_2211n);
    vmx.lab.set({ rsi: high + At.DATA });
    enter({ HOST_CR3: cr3 });
    vmx.lab.step();
    expect([vmx.lab.get('cr3'), vmx.lab.get('rax')]).toEqual([cr3, 0x8877_6655_4433_2211n]);
  });
  it('MSR areas are read and written', () => {
    const STAR = 0xc0000081;
    put(At.LISTS, STAR);
    put(At.LISTS + 8, 0x1111);
    put(At.LISTS + 0x100, STAR);
    put(At.LISTS + 0x200, STAR);
    put(At.LISTS + 0x208, 0x2222);
    enter({
      ENTRY_MSR_LOAD_COUNT: 1, ENTRY_MSR_LOAD_ADDRESS: pa(At.LISTS), EXIT_MSR_STORE_COUNT: 1, EXIT_MSR_STORE_ADDRESS: pa(At.LISTS + 0x100),
      EXIT_MSR_LOAD_COUNT: 1, EXIT_MSR_LOAD_ADDRESS: pa(At.LISTS + 0x200),
    }); // biome-ignore format: a line of fields
    expect([vmx.reason, get(At.LISTS + 0x108), vmx.lab.core.readMsr(STAR)]).toEqual([Reason.VMCALL, 0x1111n, 0x2222n]);
  });
  it('I/O and MSR bitmaps are looked at', () => {
    vmx.lab.set({ rcx: 0x175 });
    extra.setUint8(At.LISTS + (0x175 >> 3), 1 << 5);
    expect(enter({ ...controls({ primary: Primary.MSR_BITMAPS }), MSR_BITMAPS_ADDRESS: pa(At.LISTS) }, '0f 32')).toBe(
      31,
    );
  });
  it('the virtual-APIC page, the posted-interrupt descriptor and the log of modified pages are used', () => {
    const NOTIFICATION = 0xf2;
    const [APIC, DESCRIPTOR, LOG] = [At.LISTS, At.LISTS + 0x1000, At.LISTS + 0x2000];
    const eptp = tables(At.EPT, Ept.ALL, Ept.ALL | Ept.LARGE | WRITE_BACK);
    vmx.lab.core.writeMsr(0x1b, 0xfee00d00n);
    vmx.lab.core.writeMsr(0x80f, 0x1ffn);
    vmx.lab.gate64(0x51, BigInt(HANDLER));
    vmx.lab.code(HANDLER, VMCALL);
    put(DESCRIPTOR + 8, 1n << 0x11n);
    put(DESCRIPTOR + 32, 1);
    vmx.lab.core.deliverMsi(0xfee00000, NOTIFICATION);
    enter({
      ...controls({ pin: Pin.EXTERNAL | Pin.POSTED, primary: Primary.TPR_SHADOW, secondary: 0x200 | Secondary.EPT | Secondary.PML, exit: 0x8000 }),
      VIRTUAL_APIC_ADDRESS: pa(APIC), POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: pa(DESCRIPTOR), POSTED_INTERRUPT_NOTIFICATION_VECTOR: NOTIFICATION,
      EPTP: eptp | 0x5en, PML_ADDRESS: pa(LOG), PML_INDEX: 511, GUEST_RFLAGS: 0x202,
    }); // biome-ignore format: a line of fields
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER)]);
    expect([extra.getUint32(APIC + Reg.ISR + 0x20, true), get(DESCRIPTOR + 8), get(DESCRIPTOR + 32)]).toEqual([
      1 << 0x11,
      0n,
      0n,
    ]);
    // The walk for the first instruction logged the guest's PML4 table.
    expect(get(LOG + 8 * 511)).toBe(0x8000n);
  });
  it('the EPTP list and the virtualization-exception information area are used', () => {
    const eptp = tables(At.EPT, Ept.ALL, Ept.ALL | Ept.LARGE | WRITE_BACK) | 0x1en;
    put(At.LISTS + 8, eptp);
    vmx.lab.gate64(20, BigInt(HANDLER));
    vmx.lab.code(HANDLER, VMCALL);
    vmx.lab.put64(0xa000 + 16, 0x1555_5540_0087n);
    vmx.lab.set({ rax: 0, rcx: 1, rsi: 0x400008 });
    enter({
      ...controls({ secondary: Secondary.EPT | Secondary.FUNCTIONS | Secondary.VE }), EPTP: eptp, VM_FUNCTION_CONTROLS: 1,
      EPTP_LIST_ADDRESS: pa(At.LISTS), VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS: pa(At.LISTS + 0x1000),
    }, '0f 01 d4 8b 06'); // biome-ignore format: a line of fields
    expect([vmx.reason, vmx.read('GUEST_RIP')]).toEqual([Reason.VMCALL, BigInt(HANDLER)]);
    expect([
      get(At.LISTS + 0x1000) & 0xffffffffn,
      get(At.LISTS + 0x1018),
      extra.getUint16(At.LISTS + 0x1020, true),
    ]).toEqual([48n, 0x1555_5540_0008n, 1]);
  });
});
