/** The rules of assembly/ that no other tool checks: its compiler knows neither unused imports nor layers. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

type Source = readonly [name: string, text: string];

const root = resolve(import.meta.dirname, '..');
const read = (folder: string): Source[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => [join(folder, name), readFileSync(join(root, folder, name), 'utf8')] as const);

const SOURCES = read('assembly');
const WRITTEN = SOURCES.filter(([name]) => !name.endsWith('.gen.ts'));
/** Files whose imports are not looked at yet. */
const EXEMPT: readonly RegExp[] = [
  /^assembly\/isa\//,
  /^assembly\/ops\/hot/,
  /^assembly\/code\//,
  /^assembly\/(mmu|exec)\/blocks\.ts$/,
];
const CHECKED = WRITTEN.filter(([name]) => !EXEMPT.some((exempt) => exempt.test(name)));

/** Files that may name the fields and controls of a VMCS outside of vmx/: the VMX instructions. */
const VMX_SPEAKERS: ReadonlySet<string> = new Set(['assembly/ops/vmx.ts']);
const VMX_WORDS =
  /\b(?:Field|Pin|Primary|Secondary|EntryControl|ExitControl)\.[A-Z]\w*|\b(?:set)?[fF]ield<|\b(?:setE|e)ntered<|\bReason\.[A-Z]\w*/;

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');

function vmxWords(sources: readonly Source[]): string[] {
  return sources.flatMap(([name, text]) =>
    name.startsWith('assembly/vmx/') || VMX_SPEAKERS.has(name)
      ? []
      : withoutComments(text)
          .split('\n')
          .flatMap((line) => (VMX_WORDS.test(line) ? [`${name}: ${line.trim()}`] : [])),
  );
}

/** How often `word` stands in `text`. */
const uses = (text: string, word: string): number => text.match(new RegExp(`\\b${word}\\b`, 'g'))?.length ?? 0;

function unused(sources: readonly Source[]): string[] {
  return sources.flatMap(([name, text]) => {
    const code = withoutComments(text);
    const body = code.replace(/^import\s[^;]*;/gm, '');
    const imported = [...code.matchAll(/^import\s*\{([^}]*)\}/gm)].flatMap(([, names]) => names.split(','));
    const local = imported
      .map(
        (each) =>
          each
            .trim()
            .split(/\s+as\s+/)
            .pop() ?? '',
      )
      .filter((each) => each !== '');
    const own = [...body.matchAll(/^(?:@inline )?(?:const enum|const|let|function|class|enum) (\w+)/gm)].map(
      ([, each]) => each,
    );
    return [
      ...local.filter((each) => uses(body, each) === 0).map((each) => `${name} imports ${each} for nothing`),
      ...own
        .filter((each) => each !== 'enum' && uses(body, each) === 1)
        .map((each) => `${name} does not use its ${each}`),
    ];
  });
}

const lines = (sources: readonly Source[], wrong: RegExp): string[] =>
  sources.flatMap(([name, text]) =>
    text.split('\n').flatMap((line, n) => {
      return wrong.test(line) ? [`${name}:${n + 1}`] : [];
    }),
  );
const BANNER = /^\s*\/[/*].*[-=*#~]{5}/;

describe('assembly/', () => {
  it('speaks of fields and controls of a VMCS in vmx/ alone, and where the VMX instructions are', () => {
    expect(vmxWords(WRITTEN)).toEqual([]);
  });
  it('imports and declares nothing that it does not use', () => {
    expect(unused(CHECKED)).toEqual([]);
  });
  it('draws no banners', () => {
    expect(lines(WRITTEN, BANNER)).toEqual([]);
  });
});

describe('a breach of these rules is seen:', () => {
  it.each([
    ['a field', 'assembly/ops/a.ts', 'setField<u32>(Field.EXIT_REASON, 1);'],
    ['a control', 'assembly/mmu/a.ts', 'if ((cpu.secondaryControls & Secondary.EPT) != 0) return;'],
    ['a field that was entered', 'assembly/exec/a.ts', 'const count = entered<u32>(at);'],
  ])('%s outside of vmx/', (_what, name, text) => {
    expect(vmxWords([[name, text]])).toHaveLength(1);
    expect(vmxWords([[name, `// ${text}`]])).toEqual([]);
  });
  it.each([
    ['an import', "import { a, b } from './x';\nexport const y = a;", /imports b/],
    ['an import that only a comment names', "import { b } from './x';\n// b\n", /imports b/],
    ['a constant', 'const A: u32 = 1;\n', /does not use its A/],
  ])('%s that nothing uses', (_what, text, expected) => {
    expect(unused([['assembly/ops/a.ts', text]]).join()).toMatch(expected);
  });
  it('a banner', () => {
    expect(lines([['assembly/ops/a.ts', '// Time ------------\n']], BANNER)).toHaveLength(1);
  });
});
