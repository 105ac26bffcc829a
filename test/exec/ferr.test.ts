// FERR# and IGNNE# (SDM Vol. 1, "MS-DOS Compatibility Sub-mode"): a real-mode processor whose FERR# pin is watched.
import { beforeEach, describe, expect, it } from 'vitest';
import { createCore, type WasmCore } from '../../src/core/index.ts';
import { Stop } from '../../src/core/types.ts';

const CODE = 0x7c00;
const NMI_HANDLER = 0x6000;
const NMI_VECTOR = 2;
const MF_VECTOR = 16;
/** FNINIT; FLDCW [0x500]: division by zero is not masked; FLD1; FLDZ; FDIVP. */
const ERROR = 'db e3 d9 2e 00 05 d9 e8 d9 ee de f9';
const ERROR_INSTRUCTIONS = 5;
const ERROR_BYTES = 12;

let core: WasmCore;
let pin: boolean[];

function program(rest: string): void {
  const bytes = Uint8Array.from(`${ERROR} ${rest} f4`.split(' '), (byte) => Number.parseInt(byte, 16));
  core.memory.bytes(CODE, bytes.length).set(bytes);
  core.memory.bytes(0x500, 2).set([0x7b, 0x03]);
  core.invalidateCode(CODE, bytes.length);
  expect(core.run(ERROR_INSTRUCTIONS)).toBe(Stop.BUDGET);
}
function vector(number: number, offset: number): void {
  core.memory.bytes(4 * number, 4).set([offset & 0xff, offset >> 8, 0, 0]);
}

beforeEach(async () => {
  pin = [];
  const bus = {
    portIn: () => 0xff,
    portOut: () => {},
    mmioRead: () => 0,
    mmioWrite: () => {},
    interruptAcknowledge: () => 0x20,
    ferr: (asserted: boolean) => void pin.push(asserted),
  };
  core = await createCore({ memoryBytes: 0x100000, bus });
  const real = { base: 0n, limit: 0xffff, rights: 0x93, selector: 0 };
  for (const name of ['ss', 'ds', 'es'] as const) core.setSegment(name, real);
  core.setSegment('cs', { ...real, rights: 0x9b });
  for (const [name, value] of Object.entries({ 'idtr.base': 0, 'idtr.limit': 0x3ff, rip: CODE, rsp: 0x7000 })) {
    core.set(name as 'rip', BigInt(value));
  }
});

describe('with CR0.NE = 0, after an unmasked x87 exception', () => {
  it.each([
    ['WAIT', '9b'],
    ['FLD1', 'd9 e8'],
    ['an MMX instruction', '0f ef c0'],
  ])('%s asserts FERR# and freezes the processor with RIP at it', (_name, bytes) => {
    program(bytes);
    expect(pin).toEqual([]);
    expect(core.run(10)).toBe(Stop.HALT);
    expect(pin).toEqual([true]);
    expect(core.get('rip')).toBe(BigInt(CODE + ERROR_BYTES));
    expect(core.run(10)).toBe(Stop.HALT);
    expect(pin).toEqual([true]);
  });

  it('FNSTSW and integer instructions run on', () => {
    program('df e0 40');
    expect(core.run(2)).toBe(Stop.BUDGET);
    expect(core.get('rax') & 0xffn).toBe(0x85n);
    expect(pin).toEqual([]);
  });

  it('an NMI ends the freeze and returns to the instruction', () => {
    program('9b');
    vector(NMI_VECTOR, NMI_HANDLER);
    core.run(10);
    core.nmi();
    core.run(1);
    expect(core.get('rip')).toBe(BigInt(NMI_HANDLER));
    const image = new DataView(core.memory.bytes(0x6ffa, 6).slice().buffer);
    expect(image.getUint16(0, true)).toBe(CODE + ERROR_BYTES);
  });

  it('IGNNE# lets waiting instructions run, and FNCLEX takes FERR# back', () => {
    program('d9 e8 db e2');
    core.run(10);
    core.setIgnne(true);
    core.nmi();
    vector(NMI_VECTOR, CODE + ERROR_BYTES);
    core.run(3);
    expect(core.get('rip')).toBe(BigInt(CODE + ERROR_BYTES + 4));
    expect(pin).toEqual([true, false]);
  });
});

it('with CR0.NE = 1 the waiting instruction is #MF, and FERR# stays as it is', () => {
  core.set('cr0', 0x30n);
  vector(MF_VECTOR, NMI_HANDLER);
  program('9b');
  core.run(1);
  expect(core.get('rip')).toBe(BigInt(NMI_HANDLER));
  expect(pin).toEqual([]);
});
