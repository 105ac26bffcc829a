/**
 * One run of the AssemblyScript compiler, in a process of its own so that several run side by side. Plain JavaScript,
 * because a TypeScript loader would first translate the compiler itself, which takes ten times as long as compiling.
 * Usage: node tools/asc.mjs JOB, a JSON object: { root, args, file, text, out, outOfLine }; `text` stands for the
 * content of `file`, and the functions named in `outOfLine` are not inlined.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const { root, args, file, text, out, outOfLine } = JSON.parse(process.argv[2]);
let written = false;
const { error, stderr } = await asc.main([...args, '--baseDir', root, '--config', 'none', '--outFile', 'core.wasm'], {
  readFile(name, dir) {
    if (name.replaceAll('\\', '/') === file) return text;
    try {
      return readFileSync(join(dir, name), 'utf8');
    } catch {
      return null;
    }
  },
  writeFile(name, contents) {
    if (name !== 'core.wasm') return;
    writeFileSync(out, contents);
    written = true;
  },
  listFiles: () => null,
  transforms: [
    class {
      afterCompile(module) {
        for (const name of outOfLine) {
          this.binaryen.setPassArgument('no-inline', name);
          module.runPasses(['no-inline']);
        }
      }
    },
  ],
});
process.stderr.write(stderr.toString());
if (error || !written) {
  process.stderr.write(`${error?.message ?? 'the compiler wrote nothing'}\n`);
  process.exitCode = 1;
}
