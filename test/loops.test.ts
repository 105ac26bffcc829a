/**
 * Every loop of assembly/ ends, for a reason that is known: a processor that does not come back takes its host with it.
 * Counting loops whose bound is a constant explain themselves; all others have a row here. A new loop fails this test
 * until its reason is written down. Generated files have one loop, `interpret`, which the budget ends.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ASSEMBLY = resolve(import.meta.dirname, '../assembly');

interface Loop {
  /** File and function. */
  where: string;
  head: string;
}

/** Comments and texts become spaces. */
const bare = (source: string) =>
  source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'/g, (text) => text.replace(/[^\n]/g, ' '));

/** The text from `open` to the bracket that closes it. */
function bracketed(text: string, open: number): string {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return text.slice(open + 1, at);
  }
  throw new Error('a bracket is not closed');
}

function loopsIn(name: string, source: string): Loop[] {
  const text = bare(source);
  const functions = [
    ...text.matchAll(/^\s*(?:@\w+ )?(?:export )?(?:function )?(\w+)(?:<[\w, ]+>)?\([^)]*\)(?:: [\w<>| ]+)? \{/gm),
  ];
  return [...text.matchAll(/\b(for|while|do)\b/g)].map((match) => {
    const inside = functions.filter(({ index }) => index < match.index).at(-1)?.[1] ?? 'top';
    const open = text.indexOf('(', match.index);
    return { where: `${name} ${inside}`, head: match[1] === 'do' ? 'do' : `${match[1]} (${bracketed(text, open)})` };
  });
}

/** `for` from anywhere up to or down to a number, a constant or the size of a type, in steps that do not change. */
const CONSTANT = String.raw`(?:\(?-?(?:<\w+>)?(?:\d\w*|[A-Z][A-Z_]+|\w+\.[A-Z_0-9]+|sizeof<\w+>\(\))(?: [*/] \w+)?\)?)`;
const COUNTS = new RegExp(
  `^for \\(let (\\w+)(?:: \\w+)? = [^;]+; \\1 (?:<|<=|>|>=) ${CONSTANT}; \\1(?:\\+\\+|--| [+-]= ${CONSTANT})\\)$`,
);

/** Why the other loops end, by file and function; all of a function's loops in one row. */
const REASONS: Record<string, string> = {
  'cpu/features.ts cpuidEntry': 'the entries of the CPUID page, which the embedder wrote',
  'cpu/phys.ts hostOf': 'the slots of the physical map: 32',
  'cpu/shared.ts lock': 'who holds the lock copies a few words: no guest can run meanwhile',
  'cpu/vector-state.ts mayRun': 'a bit of a word each time',
  'exec/build.ts build': 'MAX_RECORDS',
  'exec/build.ts patch': 'the records of a block, which END closes: MAX_RECORDS',
  'exec/leave.ts retiredBefore': 'up to the running record of a block',
  'exec/verify.ts verifyBlock': 'the records of a block, which one that ends it closes',
  'exec/msr-lists.ts loadMsrs': 'entry MOST ends it, whatever the count',
  'exec/msr-lists.ts storeMsrs': 'entry MOST ends it, whatever the count',
  'exec/run.ts run': 'each turn retires an instruction or pays one of the budget',
  'isa/decode-operands.ts decodeOperands': 'the operands of a row: 4',
  'isa/decoder.ts decode': 'prefixes: 15 bytes; the decision tree: its depth',
  'isa/refine.ts refine': 'the records of a block: MAX_RECORDS',
  'isa/refine.ts unrefine': 'the records of a block: MAX_RECORDS',
  'isa/refine.ts joinedKind': 'the pairs of a kind, which 0 closes',
  'mmu/access.ts readMmio': 'the size of an access: 64 bytes',
  'mmu/access.ts writeMmio': 'the size of an access: 64 bytes',
  'code/blocks.ts findBlock': 'the blocks of a hash chain, which the arena holds',
  'code/blocks.ts readFrameMessages': 'MAX_FRAMES',
  'code/blocks.ts unhash': 'the blocks of a hash chain, which the arena holds',
  'code/blocks.ts codeWritten': 'the blocks of a frame chain, which the arena holds',
  'mmu/bus.ts mmioRead': '7 bytes',
  'mmu/bus.ts mmioWrite': '7 bytes',
  'mmu/ept.ts forget': 'the entries of the nested table',
  'mmu/ept.ts walkEpt': 'a level of paging structures less each time',
  'mmu/ept.ts setAccessed': 'levels of paging structures',
  'mmu/tlb.ts resetTlbs': 'the entries of all banks',
  'mmu/tlb.ts flushBank': 'the used entries of a bank: USED_MOST',
  'mmu/tlb.ts dropListed': 'the used entries of a bank: USED_MOST',
  'mmu/tlb.ts protectFrame': 'the used entries of a bank: USED_MOST',
  'mmu/walk.ts walk': 'a level of paging structures less each time',
  'ops/bits.ts crc32c': 'the bits of an operand',
  'ops/bmi.ts opPdep': 'a bit of the mask each time',
  'ops/bmi.ts opPext': 'a bit of the mask each time',
  'ops/fp/soft.ts addThree': '64 of less than 192 each time',
  'ops/frame.ts copyFrame': 'the size of a frame: CAPACITY',
  'ops/frame.ts storeWrapping': 'the items of a frame: CAPACITY',
  'ops/fxsave.ts save': 'XMM registers: 16',
  'ops/fxsave.ts restore': 'XMM registers: 16',
  'vmx/intercepts.ts exitsOnPorts': 'the width of an access: 4 ports',
  'ops/io.ts stringIo': 'an iteration pays; SLICE ends it',
  'ops/linear-copy.ts probeWrite': 'the pages of a save area: 2',
  'ops/linear-copy.ts copyOut': 'the pieces of a save area',
  'ops/linear-copy.ts copyIn': 'the pieces of a save area',
  'ops/mmx.ts maskedStore': 'the bytes of a vector: 16',
  'ops/sse/*': 'the elements of vectors: 32 bytes',
  'ops/stack.ts opEnter': 'the nesting level: 31',
  'ops/stack.ts opPusha': 'registers: 8',
  'ops/string-bulk.ts copyElements': 'the bytes of a page',
  'ops/string-bulk.ts fillElements': 'the bytes of a page',
  'ops/string.ts opMovs': 'a piece pays; SLICE ends it',
  'ops/string.ts opStos': 'a piece pays; SLICE ends it',
  'ops/string.ts opLods': 'a piece pays; SLICE ends it',
  'ops/string.ts opScas': 'a piece pays, SLICE ends it; elements of a piece: those of a page',
  'ops/string.ts opCmps': 'a piece pays, SLICE ends it; elements of a piece: those of a page',
  'ops/task.ts readTss': 'the size of a TSS: 104 bytes',
  'ops/time.ts clockAt': 'up to the running record of a block',
  'vmx/control-registers.ts isCr3Target': 'CR3_TARGETS',
  'ops/wide.ts digit':
    'a digit of the quotient is 2 too large at most (Knuth, "The Art of Computer Programming", 4.3.1, theorem B)',
  'ops/x87/compare.ts withRegister': 'pops: 2',
  'ops/x87/remainder.ts divideSteps': 'the exponents that one FPREM takes off: 63',
  'ops/xsave.ts anySet': 'registers of a component: 16',
  'ops/xsave.ts saveHalves': 'registers of a component: 16',
  'ops/xsave.ts validHeader': 'the XSAVE header: 64 bytes',
  'ops/xsave.ts loadHalves': 'registers of a component: 16',
};
const keyOf = ({ where }: Loop): string | undefined =>
  [where, where.replace(/[^/]*$/, '*')].find((key) => key in REASONS);

const loops = readdirSync(ASSEMBLY, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.gen.ts'))
  .sort()
  .flatMap((name) => loopsIn(name, readFileSync(join(ASSEMBLY, name), 'utf8')));
const others = loops.filter(({ head }) => !COUNTS.test(head));

describe('the loops of assembly/', () => {
  it('count to a constant, or have a reason to end', () => {
    expect(others.filter((loop) => !keyOf(loop)).map(({ where, head }) => `${where}: ${head}`)).toEqual([]);
  });
  it('are there for every reason', () => {
    const used = new Set(others.map(keyOf));
    expect(Object.keys(REASONS).filter((key) => !used.has(key))).toEqual([]);
  });
  it('are found in every form', () => {
    const source =
      'function f<T>(a: u32): void {\n  for (let n = 0; n < a; n++) g(n); // for fun\n  do g(1); while (h(2));\n}\n';
    expect(loopsIn('x.ts', source)).toEqual([
      { where: 'x.ts f', head: 'for (let n = 0; n < a; n++)' },
      { where: 'x.ts f', head: 'do' },
      { where: 'x.ts f', head: 'while (h(2))' },
    ]);
    expect(loops.length).toBeGreaterThan(150);
  });
});
