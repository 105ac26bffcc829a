#!/usr/bin/env bash
# esbuild's `lineLimit` breaks lines wherever the syntax lets it: within a string by a backslash, and between the words of
# `import.meta.url`. The program stays the same, and Node finds the file that `new URL('./data/asset.bin', import.meta.url)`
# names. Vite looks for that expression as text: where a line is broken in it, the asset is neither copied nor renamed, the
# build succeeds without a warning, and the page that it builds asks for a file that is not there. So a library that ships
# an asset cannot be minified with short lines, and nothing says so before a page fails.
#
# Seen with esbuild 0.28.2 and vite 8.4.0 from npm, Node 20, on 2026-11-30:
#
#   no limit: node finds it, vite copies asset.bin, 0 warnings
#   broken within the string: node finds it, vite copies nothing, 0 warnings
#   broken within import.meta.url: node finds it, vite copies nothing, 0 warnings
set -eu

EXPECTED='no limit: node finds it, vite copies asset.bin, 0 warnings
broken within the string: node finds it, vite copies nothing, 0 warnings
broken within import.meta.url: node finds it, vite copies nothing, 0 warnings'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' >package.json
npm install --silent --no-audit --no-fund esbuild@0.28.2 vite@8.4.0 >/dev/null

mkdir data
printf 'an asset\n' >data/asset.bin
echo '<script type="module" src="./main.js"></script>' >index.html
echo "import { where } from './library.js'; document.title = where();" >main.js

cat >try.mjs <<'EOF'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { build } from 'vite';

const source = "export const where = () => new URL('./data/asset.bin', import.meta.url).href;\n";
const cases = [
  ['no limit', undefined, /new URL\("\.\/data\/asset\.bin",import\.meta\.url\)/],
  ['broken within the string', 28, /"\.\/data\/\\\nasset\.bin",import\.meta\.url/],
  ['broken within import.meta.url', 40, /"\.\/data\/asset\.bin",import\.meta\.\nurl/],
];
for (const [name, lineLimit, looksLike] of cases) {
  const { code } = await transform(source, { minify: true, format: 'esm', lineLimit });
  if (!looksLike.test(code)) throw new Error(`${name}: esbuild wrote ${JSON.stringify(code)}`);
  writeFileSync('library.js', code);
  const { where } = await import(`./library.js?${name}`);
  const finds = readFileSync(new URL(where()), 'utf8') === 'an asset\n';
  let warnings = 0;
  const onwarn = () => void warnings++;
  await build({
    logLevel: 'silent',
    build: { outDir: 'out', emptyOutDir: true, assetsInlineLimit: 0, rollupOptions: { onwarn } },
  });
  const copied = readdirSync('out/assets').filter((file) => file.endsWith('.bin')).map((file) => file.replace(/-[^.]*/, ''));
  console.log(
    `${name}: node ${finds ? 'finds it' : 'does not find it'}, vite copies ${copied.join(' ') || 'nothing'}, ${warnings} warnings`,
  );
}
EOF

seen=$(node try.mjs)
echo "$seen"
[ "$seen" = "$EXPECTED" ] || {
  echo "this changed: expected" >&2
  echo "$EXPECTED" >&2
  exit 1
}
