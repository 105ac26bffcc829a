// Several vCPUs over one memory: each runs a copy of the module that is relocated to its own window.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCore } from '../../src/core/index.ts';
import { Stop } from '../../src/core/types.ts';
import { buildWasm } from '../../tools/build-wasm.ts';
import { controls, Pin, Primary, Secondary } from '../vmx/controls.ts';
import { vmxLab } from '../vmx/lab.ts';
import { emptyBus, enterFlat32, startProcessor, u32 } from './guest.ts';

const root = resolve(import.meta.dirname, '../..');
const ROUNDS = 1000;
const CALLS = 200;
const COUNTER = 0x3000;

/** Waits for its turn in the word at 0x3040 by LOCK CMPXCHG, adds to COUNTER, gives the turn to the other; ROUNDS times. */
const player = [
  ...[0xb9, ROUNDS & 0xff, ROUNDS >> 8, 0, 0], // mov ecx, ROUNDS
  ...[0x89, 0xd8], // L: mov eax, ebx         my number
  ...[0xba, 0x02, 0, 0, 0], // mov edx, 2     busy
  ...[0xf0, 0x0f, 0xb1, 0x15, 0x40, 0x30, 0, 0], // lock cmpxchg [TURN], edx
  ...[0x75, 0xef], // jne L
  ...[0xf0, 0xff, 0x05, 0x00, 0x30, 0, 0], // lock inc dword [COUNTER]
  ...[0x89, 0xd8], // mov eax, ebx
  ...[0x83, 0xf0, 0x01], // xor eax, 1
  ...[0xa3, 0x40, 0x30, 0, 0], // mov [TURN], eax
  ...[0x49], // dec ecx
  ...[0x75, 0xdb], // jne L
  ...[0xf0, 0xff, 0x05, 0x80, 0x30, 0, 0], // lock inc dword [0x3080]
  ...[0xeb, 0xfe], // jmp $
];

/** Sends vector 40h to the other and waits until both have answered, CALLS times; [3000h + 4 * number] counts answers. */
const caller = [
  ...[0xb9, 0x0f, 0x08, 0, 0, 0xb8, 0xff, 0x01, 0, 0, 0x31, 0xd2, 0x0f, 0x30], // enable the APIC: MSR 80fh = 1ffh
  ...[0x31, 0xf6], // xor esi, esi
  0xfb, // sti
  ...[0xf0, 0xff, 0x05, 0x84, 0x30, 0, 0], // lock inc dword [0x3084]
  ...[0x83, 0x3d, 0x84, 0x30, 0, 0, 2, 0x72, 0xf7], // R: cmp dword [0x3084], 2; jb R
  ...[0xb9, 0x30, 0x08, 0, 0, 0xb8, 0x40, 0, 0, 0], // L: mov ecx, 830h (ICR); mov eax, 40h
  ...[0x89, 0xda, 0x83, 0xf2, 0x01, 0x0f, 0x30], // mov edx, ebx; xor edx, 1; wrmsr
  0x46, // inc esi
  ...[0x39, 0x35, 0x00, 0x30, 0, 0, 0x72, 0xf8], // W: cmp [0x3000], esi; jb W
  ...[0x39, 0x35, 0x04, 0x30, 0, 0, 0x72, 0xf0], // cmp [0x3004], esi; jb W
  ...[0x81, 0xfe, CALLS, 0, 0, 0, 0x72, 0xd6], // cmp esi, CALLS; jb L
  ...[0xf0, 0xff, 0x05, 0x80, 0x30, 0, 0, 0xeb, 0xfe], // lock inc dword [0x3080]; jmp $
];
/** At 1800h. */
const answerer = [
  ...[0x50, 0x51, 0x52, 0xff, 0x04, 0x9d, 0x00, 0x30, 0, 0], // push eax, ecx, edx; inc dword [0x3000 + 4 * ebx]
  ...[0xb9, 0x0b, 0x08, 0, 0, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30], // EOI: MSR 80bh = 0
  ...[0x5a, 0x59, 0x58, 0xcf], // pop edx, ecx, eax; iret
];

async function pair(source: Uint8Array<ArrayBuffer>) {
  const options = { memoryBytes: 1 << 20, bus: emptyBus, source, vcpus: 2 };
  const first = await createCore({ ...options, id: 0 });
  const second = await createCore({ ...options, id: 1, backing: first.backing });
  expect(second.run(1)).toBe(Stop.WAIT_FOR_SIPI);
  startProcessor(first, 1);
  expect(second.run(1)).toBe(Stop.BUDGET);
  first.memory.bytes(0x1000, player.length).set(player);
  for (const [id, core] of [first, second].entries()) {
    enterFlat32(core, 0x1000, 0x8000 + 0x1000 * id);
    core.set('rbx', BigInt(id));
  }
  return [first, second];
}

describe('vCPUs on one thread', () => {
  let source: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    source = new Uint8Array(readFileSync(await buildWasm(root, 'release')));
  }, 600_000);

  it('take turns by LOCKed instructions', async () => {
    const [first, second] = await pair(source);
    for (let slice = 0; slice < 100_000 && u32(first, 0x3080) < 2; slice++) {
      first.run(97);
      second.run(89);
    }
    expect(u32(first, COUNTER)).toBe(2 * ROUNDS);
    expect(first.get('rcx')).toBe(0n);
    expect(second.get('rcx')).toBe(0n);
  });

  it('see code that another one overwrites', async () => {
    const [first, second] = await pair(source);
    const routine = [0xb8, 1, 0, 0, 0, 0xeb, 0xf9]; // L: mov eax, 1; jmp L
    first.memory.bytes(0x1800, routine.length).set(routine);
    second.set('rip', 0x1800n);
    second.run(10);
    expect(second.get('rax')).toBe(1n);
    const store = [0xc6, 0x05, 0x01, 0x18, 0, 0, 7, 0xeb, 0xfe]; // mov byte [0x1801], 7; jmp $
    first.memory.bytes(0x1900, store.length).set(store);
    first.set('rip', 0x1900n);
    first.run(1);
    second.run(10);
    expect(second.get('rax')).toBe(7n);
  });

  it('start by INIT and SIPI, and INIT stops them again', async () => {
    const options = { memoryBytes: 1 << 20, bus: emptyBus, source, vcpus: 2 };
    const first = await createCore({ ...options, id: 0 });
    const second = await createCore({ ...options, id: 1, backing: first.backing });
    expect(second.run(10)).toBe(Stop.WAIT_FOR_SIPI);
    const startup = [0xc6, 0x06, 0x00, 0x05, 0x5a, 0xf4]; // mov byte [500h], 5Ah; hlt
    first.memory.bytes(0x8000, startup.length).set(startup);
    /** Writes `command` for all but itself to the interrupt command register. */
    const send = (command: number) => {
      const store = [0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, command & 0xff, command >> 8, 0x0c, 0x00, 0x90];
      first.memory.bytes(0x1000, store.length).set(store);
      first.invalidateCode(0x1000, store.length);
      enterFlat32(first, 0x1000, 0x8000);
      first.run(1);
    };
    const INIT = 0x4500;
    const SIPI_AT_8000 = 0x4608;
    send(INIT);
    expect(second.run(10)).toBe(Stop.WAIT_FOR_SIPI);
    send(SIPI_AT_8000);
    expect(second.run(10)).toBe(Stop.HALT);
    expect(first.memory.bytes(0x500, 1)[0]).toBe(0x5a);
    expect(second.getSegment('cs')).toMatchObject({ selector: 0x800, base: 0x8000n });
    send(SIPI_AT_8000);
    expect(second.run(10)).toBe(Stop.HALT);
    second.set('rbx', 1n);
    send(INIT);
    expect(second.run(10)).toBe(Stop.WAIT_FOR_SIPI);
    expect(second.get('rbx')).toBe(0n);
    expect(second.get('rip')).toBe(0xfff0n);
  });

  it('post interrupts to the guest of another one, which does not exit', async () => {
    const [GUEST, DESCRIPTOR, NOTIFICATION, VECTOR] = [0x50000, 0x4a000, 0xf2, 0x51];
    const vmx = await vmxLab(true, 'max,+vmx', { source, vcpus: 2 });
    const { core } = vmx.lab;
    const options = { memoryBytes: core.memory.size, bus: emptyBus, source, vcpus: 2, id: 1, cpu: 'max,+vmx' };
    const second = await createCore({ ...options, backing: core.backing });
    for (const one of [core, second]) {
      one.writeMsr(0x1b, one.readMsr(0x1b) | 0xc00n);
      one.writeMsr(0x80f, 0x1ffn);
    }
    vmx.write({
      ...controls({
        pin: Pin.EXTERNAL | Pin.POSTED,
        primary: Primary.TPR_SHADOW,
        secondary: Secondary.VIRTUAL_INTERRUPTS,
        exit: 0x8000,
      }),
      VIRTUAL_APIC_ADDRESS: 0x48000,
      POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: DESCRIPTOR,
      POSTED_INTERRUPT_NOTIFICATION_VECTOR: NOTIFICATION,
      GUEST_RFLAGS: 0x202,
    });
    vmx.lab.gate64(VECTOR, 0x20000n);
    vmx.lab.code(0x20000, 'ff c3 eb fe'); // inc ebx; jmp $
    vmx.lab.code(GUEST, 'eb fe'); // jmp $
    vmx.lab.set({ rbx: 0 });
    vmx.enter(undefined, 20);
    expect([vmx.inGuest, core.get('rip')]).toEqual([true, BigInt(GUEST)]);
    vmx.lab.put64(DESCRIPTOR + 8, 1n << BigInt(VECTOR - 64));
    vmx.lab.put64(DESCRIPTOR + 32, 1n);
    second.writeMsr(0x830, BigInt(NOTIFICATION));
    core.run(20);
    expect([vmx.inGuest, core.get('rbx'), core.get('rip')]).toEqual([true, 1n, 0x20002n]);
    expect(vmx.lab.view().getBigUint64(DESCRIPTOR + 8, true)).toBe(0n);
    second.writeMsr(0x830, BigInt(VECTOR));
    core.run(1);
    expect([vmx.inGuest, vmx.reason]).toEqual([false, 1]);
  });

  it('are refused where the core has no relocations', async () => {
    const plain = new Uint8Array(readFileSync(join(root, 'build/core-test.wasm')));
    await expect(pair(plain)).rejects.toThrow('test builds cannot be relocated');
  });
});

describe('vCPUs in two Workers', () => {
  /** Runs the guest at 1000h and its handler at 1800h on two vCPUs; what they say, and their memory. */
  async function inWorkers(guest: readonly number[]) {
    const source = new Uint8Array(readFileSync(await buildWasm(root, 'test-threads')));
    const options = { memoryBytes: 1 << 20, bus: emptyBus, source, vcpus: 2, shared: true };
    const first = await createCore({ ...options, id: 0 });
    first.memory.bytes(0x1000, guest.length).set(guest);
    first.memory.bytes(0x1800, answerer.length).set(answerer);
    const workers = [0, 1].map(
      (id) =>
        new Worker(
          `import('tsx/esm/api').then(({ tsImport }) => tsImport('./vcpu-worker.ts', '${import.meta.url}'));`,
          {
            eval: true,
            workerData: { id, source, backing: first.backing },
          },
        ),
    );
    const done = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(done).toEqual(['finished', 'finished']);
    return first;
  }

  it('take turns by LOCKed instructions over shared memory', async () => {
    expect(u32(await inWorkers(player), COUNTER)).toBe(2 * ROUNDS);
  }, 600_000);

  it("answer each other's interrupts", async () => {
    const memory = await inWorkers(caller);
    expect([u32(memory, 0x3000), u32(memory, 0x3004)]).toEqual([CALLS, CALLS]);
  }, 600_000);
});
