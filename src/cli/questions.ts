/** What is asked on the command line instead of a run, and can be answered without a machine. */
export type Question = 'help' | 'version';

const QUESTIONS: Readonly<Record<string, Question>> = { h: 'help', help: 'help', version: 'version' };

/** The question that a word is, undefined for all others. */
export function questionIn(word: string): Question | undefined {
  const name = /^--?(\w+)$/.exec(word)?.[1] ?? '';
  return Object.hasOwn(QUESTIONS, name) ? QUESTIONS[name] : undefined;
}
