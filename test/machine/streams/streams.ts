/**
 * Random instruction streams on a machine full of devices. A seed is one machine in one mode; whatever its guest does,
 * the machine comes back and the event loop has its turns.
 */
import type { WasmCore } from '../../../src/core/index.ts';
import { GPRS, type RegisterName } from '../../../src/core/types.ts';
import { Machine, ramDisk, Switch } from '../../../src/index.ts';
import { CODE, Lab } from '../../exec/lab.ts';
import { fillProgram, randomValue } from '../../exec/random-code.ts';
import { randomNumbers } from '../../random.ts';
import { GUEST_CODE, HOST_CODE, VMCS, VMXON } from '../../vmx/lab.ts';
import { DIRECTORY_32, enter, MODES, type Mode, POINTERS, PREAMBLES, putTables, ROOT } from './modes.ts';
import { enterHost } from './vmx.ts';

export interface StreamResult {
  mode: Mode;
  instructions: number;
  /** VM exits to the host in the guest. */
  vmExits: number;
  /** Accesses to devices. */
  ports: number;
  mmio: number;
  /** Longest time between two turns of the event loop, in ms. */
  longest: number;
  /** How often the guest ended, by the outcome. */
  ends: Record<string, number>;
}

const STREAM_BYTES = 0x1000;
/** Lives of a guest on one machine; of one, parts that begin somewhere in the stream, and the instructions of a part. */
const LIVES = 2;
const PARTS = 24;
const PART = 250;
/** Turns of the event loop without an instruction after which a guest sleeps for good. */
const ASLEEP = 20;
const PORTS = [
  ...[0x00, 0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0, 0xa1, 0xb2, 0x3c0, 0x3ce],
  ...[0x1ce, 0x1cf, 0x3d4, 0x3f8, 0x3f9, 0x402, 0x4d0, 0x501, 0x505, 0x510, 0x511, 0x514, 0x600, 0x608, 0xcf8, 0xcf9],
  0xcfc,
];
const ADDRESSES = [0xa_0000, 0xb_8000, 0xfec0_0000, 0xfed0_0000, 0xfee0_0000];
/** OUT and IN by DX; to and from [EDI]. */
const PORT_ACCESSES = [[0xee], [0xef], [0xec], [0xed], [0x66, 0xef], [0x6e], [0x6c], [0xf3, 0x6e]];
const MEMORY_ACCESSES = [[0x89, 0x07], [0x8b, 0x07], [0x88, 0x07], [0xab], [0xf3, 0xaa], [0xf0, 0x0f, 0xb1, 0x0f]];

/** CPUID, RDMSR, WRMSR, MOV of CR0, CR3, CR4 and DR7, INVLPG, HLT, PAUSE, RDTSC, VMX instructions and others. */
const SYSTEM = [
  '0f a2|0f 32|0f 30|0f 20 c0|0f 22 c0|0f 20 d8|0f 22 d8|0f 20 e0|0f 22 e0|0f 21 f8|0f 23 f8|0f 01 3f|f4|f3 90|0f 31',
  '0f 01 c1|0f 01 d1|0f 01 d4|0f 78 c8|0f 79 c8|0f c7 f0|0f 09|0f 06|0f 00 d8|0f 01 17|fb|9d|cf|cd 80',
].flatMap((line) => line.split('|').map((code) => code.split(' ').map((byte) => Number.parseInt(byte, 16))));

type Next = () => number;
type Ranges = ReturnType<typeof rangesOf>;
const pick = <T>(list: readonly T[], next: Next): T => list[next() % list.length];

async function makeMachine(seed: number): Promise<Machine> {
  const types = ['virtio-rng', 'virtio-balloon', 'virtio-gpu', 'virtio-serial', 'isa-debug-exit', 'pvpanic'] as const;
  return Machine.create({
    kernel: Uint8Array.of(0xf4),
    flat: { address: 0x7c00, mode: 16 },
    memory: '8M',
    cpu: 'max,+vmx',
    seed,
    recordExits: true,
    drives: { disk: ramDisk(new Uint8Array(0x10_0000)), nvme: ramDisk(new Uint8Array(0x10_0000)) },
    netdevs: { net: new Switch().port() },
    devices: [
      ...types.map((type) => ({ type })),
      { type: 'virtio-blk', drive: 'disk' },
      { type: 'virtio-net', netdev: 'net' },
      { type: 'nvme', drive: 'nvme' },
    ],
  });
}

/** Where firmware put the ranges of the PCI devices: what real-mode code reads by configuration mechanism #1. */
function rangesOf(lab: Lab): { ports: number[]; addresses: number[] } {
  const found = { ports: [...PORTS], addresses: [...ADDRESSES] };
  for (let slot = 0; slot < 16; slot++) {
    for (let bar = 0x10; bar <= 0x24; bar += 4) {
      // OUT DX, EAX; ADD DX, 4; IN EAX, DX
      lab.code(0x7c00, '66 ef 83 c2 04 66 ed');
      lab.set({ rip: 0x7c00, rdx: 0xcf8, rax: 0x8000_0000 + (slot << 11) + bar });
      lab.step(3);
      const value = Number(lab.get('rax') & 0xffff_ffffn);
      const base = (value & ~15) >>> 0;
      if (value === 0xffff_ffff || base === 0) continue;
      if (value & 1) found.ports.push(base, base + 4);
      else found.addresses.push(...[0, 0x1000, 0x2000, 0x3000].map((offset) => base + offset));
    }
  }
  return found;
}

const bytesOf = (value: number): number[] => [0, 8, 16, 24].map((n) => (value >>> n) & 0xff);

/** Sprinkles accesses to devices and system instructions over a stream; for 16-bit code, with the prefixes that make it 32-bit. */
function addAccesses(stream: Uint8Array, is16: boolean, { ports, addresses }: Ranges, next: Next): void {
  for (let at = next() % 64; at + 16 < stream.length; at += 12 + (next() % 80)) {
    const [operand, both] = is16 ? [[0x66], [0x67, 0x66]] : [[], []];
    const toPort = [...operand, 0xba, ...bytesOf(pick(ports, next)), ...pick(PORT_ACCESSES, next)];
    const place = pick(addresses, next) + (next() % 8 === 0 ? next() & 0xfff : next() & 0x3c);
    const toMemory = [...operand, 0xbf, ...bytesOf(place), ...both, ...pick(MEMORY_ACCESSES, next)];
    const value = next() % 3 === 0 ? [...operand, 0xb8, ...bytesOf(next() % 2 ? next() & 0xff : next())] : [];
    stream.set([...value, ...pick([toPort, toMemory, pick(SYSTEM, next)], next)].slice(0, 16), at);
  }
}

/** Another processor or a device stores into what the processor reads by itself. */
function meddle(lab: Lab, mode: Mode, next: Next): void {
  const structures = [0, 0x1000, 0x2000, 0x3000, 0x4000, POINTERS, DIRECTORY_32, ROOT, 0x10_0000, 0x10_7000];
  if (mode === 'VMX guest') structures.push(VMCS, VMCS, VMCS, 0x12_0000, 0x12_2000, 0x12_6000, 0x4_2000, 0x4_8000);
  const at = pick(structures, next) + 8 * (next() % 512);
  if (at === VMCS) return;
  lab.put64(at, lab.view().getBigUint64(at, true) ^ (1n << BigInt(next() % 64)));
  lab.core.invalidateCode(at, 8);
}

function begin(lab: Lab, mode: Mode, ranges: Ranges, next: Next): void {
  lab.core.reset();
  const is16 = ['real-address', 'unreal', 'virtual-8086', '16-bit protected'].includes(mode);
  const stream = new Uint8Array(STREAM_BYTES);
  fillProgram(stream, next);
  addAccesses(stream, is16, ranges, next);
  const { memory } = lab.core;
  memory.bytes(0, 0xa_0000).fill(0);
  const fill = (from: number, to: number): void => {
    for (let at = from; at < to; at += STREAM_BYTES) memory.bytes(at, STREAM_BYTES).set(stream);
  };
  // All over memory, so that whoever jumps there goes on with it; but not where VMX has its structures.
  fill(0x6000, VMXON);
  fill(GUEST_CODE, 0xa_0000);
  fill(0x13_0000, memory.size);
  putTables(lab, next);
  if (mode === 'VMX guest') enterHost(lab, next);
  else enter(lab, mode, next);
  memory.bytes(CODE, STREAM_BYTES).set(stream);
  if (PREAMBLES[mode]) lab.code(CODE, PREAMBLES[mode]);
  lab.core.invalidateCode(0, memory.size);
  for (const n of [0, 1, 2, 3]) {
    if (next() % 8 === 0) lab.core.set(`dr${n}` as RegisterName, BigInt(CODE + (next() & 0xfff)));
  }
  if (next() % 8 === 0) lab.core.set('dr7', BigInt(0x400 | (next() & 0xffff_00ff)));
}

/** Somewhere else in the stream, with other registers: most streams end in a loop of a few instructions. */
function goElsewhere({ core }: Lab, mode: Mode, next: Next): void {
  for (const name of GPRS) if (name !== 'rsp' && next() % 2 === 0) core.set(name, randomValue(next));
  const { inGuest = false } = core.vmx ?? {};
  const start = inGuest ? GUEST_CODE : CODE;
  const { base } = core.getSegment('cs');
  core.set('rip', BigInt(start + (next() % STREAM_BYTES)) - (base < BigInt(start) + 1n ? base : BigInt(start)));
  // A host goes back to its guest.
  if (mode === 'VMX guest' && !inGuest && next() % 8 !== 0) core.set('rip', BigInt(HOST_CODE));
}

/** Runs a part of a life. Returns how the guest ended, or 'limit'. */
async function runPart(machine: Machine, turn: (ms: number) => void): Promise<string> {
  let [over, idle, seen, last] = [false, 0, machine.core.retired, performance.now()];
  const watch = (): void => {
    if (over) return;
    const now = performance.now();
    turn(now - last);
    last = now;
    idle = machine.core.retired === seen ? idle + 1 : 0;
    seen = machine.core.retired;
    if (idle > ASLEEP) machine.stop();
    setImmediate(watch);
  };
  setImmediate(watch);
  try {
    return (await machine.run({ instructions: PART })).reason;
  } finally {
    over = true;
    turn(performance.now() - last);
  }
}

/** The machine of `seed`. `turn` is told of every turn of the event loop. */
export async function runStream(seed: number, turn: () => void = () => {}): Promise<StreamResult> {
  const next = randomNumbers(Math.imul(seed, 0x9e37_79b1) | 1);
  for (let n = 0; n < 4; n++) next();
  const mode = MODES[seed % MODES.length];
  const machine = await makeMachine(seed);
  const lab = new Lab(machine.core as WasmCore);
  const ranges = rangesOf(lab);
  const ends: Record<string, number> = {};
  let longest = 0;
  for (let life = 0; life < LIVES; life++) {
    begin(lab, mode, ranges, next);
    for (let part = 0; part < PARTS; part++) {
      // What a mode begins with comes first: a host's setup of its guest, the instructions that switch on PAE.
      if (part > 0) goElsewhere(lab, mode, next);
      const end = await runPart(machine, (ms) => {
        longest = Math.max(longest, ms);
        turn();
      });
      ends[end] = (ends[end] ?? 0) + 1;
      if (end !== 'limit') break;
      if (next() % 4 === 0) meddle(lab, mode, next);
    }
  }
  const { report } = machine;
  return {
    mode,
    instructions: report.instructions,
    vmExits: report.exits.filter(({ level }) => level === 1).reduce((sum, { count }) => sum + count, 0),
    ports: report.ports.reads + report.ports.writes,
    mmio: report.mmio.reads + report.mmio.writes,
    longest,
    ends,
  };
}
