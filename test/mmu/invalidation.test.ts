/**
 * What faults themselves drop of cached translations (SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure
 * Caches": "a page-fault exception resulting from an attempt to use a linear address will invalidate any TLB entries that
 * are for a page number corresponding to that linear address"), and what code is found through.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { CODE, HANDLER, type Lab, longLab, STACK0, TABLES } from '../exec/lab.ts';

const PAGE = 0x400000;
const TABLE = 0x70000;
const OLD = 0x60000;
const NEW = 0x61000;
const PRESENT = 1n;
const WRITABLE = 3n;
const LARGE = 0x80n;
const WP = 0x8001_0011;
/** "MOV EAX, n; RET" */
const returns = (n: number) => `b8 0${n} 00 00 00 c3`;
const little = (value: number | bigint, bytes: number) =>
  Array.from({ length: bytes }, (_, n) =>
    ((BigInt(value) >> BigInt(8 * n)) & 0xffn).toString(16).padStart(2, '0'),
  ).join(' ');
/** MOV qword [at], value (of 31 bits); the handler of a page fault: that, ADD RSP, 8, IRET. */
const set = (at: number, value: bigint) => `48 c7 04 25 ${little(at, 4)} ${little(value, 4)}`;
const handler = (at: number, value: bigint) => `${set(at, value)} 48 83 c4 08 48 cf`;
const HALT = 'eb fe';

let lab: Lab;
beforeEach(async () => {
  lab = await longLab();
  lab.put64(TABLES + 0x2010, BigInt(TABLE | 7));
  lab.put64(TABLE, BigInt(OLD) | PRESENT);
  lab.put64(OLD, 0x1111n);
  lab.gate64(14, BigInt(HANDLER));
  lab.code(HANDLER, handler(TABLE, BigInt(NEW) | WRITABLE));
  lab.set({ cr0: WP, rsi: PAGE, rsp: STACK0 });
});
function run(code: string): void {
  lab.code(CODE, `${code} ${HALT}`);
  lab.set({ rip: CODE });
  lab.core.run(100);
}

describe('a page fault', () => {
  it('drops what was read of its page: a store that copies the page is seen by the next load', () => {
    // mov eax, [rsi]; mov dword [rsi], 3333h; mov ebx, [rsi]
    run('8b 06 c7 06 33 33 00 00 8b 1e');
    expect(lab.get('rax')).toBe(0x1111n);
    expect(lab.get('rbx')).toBe(0x3333n);
    expect(lab.view().getUint32(OLD, true)).toBe(0x1111);
  });

  it('drops the code of its page', () => {
    lab.code(OLD, returns(1));
    lab.code(NEW, returns(2));
    // call rsi; mov ebx, eax; mov byte [rsi+800h], 0; call rsi
    run('ff d6 89 c3 c6 86 00 08 00 00 00 ff d6');
    expect(lab.get('rbx')).toBe(1n);
    expect(lab.get('rax')).toBe(2n);
  });

  it('drops the code of its page although other code took its place in the table', () => {
    lab.code(OLD, returns(1));
    lab.code(NEW, returns(2));
    // 4 MiB further on is the same place in a table of 1024 entries.
    const far = 0x6f000;
    lab.put64(TABLES + 0x2020, BigInt(far | 7));
    lab.put64(far, 0x63007n);
    lab.code(0x63000, returns(3));
    lab.set({ rdi: PAGE + 0x400000 });
    run('ff d6 89 c3 ff d7 c6 86 00 08 00 00 00 ff d6');
    expect(lab.get('rbx')).toBe(1n);
    expect(lab.get('rax')).toBe(2n);
  });

  it('drops all that came from its large page', () => {
    // The second 2 MiB, and then the first, where the handler is too.
    lab.put64(TABLES + 0x2010, 0x200000n | PRESENT | LARGE);
    lab.code(HANDLER, handler(TABLES + 0x2010, WRITABLE | LARGE));
    lab.put64(0x200000 + NEW, 0x1111n);
    lab.put64(NEW, 0x2222n);
    lab.set({ rdi: PAGE + NEW, rsi: PAGE + OLD });
    run('8b 07 c7 06 33 33 00 00 8b 1f');
    expect(lab.get('rax')).toBe(0x1111n);
    expect(lab.get('rbx')).toBe(0x2222n);
  });

  it('leaves other pages cached', () => {
    lab.put64(TABLE + 8 * 0x80, BigInt(OLD) | PRESENT);
    lab.code(HANDLER, `${set(TABLE + 8 * 0x80, BigInt(NEW) | WRITABLE)} ${handler(TABLE, BigInt(NEW) | WRITABLE)}`);
    // The entry of the second page changes, too, but nothing asks for its invalidation: processors keep it, and so do we.
    run('8b 86 00 00 08 00 c7 06 33 33 00 00 8b 9e 00 00 08 00');
    expect(lab.get('rbx')).toBe(0x1111n);
  });

  it('of CLFLUSH is one too', () => {
    lab.put64(TABLE, 0n);
    lab.code(HANDLER, handler(TABLE, BigInt(NEW) | WRITABLE));
    run('0f ae 3e 8b 06');
    expect(lab.get('cr2')).toBe(BigInt(PAGE));
    expect(lab.get('rip')).toBe(BigInt(CODE + 5));
  });
});

describe('INVLPG', () => {
  it('makes a jump find the new code of its page, and leaves the code of others', () => {
    lab.code(OLD, returns(1));
    lab.code(NEW, returns(2));
    run(`ff d6 89 c3 ${set(TABLE, BigInt(NEW) | PRESENT)} 0f 01 3e ff d6`);
    expect(lab.get('rbx')).toBe(1n);
    expect(lab.get('rax')).toBe(2n);
  });

  it('makes a jump find new code although other code took the place of the old in the table', () => {
    lab.code(OLD, returns(1));
    lab.code(NEW, returns(2));
    const far = 0x6f000;
    lab.put64(TABLES + 0x2020, BigInt(far | 7));
    lab.put64(far, 0x63007n);
    lab.code(0x63000, returns(3));
    lab.set({ rdi: PAGE + 0x400000 });
    run(`ff d6 89 c3 ff d7 ${set(TABLE, BigInt(NEW) | PRESENT)} 0f 01 3e ff d6`);
    expect(lab.get('rax')).toBe(2n);
  });
});

describe('code', () => {
  it('of two address spaces stays apart when the numbers of their translations begin anew', async () => {
    // Both map their first 2 MiB one to one; PAGE is physical 0 in the one and 2 MiB in the other.
    const spaces = [
      { root: 0x78000, pcid: 1n, frame: 0n, value: 1n },
      { root: 0x7c000, pcid: 2n, frame: 0x200000n, value: 2n },
    ];
    for (const { root, frame, value } of spaces) {
      lab.put64(root, BigInt(root + 0x1000) | 7n);
      lab.put64(root + 0x1000, BigInt(root + 0x2000) | 7n);
      lab.put64(root + 0x2000, 0x87n);
      lab.put64(root + 0x2010, frame | 0x87n);
      lab.code(Number(frame) + OLD, `b8 0${value} 00 00 00 ${HALT}`);
    }
    lab.set({ cr3: spaces[0].root, cr4: 0x20020 });
    /** MOV to CR3, JMP to the shared address. `keep`: without a flush. */
    const valueIn = (n: number, keep: boolean) => {
      const { root, pcid } = spaces[n];
      lab.code(CODE, '0f 22 d9  mov cr3, rcx\n ff e3  jmp rbx');
      lab.set({ rcx: BigInt(root) | pcid | (keep ? 1n << 63n : 0n), rbx: PAGE + OLD, rip: CODE, rax: 0 });
      lab.core.run(5);
      return lab.get('rax');
    };
    expect(valueIn(0, true)).toBe(1n);
    expect(valueIn(1, true)).toBe(2n);
    // As if 2^24 flushes had been made.
    lab.core.state.setNumber('nextGeneration', 0xfffffe);
    for (let n = 0; n < 40; n++) {
      expect(valueIn(0, true)).toBe(1n);
      expect(valueIn(1, false)).toBe(2n);
    }
    expect(lab.core.state.number('nextGeneration')).toBeLessThan(1000);
  });

  it('behind a jump from one page to the next is that of the page, also where two pages are one frame', () => {
    // Two pages of one frame, and a third of another.
    for (const [n, frame] of [OLD, OLD, NEW].entries()) lab.put64(TABLE + 8 * n, BigInt(frame) | PRESENT);
    lab.code(OLD, 'e9 fb 00 00 00'); // jmp 100h
    lab.code(OLD + 0x100, 'e9 fb 10 00 00'); // jmp 200h of the next page
    lab.code(OLD + 0x200, `b8 01 00 00 00 ${HALT}`);
    lab.code(NEW + 0x200, `b8 02 00 00 00 ${HALT}`);
    // Its place in the cache of jumps is that of the first page's target.
    lab.code(0x10611, HALT);
    const valueFrom = (rip: number) => {
      lab.set({ rip, rax: 0 });
      lab.core.run(20);
      return lab.get('rax');
    };
    expect(valueFrom(PAGE)).toBe(1n);
    expect(valueFrom(PAGE + 0x1100)).toBe(2n);
    valueFrom(0x10611);
    expect(valueFrom(PAGE)).toBe(1n);
    expect(valueFrom(PAGE + 0x1100)).toBe(2n);
  });
});
