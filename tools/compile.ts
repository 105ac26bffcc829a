/** Compiles a target of asconfig.json for one window base, with the AssemblyScript compiler in a child process. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { shrinkData } from './data-section.ts';

/** The file that alone knows where a processor's state lies. */
export const WINDOW_FILE = 'assembly/cpu/window.ts';

interface Window {
  base: number;
  /** Distance of the compiler's static data from the base. */
  staticOffset: number;
}

interface Config {
  entries: string[];
  options: Record<string, unknown>;
  /** Functions that optimised builds call and do not inline: what is rare, or what many call. */
  outOfLine?: string[];
  targets: Record<string, Record<string, unknown>>;
}

const BASE_LINE = /(export const WINDOW: usize = )(0x[0-9a-fA-F]+)/;
const STATIC_LINE = /export const STATIC: usize = WINDOW \+ (0x[0-9a-fA-F]+)/;

const ASC = fileURLToPath(new URL('asc.mjs', import.meta.url));

/** Reads base and layout from the text of the window file. Throws where a line is not as expected. */
export function parseWindow(text: string): Window {
  const base = BASE_LINE.exec(text);
  const offset = STATIC_LINE.exec(text);
  if (!base || !offset) {
    const lines = '"export const WINDOW: usize = 0x..;" and "export const STATIC: usize = WINDOW + 0x..;"';
    throw new Error(`${WINDOW_FILE} must contain ${lines}`);
  }
  return { base: Number(base[2]), staticOffset: Number(offset[1]) };
}

/** `asconfig.json` of `root`. */
export function readConfig(root: string): Config {
  return JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8'));
}

function flags(options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (name === 'outFile' || value === false) return [];
    if (value === true) return [`--${name}`];
    return [value].flat().flatMap((one) => [`--${name}`, String(one)]);
  });
}

/** Compiles `target` with the window at `base` (default: as the source says). Throws with the compiler's messages. */
export async function compile(root: string, target: string, base?: number): Promise<Uint8Array> {
  const config = readConfig(root);
  const options = config.targets[target];
  if (!options) {
    throw new Error(`no target '${target}' in asconfig.json (there are: ${Object.keys(config.targets).join(', ')})`);
  }
  const source = readFileSync(join(root, WINDOW_FILE), 'utf8');
  const window = parseWindow(source);
  base ??= window.base;
  const text = source.replace(BASE_LINE, `$10x${base.toString(16)}`);
  const optimized = options.optimizeLevel === 3;
  const outOfLine = optimized ? (config.outOfLine ?? []) : [];
  const merged = { ...config.options, ...options, memoryBase: base + window.staticOffset };
  const dir = mkdtempSync(join(tmpdir(), 'vmlaunch-asc-'));
  const out = join(dir, 'core.wasm');
  const job = { root, args: [...config.entries, ...flags(merged)], file: WINDOW_FILE, text, out, outOfLine };
  try {
    const { stderr } = await promisify(execFile)(process.execPath, [ASC, JSON.stringify(job)], { maxBuffer: 1 << 26 });
    process.stderr.write(stderr);
    const bytes = new Uint8Array(readFileSync(out));
    return optimized ? shrinkData(bytes) : bytes;
  } catch (error) {
    throw new Error((error as { stderr?: string }).stderr || (error as Error).message);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
