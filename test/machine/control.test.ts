// How an embedder holds a machine: signals, waiting for its output, its memory, its screen, and its end.
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';

const kernel = new Uint8Array(readFileSync(new URL('../../roms/hello.elf', import.meta.url)));
const devices = [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }] as const;
/** `jmp .`: a guest that never ends. */
const FOREVER = { kernel: Uint8Array.of(0xeb, 0xfe), flat: { address: 0x1000, mode: 16 } } as const;

describe('a run', () => {
  it('is ended by a signal, with its reason, and can be taken up again', async () => {
    const machine = await Machine.create(FOREVER);
    const control = new AbortController();
    const run = machine.run({ signal: control.signal });
    setTimeout(() => control.abort(new Error('enough')));
    await expect(run).rejects.toThrow('enough');
    await expect(machine.run({ signal: control.signal })).rejects.toThrow('enough');
    expect(await machine.run({ instructions: 10 })).toEqual({ reason: 'limit' });
  });

  it('of a machine that runs or is closed is refused, with the code ERR_STATE', async () => {
    const machine = await Machine.create(FOREVER);
    const run = machine.run();
    await expect(machine.run()).rejects.toMatchObject({ name: 'StateError', code: 'ERR_STATE' });
    await machine[Symbol.asyncDispose]();
    expect(await run).toEqual({ reason: 'stopped' });
    await expect(machine.run()).rejects.toThrow('the machine is closed');
    expect(() => machine.step()).toThrow('the machine is closed');
  });
});

describe('waiting for output', () => {
  it('finds each match once, in order, before and while it comes', async () => {
    const machine = await Machine.create({ kernel, append: 'one two', devices });
    const first = machine.waitFor(/Hello from (\w+) guest/);
    await machine.run();
    expect(await first).toBe('Hello from a guest');
    expect(await machine.waitFor('one two')).toBe('one two');
    await expect(machine.waitFor('one two', { timeoutMs: 1 })).rejects.toThrow(/"one two": not within 1 ms/);
    expect(await machine.waitFor('Bye.')).toBe('Bye.');
  });

  it('ends where the run ends, and says what the guest printed last', async () => {
    const machine = await Machine.create({ kernel, devices });
    const login = machine.waitFor(/login:/);
    const refused = expect(login).rejects.toThrow(/login:\/: the run ended \(debug-exit\); the console ends .*Bye/);
    await machine.run();
    await refused;
  });

  it('ends by a signal', async () => {
    const machine = await Machine.create({ kernel, devices });
    const control = new AbortController();
    const login = machine.waitFor(/login:/, { signal: control.signal });
    control.abort(new Error('no more'));
    await expect(login).rejects.toThrow('no more');
  });
});

describe('events', () => {
  it('are heard once by `once`, and no more after `off`', async () => {
    const machine = await Machine.create(FOREVER);
    const [once, always] = [vi.fn(), vi.fn()];
    machine.once('exit', once);
    machine.on('exit', always);
    await machine.run({ instructions: 1 });
    await machine.run({ instructions: 1 });
    machine.off('exit', always);
    await machine.run({ instructions: 1 });
    expect([once.mock.calls.length, always.mock.calls.length]).toEqual([1, 2]);
  });
});

describe('memory', () => {
  it('is read as a copy, and code that is written is run', async () => {
    const machine = await Machine.create(FOREVER);
    machine.step(5);
    const before = machine.readMemory(0x1000, 2);
    expect([...before]).toEqual([0xeb, 0xfe]);
    // Two times INC AX (SDM Vol. 2, "INC").
    machine.writeMemory(0x1000, Uint8Array.of(0x40, 0x40, 0xeb, 0xfe));
    expect([...before]).toEqual([0xeb, 0xfe]);
    const ax = machine.core.get('rax') & 0xffffn;
    machine.step(3);
    expect((machine.core.get('rax') & 0xffffn) - ax).toBe(2n);
  });

  it('ends where RAM ends', async () => {
    const machine = await Machine.create({ ...FOREVER, memory: '1M' });
    expect(() => machine.readMemory(0x10_0000, 1)).toThrow(RangeError);
    expect(() => machine.writeMemory(-1, new Uint8Array(1))).toThrow(RangeError);
  });
});

describe('a screenshot', () => {
  it('is a PNG file of the size and the pixels of the screen', async () => {
    const machine = await Machine.create({ kernel, devices });
    await machine.run();
    const png = Buffer.from(await machine.screenshot());
    const { width, height, pixels } = machine.screen.frame();
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([width, height]);
    const length = png.readUInt32BE(33);
    expect(png.subarray(37, 41).toString()).toBe('IDAT');
    const rows = inflateSync(png.subarray(41, 41 + length));
    const row = rows.subarray(16 * (1 + 3 * width) + 1, 17 * (1 + 3 * width));
    const rgb = Array.from(pixels.subarray(16 * width * 4, 17 * width * 4)).filter((_, n) => n % 4 !== 3);
    expect([...row]).toEqual(rgb);
  });
});
