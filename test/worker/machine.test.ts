// A machine at the other end of a line: what is asked, answered, told and refused, cloned on the way as Workers clone.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { RemoteMachine } from '../../src/worker/machine.ts';
import type { FromThread, Port, WorkerMachineOptions } from '../../src/worker/protocol.ts';
import { serveMachine } from '../../src/worker/thread.ts';

const kernel = new Uint8Array(readFileSync(new URL('../../roms/hello.elf', import.meta.url)));
const options = {
  kernel,
  append: 'over the line',
  devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
} as const;

const failures: ((message: string) => void)[] = [];
let isClosed = false;

function line(): Port {
  let hear: (message: FromThread) => void = () => {};
  const serve = serveMachine((message) => {
    const copy = structuredClone(message);
    queueMicrotask(() => hear(copy));
  });
  return {
    post: (message) => serve(structuredClone(message)),
    listen: (listener, fail) => {
      hear = listener;
      failures.push(fail);
    },
    close: () => {
      isClosed = true;
    },
  };
}

class LineMachine extends RemoteMachine {
  static async create(asked: WorkerMachineOptions): Promise<LineMachine> {
    const machine = new LineMachine(line());
    await machine.make(asked);
    return machine;
  }
}

afterEach(() => {
  failures.length = 0;
  isClosed = false;
});

describe('a machine in a Worker', () => {
  it('runs a guest, tells what it prints, and answers with numbers', async () => {
    const machine = await LineMachine.create(options);
    let text = '';
    machine.on('console', (part, { source }) => {
      expect(source).toBe('serial0');
      text += part;
    });
    expect(await machine.run()).toMatchObject({ reason: 'debug-exit' });
    expect(text).toMatch(/^Hello from a guest[\s\S]*over the line[\s\S]*Bye\.\n$/);
    expect((await machine.report()).instructions).toBeGreaterThan(1_000_000);
  });

  it('is stopped while it runs', async () => {
    const machine = await LineMachine.create({ ...options, waitForInput: true });
    const run = machine.run();
    await machine.stop();
    expect(await run).toEqual({ reason: 'stopped' });
  });

  it('refuses with the same kind of error as a machine here, its name and its words', async () => {
    await expect(LineMachine.create({ ...options, memory: '12Q' })).rejects.toThrow(/12Q/);
    await expect(LineMachine.create({ ...options, memory: '12Q' })).rejects.toBeInstanceOf(RangeError);
    await expect(LineMachine.create({ ...options, source: new Uint8Array(4) })).rejects.toMatchObject({
      name: 'CoreError',
      code: 'ERR_CORE',
    });
    expect(isClosed).toBe(true);
  });

  it('cannot be given what cannot be cloned', async () => {
    await expect(LineMachine.create({ ...options, tracer: () => {} } as never)).rejects.toThrow(/could not be cloned/);
  });

  it('shows its screen packed, once for each change', async () => {
    const machine = await LineMachine.create(options);
    const picture = await machine.screen.picture();
    expect(picture).toMatchObject({ kind: 'text', columns: 80, rows: 25 });
    expect(await machine.screen.picture()).toBeNull();
    expect(await machine.screen.picture(true)).toEqual(picture);
    expect(await machine.screen.text()).toHaveLength(25);
  });

  it('rejects what is not answered when it is closed, or when the Worker fails', async () => {
    const closed = await LineMachine.create({ ...options, waitForInput: true });
    const run = closed.run();
    closed.close();
    await expect(run).rejects.toThrow('the machine is closed');
    await expect(closed.report()).rejects.toThrow('the machine is closed');
    const failed = await LineMachine.create(options);
    const report = failed.report();
    failures.at(-1)?.('out of memory');
    await expect(report).rejects.toThrow('the Worker failed: out of memory');
  });
});
