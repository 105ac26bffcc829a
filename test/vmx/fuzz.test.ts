/**
 * Random VMCS contents and random VMX instructions: every entry succeeds or fails by a rule, whatever the guest is and
 * does; nothing ends in an assertion of the processor, and no run takes longer than its budget.
 */
import { expect, it } from 'vitest';
import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { CODE } from '../exec/lab.ts';
import { GUEST_CODE, VMCS, VMLAUNCH, VMRESUME, VMXON, type VmxLab, vmxLab } from './lab.ts';

const ENTRY_FAILED = 0x80000021;
const NAMES = VMCS_FIELDS.map(({ name }) => name);
const CONTROLS = NAMES.filter((name) => name.endsWith('_CONTROLS'));

/** A generator of numbers below 2^32 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function randomValue(random: () => number, old: bigint): bigint {
  const wide = (BigInt(random()) << 32n) | BigInt(random());
  switch (random() % 6) {
    case 0:
      return 0n;
    case 1:
      return 0xffff_ffff_ffff_ffffn;
    case 2:
      return wide;
    case 3:
      return BigInt(random() % 0x400) << 12n;
    default:
      return old ^ (1n << (wide & 63n));
  }
}
const widthOf = new Map(VMCS_FIELDS.map(({ name, width }) => [name, width === '16' ? 16 : width === '32' ? 32 : 64]));

/** Changes one field; controls mostly in a bit that may be either, so that entries get far. */
function change(vmx: VmxLab, random: () => number): void {
  const pool = random() % 3 === 0 ? CONTROLS : NAMES;
  const name = pool[random() % pool.length];
  const old = vmx.read(name);
  const value = pool === CONTROLS ? old ^ (1n << BigInt(random() % 32)) : randomValue(random, old);
  vmx.write({ [name]: BigInt.asUintN(widthOf.get(name) ?? 64, value) });
}

async function enterWithChanges(random: () => number): Promise<string> {
  const vmx = await vmxLab(random() % 4 !== 0);
  const bytes = vmx.lab.core.memory.bytes(GUEST_CODE, 256);
  for (let n = 0; n < bytes.length; n++) bytes[n] = random();
  for (let n = random() % 6; n >= 0; n--) change(vmx, random);
  vmx.enter();
  const fails = vmx.error === 7 || vmx.error === 8;
  const rule = vmx.brokenRule;
  if (rule !== undefined) {
    expect(fails || vmx.reason === ENTRY_FAILED, rule).toBe(true);
    expect(vmx.inGuest).toBe(false);
    return rule;
  }
  expect([fails, vmx.reason === ENTRY_FAILED]).toEqual([false, false]);
  const before = vmx.lab.core.retired;
  for (let n = 0; n < 20; n++) vmx.lab.core.run(50);
  expect(vmx.lab.core.retired - before).toBeLessThanOrEqual(1000);
  return 'entered';
}

it('every VM entry with random fields succeeds, or fails by a rule', async () => {
  const random = randomFrom(1);
  const outcomes = new Set<string>();
  for (let n = 0; n < 60; n++) outcomes.add(await enterWithChanges(random));
  expect(outcomes).toContain('entered');
  expect(outcomes.size).toBeGreaterThan(10);
}, 120_000);

/** VMX instructions with operands in memory at [RAX], [RBX] and [RSI], or in RCX and RDX. */
// biome-ignore format: a line per few instructions
const INSTRUCTIONS = [
  'f3 0f c7 30', 'f3 0f c7 36', '66 0f c7 30', '66 0f c7 33', '66 0f c7 36', '0f c7 30', '0f c7 33', '0f c7 36', '0f c7 3e',
  '0f 78 ca', '0f 79 ca', '0f 78 16', '0f 79 16', '0f 01 c1', '0f 01 c4', '0f 01 d4', '66 0f 38 80 0e', '66 0f 38 81 0e',
  VMLAUNCH, VMRESUME, '0f 01 c2', '0f 01 c3', '0f a2', '0f 22 d8', '0f 30', '0f 32',
];

it('no sequence of VMX instructions with random operands leaves the architecture', async () => {
  const random = randomFrom(2);
  for (let n = 0; n < 40; n++) {
    const vmx = await vmxLab(random() % 4 !== 0);
    const code = Array.from({ length: 24 }, () => INSTRUCTIONS[random() % INSTRUCTIONS.length]).join(' ');
    vmx.lab.code(CODE + 0x200, `${code} eb fe`);
    vmx.lab.code(GUEST_CODE, `${code} eb fe`);
    vmx.write({ HOST_RIP: CODE + 0x200 + (random() % 24) });
    for (const name of ['rcx', 'rdx', 'rsi'] as const) {
      const { encoding } = VMCS_FIELDS[random() % VMCS_FIELDS.length];
      const choices = [BigInt(encoding), BigInt(VMXON), BigInt(VMCS), BigInt(random()), BigInt(CODE + 0x80), 1n];
      vmx.lab.set({ [name]: choices[random() % choices.length] });
    }
    vmx.lab.set({ rip: CODE + 0x200 });
    const before = vmx.lab.core.retired;
    for (let k = 0; k < 20; k++) vmx.lab.core.run(50);
    expect(vmx.lab.core.retired - before).toBeLessThanOrEqual(1000);
  }
}, 120_000);
