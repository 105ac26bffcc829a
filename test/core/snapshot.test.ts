// A snapshot is a vCPU's state and the RAM: what runs from it runs as it did the first time.
import { expect, it } from 'vitest';
import { flat32, u32 } from './guest.ts';

const mixer = [
  ...[0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00], // imul eax, eax, 1664525
  ...[0x05, 0x5f, 0xf3, 0x6e, 0x3c], // add eax, 1013904223
  ...[0x89, 0x04, 0x8d, 0x00, 0x20, 0, 0], // mov [ecx * 4 + 0x2000], eax
  ...[0x41], // inc ecx
  ...[0x83, 0xe1, 0x7f], // and ecx, 127
  ...[0xeb, 0xe8], // jmp 1000
];

it('a vCPU that is put back does again what it did', async () => {
  const core = await flat32(mixer);
  core.run(1003);
  const state = core.saveState();
  const ram = core.memory.bytes(0, core.memory.size).slice();
  core.run(5001);
  const first = [
    core.get('rip'),
    core.get('rax'),
    core.get('rcx'),
    core.get('rflags'),
    core.retired,
    u32(core, 0x2040),
  ];
  core.loadState(state);
  core.memory.bytes(0, ram.length).set(ram);
  expect(core.retired).toBe(1003);
  core.run(5001);
  expect([
    core.get('rip'),
    core.get('rax'),
    core.get('rcx'),
    core.get('rflags'),
    core.retired,
    u32(core, 0x2040),
  ]).toEqual(first);
});

it('a state of another size is refused', async () => {
  const core = await flat32(mixer);
  expect(() => core.loadState(new Uint8Array(12))).toThrow('state of 12 bytes: must be 65536');
});
