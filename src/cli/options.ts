/** The command line in QEMU's words, with one dash or two, made into plain values. */
import { nearest } from '../checks.ts';
import { settleBoot } from './boot-order.ts';
import { settleNet } from './legacy-net.ts';
import { IDLE_FLAGS, IDLE_OPTIONS, REFUSED } from './no-effect.ts';
import { setJsonFile, WITH_VALUE, WITHOUT_VALUE } from './option-table.ts';
import { type Question, questionIn } from './questions.ts';
import { noOptions, type RunOptions } from './run-options.ts';
import { UsageError } from './usage-error.ts';

export type Command =
  | { kind: Question }
  | { kind: 'cpu-help' }
  | { kind: 'device-help'; text: string }
  | { kind: 'run'; options: RunOptions };

const JSON_FILE = /^--?json=(.+)$/;

/** Parses everything after the command's name. Throws UsageError with the reason. */
export function parseCommandLine(args: readonly string[]): Command {
  const options = noOptions();
  for (let i = 0; i < args.length; i++) {
    const word = args[i];
    if (!word.startsWith('-') || word === '-') throw noOption(word);
    const name = word.replace(/^--?/, '');
    const question = questionIn(word);
    if (question) return { kind: question };
    const jsonFile = JSON_FILE.exec(word)?.[1];
    if (jsonFile !== undefined) setJsonFile(options, jsonFile);
    else if (own(IDLE_FLAGS, name)) options.notes.push(`${word} has no effect: ${own(IDLE_FLAGS, name)}`);
    else if (own(WITHOUT_VALUE, name)) own(WITHOUT_VALUE, name)?.(options);
    else {
      const handler = own(WITH_VALUE, name);
      const idle = own(IDLE_OPTIONS, name);
      if (!handler && idle === undefined) throw unknownOption(word, name);
      if (i + 1 >= args.length) throw new UsageError(`${word} needs a value`);
      const value = args[++i];
      if (name === 'cpu' && (value === 'help' || value === '?')) return { kind: 'cpu-help' };
      if (handler) handler(options, value);
      else options.notes.push(`${word} has no effect: ${idle}`);
    }
    if (options.help !== undefined) return { kind: 'device-help', text: options.help };
  }
  settleNet(options);
  settleBoot(options);
  return { kind: 'run', options };
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function noOption(word: string): UsageError {
  const near = nearest(word, ['vectors', 'stat', 'trace', 'vmcs', 'help', 'version']);
  const hint = near === undefined ? 'images are given by -kernel FILE, disks by -hda FILE' : `did you mean '${near}'?`;
  return new UsageError(`'${word}' is neither an option nor a command: ${hint}`);
}

function unknownOption(word: string, name: string): UsageError {
  const reason = own(REFUSED, name);
  if (reason !== undefined) return new UsageError(`${word}: ${reason}`);
  const near = nearest(
    name,
    [...Object.keys(WITH_VALUE), ...Object.keys(WITHOUT_VALUE)].filter((one) => one.length > 2),
  );
  return new UsageError(
    `unknown option ${word}; ${near === undefined ? '--help lists them' : `did you mean -${near}?`}`,
  );
}
