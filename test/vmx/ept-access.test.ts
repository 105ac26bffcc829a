/**
 * What extended page tables allow, violations and misconfigurations (SDM Vol. 3C, "EPT Translation Mechanism",
 * "EPT-Induced VM Exits", "Mode-based execute control").
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HANDLER, IST, STACK0 } from '../exec/lab.ts';
import { controls, Pin, Reason, Secondary, USER } from './controls.ts';
import { EPT, Ept, ExtendedTables, GUEST_TABLE, LINEAR, mapLinear, TRANSLATED, Violation, WRITE_BACK } from './ept.ts';
import { type Fields, GUEST_CODE, GUEST_STACK, VMCALL, type VmxLab, vmxLab } from './lab.ts';

const DATA = 0x61000;
/** By RSI: MOV EAX, [RSI]; MOV [RSI], EAX; JMP RSI. The page holds VMCALL. */
const ACCESSES = { read: '8b 06', write: '89 06', fetch: 'ff e6' } as const;
type Kind = keyof typeof ACCESSES;
const BITS = { read: Violation.READ, write: Violation.WRITE, fetch: Violation.FETCH } as const;
const KINDS = Object.keys(ACCESSES) as Kind[];
const MBEC = Secondary.EPT | Secondary.MODE_BASED_EXECUTE;

let vmx: VmxLab;
let ept: ExtendedTables;
async function set(cpu?: string): Promise<void> {
  vmx = await vmxLab(true, cpu);
  ept = new ExtendedTables(vmx);
  vmx.write({ ...controls({ secondary: Secondary.EPT }), EPTP: ept.pointer });
  vmx.lab.code(DATA, VMCALL);
  vmx.lab.set({ rsi: DATA, rax: 0xc1010f });
}
beforeEach(() => set());

/** Makes the access; the VM exit that came instead of it or behind it. */
function access(kind: Kind, fields: Fields = {}): { reason: number; qualification: bigint } {
  vmx.write(fields);
  vmx.guest(`${ACCESSES[kind]} ${VMCALL}`);
  expect(vmx.inGuest).toBe(false);
  return { reason: vmx.reason, qualification: vmx.qualification };
}
const violation = (qualification: bigint) => ({ reason: Reason.EPT_VIOLATION, qualification });

/** Rights that an entry may give, and the kinds of access that they allow. */
const RIGHTS: readonly (readonly [bits: bigint, name: string, allowed: readonly Kind[]])[] = [
  [0n, 'none', []],
  [1n, 'R', ['read']],
  [3n, 'RW', ['read', 'write']],
  [4n, 'X', ['fetch']],
  [5n, 'RX', ['read', 'fetch']],
  [7n, 'RWX', ['read', 'write', 'fetch']],
];

describe('an entry with rights', () => {
  it.each(RIGHTS)('%i (%s) allows %j', (bits, _name, allowed) => {
    const state = vmx.lab.core.saveState();
    const region = vmx.lab.core.memory.bytes(0x41000, 0x1000).slice();
    // DATA is seen at 1 GByte too, by a path of its own: the places of its entries by level.
    const gpa = 0x4000_0000;
    const places = [0x271000, 0x270000, EPT + 0x1008];
    for (const levels of [[0], [1], [2], [0, 2]]) {
      for (const kind of KINDS) {
        vmx.lab.core.loadState(state);
        vmx.lab.core.memory.bytes(0x41000, 0x1000).set(region);
        const entries = [BigInt(DATA) | WRITE_BACK, 0x271000n, 0x270000n];
        for (const [level, entry] of entries.entries())
          vmx.lab.put64(places[level], entry | (levels.includes(level) ? bits : Ept.ALL));
        mapLinear(vmx, 0, gpa);
        vmx.lab.set({ rsi: LINEAR });
        const seen = access(kind);
        const where = `${kind}, levels ${levels}`;
        if (allowed.includes(kind)) expect([where, seen.reason]).toEqual([where, Reason.VMCALL]);
        else {
          expect([where, seen]).toEqual([where, violation(BITS[kind] | (bits << Violation.RIGHTS) | TRANSLATED)]);
          expect(vmx.read('GUEST_PHYSICAL_ADDRESS')).toBe(BigInt(gpa));
          expect(vmx.read('GUEST_LINEAR_ADDRESS')).toBe(BigInt(LINEAR));
        }
      }
    }
  });
  it('gives what all entries of the path give', () => {
    ept.change(1, 0x200000, Ept.W);
    ept.set(0x3ff000, Ept.R | Ept.W);
    vmx.lab.set({ rsi: 0x3ff000 });
    expect(access('fetch')).toEqual(violation(Violation.FETCH | (Ept.R << Violation.RIGHTS) | TRANSLATED));
  });
});

describe('with mode-based execute control', () => {
  const NAMES = ['supervisor', 'user'] as const;
  const cases = [0n, Ept.X, Ept.XU, Ept.X | Ept.XU].flatMap((execute) =>
    [0n, Ept.R].flatMap((read) => NAMES.map((mode) => [read | execute, mode] as const)),
  );
  it.each(cases)('rights %i are those of a fetch by a %s-mode linear address', (bits, mode) => {
    mapLinear(vmx, 0, DATA, mode === 'user' ? 7 : 3);
    ept.set(DATA, bits);
    vmx.lab.set({ rsi: LINEAR });
    const seen = access('fetch', controls({ secondary: MBEC }));
    if ((bits & (mode === 'user' ? Ept.XU : Ept.X)) !== 0n) expect(seen.reason).toBe(Reason.VMCALL);
    else {
      const rights = ((bits & 7n) << Violation.RIGHTS) | ((bits & Ept.XU) >> 4n);
      const linear = mode === 'user' ? TRANSLATED : TRANSLATED & ~Violation.USER;
      expect(seen).toEqual(violation(Violation.FETCH | rights | linear));
    }
  });
  it('rights of users are looked at where CPL is 3', () => {
    ept.set(DATA, Ept.R | Ept.X);
    const seen = access('fetch', { ...controls({ secondary: MBEC }), ...USER });
    expect(seen).toEqual(violation(Violation.FETCH | ((Ept.R | Ept.X) << Violation.RIGHTS) | TRANSLATED));
  });
  it('bit 10 of entries is ignored without the control', () => {
    ept.set(DATA, Ept.XU);
    expect(access('read')).toEqual(violation(Violation.READ | TRANSLATED));
  });
  it('an entry of the path that lacks user-mode execution takes it away', () => {
    ept.change(1, 0x200000, Ept.XU);
    vmx.lab.code(0x3ff000, VMCALL);
    vmx.lab.set({ rsi: 0x3ff000 });
    expect(access('fetch', controls({ secondary: MBEC }))).toEqual(
      violation(Violation.FETCH | (7n << Violation.RIGHTS) | TRANSLATED),
    );
  });
});

describe('an EPT misconfiguration is', () => {
  const LARGE = 0x200000;
  const wide = 1n << 46n;
  // biome-ignore format: a line per case
  const cases: readonly (readonly [name: string, gpa: number, secondary: number, prepare: () => void])[] = [
    ['a writable page that cannot be read', DATA, Secondary.EPT, () => ept.set(DATA, Ept.W)],
    ['a writable and executable page that cannot be read', DATA, Secondary.EPT, () => ept.set(DATA, Ept.W | Ept.X)],
    ['a writable directory entry that cannot be read', LARGE, Secondary.EPT, () => ept.change(1, LARGE, Ept.R)],
    ['memory type 2', DATA, Secondary.EPT, () => ept.change(0, DATA, 0x38n, 2n << 3n)],
    ['memory type 3', DATA, Secondary.EPT, () => ept.change(0, DATA, 0x38n, 3n << 3n)],
    ['memory type 7', DATA, Secondary.EPT, () => ept.change(0, DATA, 0x38n, 7n << 3n)],
    ['memory type 7 of a page without a right to the access', DATA, Secondary.EPT, () => ept.change(0, DATA, 0x3an, (7n << 3n) | Ept.X)],
    ['an address of a page beyond the physical-address width', DATA, Secondary.EPT, () => ept.change(0, DATA, 0n, wide)],
    ['an address of a table beyond the physical-address width', LARGE, Secondary.EPT, () => ept.change(1, LARGE, 0n, wide)],
    ['bit 3 in a directory entry that refers to a table', LARGE, Secondary.EPT, () => ept.change(1, LARGE, 0n, 8n)],
    ['bit 6 in a directory entry that refers to a table', LARGE, Secondary.EPT, () => ept.change(1, LARGE, 0n, 0x40n)],
    ['bit 12 of the address of a 2-MByte page', LARGE, Secondary.EPT, () => { ept.setLarge(LARGE, Ept.ALL); ept.change(1, LARGE, 0n, 0x1000n); }],
    ['bit 20 of the address of a 2-MByte page', LARGE, Secondary.EPT, () => { ept.setLarge(LARGE, Ept.ALL); ept.change(1, LARGE, 0n, 0x100000n); }],
    ['bit 21 of the address of a 1-GByte page', 0x4000_0000, Secondary.EPT, () => ept.setEntry(2, 0x4000_0000, 0x4020_0000n | WRITE_BACK | Ept.LARGE | Ept.ALL)],
    ['bit 7 in a PML4 entry', 2 ** 39, Secondary.EPT, () => ept.setEntry(3, 2 ** 39, 0x201000n | Ept.LARGE | Ept.ALL)],
    ['a writable page for user-mode execution that cannot be read', DATA, MBEC, () => ept.set(DATA, Ept.W | Ept.XU)],
  ];
  it.each(cases)('%s', (_name, gpa, secondary, prepare) => {
    prepare();
    mapLinear(vmx, 0, gpa);
    vmx.lab.set({ rsi: LINEAR });
    const { reason } = access('read', controls({ secondary }));
    expect([reason, vmx.read('GUEST_PHYSICAL_ADDRESS'), vmx.read('GUEST_RIP')]).toEqual([
      Reason.EPT_MISCONFIGURATION,
      BigInt(gpa),
      BigInt(GUEST_CODE),
    ]);
  });
  it.each([
    ['X', Ept.X, Secondary.EPT],
    ['X for supervisors', Ept.X, MBEC],
    ['X for users', Ept.XU, MBEC],
  ])(
    'a page that gives nothing but %s where there are no execute-only translations',
    async (_name, bits, secondary) => {
      await set('max,+vmx,-vmx-ept-execonly');
      ept.set(DATA, bits);
      expect(access('fetch', controls({ secondary })).reason).toBe(Reason.EPT_MISCONFIGURATION);
    },
  );
  it.each([
    ['bits 11:8 and 58:52 of a leaf', 0, 0x07f0_0000_0000_0b00n],
    ['bits 11:8 of a directory entry, memory type and all', 1, 0xf00n],
  ])('not %s', (_name, level, bits) => {
    ept.change(level, level === 0 ? DATA : 0x200000, 0n, bits);
    if (level === 1) vmx.lab.set({ rsi: 0x3ff000 });
    expect(access('read').reason).toBe(Reason.VMCALL);
  });
  it('of a guest paging structure gives the address of the entry', () => {
    mapLinear(vmx, 2, DATA);
    ept.set(GUEST_TABLE, Ept.W);
    vmx.lab.set({ rsi: LINEAR + 0x2000 });
    expect(access('read').reason).toBe(Reason.EPT_MISCONFIGURATION);
    expect(vmx.read('GUEST_PHYSICAL_ADDRESS')).toBe(BigInt(GUEST_TABLE + 16));
  });
});

describe('large pages', () => {
  it('of 2 MBytes and of 1 GByte give the address behind theirs', () => {
    vmx.lab.put32(0x3ff230, 0x1234);
    // 1 GByte at physical address 0, seen at 1 GByte.
    ept.setEntry(2, 0x4000_0000, WRITE_BACK | Ept.LARGE | Ept.R);
    mapLinear(vmx, 0, 0x4000_0000 + 0x3ff000);
    vmx.lab.set({ rsi: LINEAR + 0x230 });
    expect(access('read').reason).toBe(Reason.VMCALL);
    expect(vmx.lab.get('rax')).toBe(0x1234n);
  });
  // biome-ignore format: a line per case
  it.each([
    ['1 GByte', 'vmx-ept-1gb', 0x4000_0000, () => ept.setEntry(2, 0x4000_0000, WRITE_BACK | Ept.LARGE | Ept.R)],
    ['2 MBytes', 'vmx-ept-2mb', 0x200000, () => ept.setLarge(0x200000, Ept.R)],
  ])('of %s are reserved where the processor has none', async (_name, feature, gpa, prepare) => {
    await set(`max,+vmx,-${feature}`);
    prepare();
    mapLinear(vmx, 0, gpa);
    vmx.lab.set({ rsi: LINEAR });
    expect(access('read').reason).toBe(Reason.EPT_MISCONFIGURATION);
  });
});

describe('an EPT violation of IRET', () => {
  // The frame is on the page that cannot be read.
  const frame = IST - 0x800;
  beforeEach(() => {
    ept.set(frame, 0n);
    vmx.write({ GUEST_RSP: frame });
  });
  // biome-ignore format: a line per case
  it.each([
    ['NMIs blocked, which do not exit', 0, 8, true],
    ['virtual NMIs blocked', Pin.NMI | Pin.VIRTUAL_NMIS, 8, true],
    ['nothing blocked', Pin.NMI | Pin.VIRTUAL_NMIS, 0, false],
  ])('tells that it unblocked NMIs: %s', (_name, pin, blocking, told) => {
    vmx.write({ ...controls({ pin, secondary: Secondary.EPT }), GUEST_INTERRUPTIBILITY_STATE: blocking });
    vmx.guest('48 cf');
    expect(vmx.reason).toBe(Reason.EPT_VIOLATION);
    expect((vmx.qualification & Violation.UNBLOCKED_BY_IRET) !== 0n).toBe(told);
    expect(vmx.read('GUEST_INTERRUPTIBILITY_STATE')).toBe(0n);
  });
  it('leaves NMIs blocked where they exit and are not virtual', () => {
    vmx.write({ ...controls({ pin: Pin.NMI, secondary: Secondary.EPT }), GUEST_INTERRUPTIBILITY_STATE: 8 });
    vmx.guest('48 cf');
    expect([vmx.reason, vmx.read('GUEST_INTERRUPTIBILITY_STATE')]).toEqual([Reason.EPT_VIOLATION, 8n]);
  });
  /** The frame can be read and leads to `rip`; virtual NMIs are blocked, and the fault `vector` exits. */
  function returns(rip: number | bigint, rsp: number, vector: number): void {
    ept.set(frame, Ept.ALL);
    for (const [n, value] of [rip, 0x18, 2, rsp, 0x10].entries()) vmx.lab.put64(frame + 8 * n, BigInt(value));
    vmx.write({
      ...controls({ pin: Pin.NMI | Pin.VIRTUAL_NMIS, secondary: Secondary.EPT }),
      GUEST_INTERRUPTIBILITY_STATE: 8,
      EXCEPTION_BITMAP: 1 << vector,
    });
  }
  it('is told of in the interruption information of a fault', () => {
    const NON_CANONICAL = 1n << 62n;
    returns(NON_CANONICAL, STACK0, 13);
    vmx.guest('48 cf');
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([Reason.EXCEPTION_NMI, 0x80001b0dn]);
  });
  it('is told of no more by the fault after an IRET that succeeded', () => {
    returns(GUEST_CODE + 2, GUEST_STACK, 6);
    vmx.guest('48 cf  iretq\n 0f 0b  ud2');
    expect([vmx.reason, vmx.read('EXIT_INTERRUPTION_INFORMATION')]).toEqual([Reason.EXCEPTION_NMI, 0x80000306n]);
  });
});

describe('a VM exit in the delivery of an event', () => {
  beforeEach(() => {
    for (const vector of [2, 6]) vmx.lab.gate64(vector, BigInt(HANDLER), { ist: 1 });
    ept.set(IST - 8, 0n);
  });
  it.each([
    ['an NMI that is injected', Pin.NMI | Pin.VIRTUAL_NMIS],
    ['an NMI that is injected without virtual NMIs', 0],
  ])('of %s leaves NMIs blocked', (_name, pin) => {
    vmx.write({ ...controls({ pin, secondary: Secondary.EPT }), ENTRY_INTERRUPTION_INFORMATION: 0x80000202 });
    vmx.guest('90');
    expect([vmx.reason, vmx.read('IDT_VECTORING_INFORMATION')]).toEqual([Reason.EPT_VIOLATION, 0x80000202n]);
    expect(vmx.read('GUEST_INTERRUPTIBILITY_STATE')).toBe(8n);
  });
  it.each([1, 2])('ends blocking by STI and MOV SS: %i', (blocking) => {
    vmx.write({ GUEST_INTERRUPTIBILITY_STATE: blocking, GUEST_RFLAGS: 0x202 });
    vmx.guest('0f 0b');
    expect([vmx.reason, vmx.read('IDT_VECTORING_INFORMATION')]).toEqual([Reason.EPT_VIOLATION, 0x80000306n]);
    expect(vmx.read('GUEST_INTERRUPTIBILITY_STATE')).toBe(0n);
  });
  it('leaves blocking by STI where the event itself exits', () => {
    vmx.write({ GUEST_INTERRUPTIBILITY_STATE: 1, GUEST_RFLAGS: 0x202, EXCEPTION_BITMAP: 1 << 6 });
    vmx.guest('0f 0b');
    expect([vmx.reason, vmx.read('GUEST_INTERRUPTIBILITY_STATE')]).toEqual([Reason.EXCEPTION_NMI, 1n]);
  });
});
