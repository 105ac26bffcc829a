/** The examples of the README, as the README prints them: code to run, and the output that it promises. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Example {
  code: string;
  /** What the README says that the example prints, `...` standing for what it leaves out. */
  prints: string;
}

function block(text: string, language: string, below: string): string {
  const start = text.indexOf(`\n## ${below}`);
  const match = new RegExp(`\\n\`\`\`${language}\\n([\\s\\S]*?)\\n\`\`\``).exec(text.slice(start));
  if (start < 0 || !match) throw new Error(`README.md has no ${language} block below the heading '${below}'`);
  return match[1];
}

/** The Node example (below "In Node") and the page (below "In a page"), each followed by a `text` block of its output. */
export function readExamples(root: string): { node: Example; page: Example } {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  return {
    node: { code: block(text, 'js', 'In Node'), prints: block(text, 'text', 'In Node') },
    page: { code: block(text, 'html', 'In a page'), prints: block(text, 'text', 'In a page') },
  };
}

/** Whether `output` is what was promised, each `...` standing for any text. */
export function isPromised(promised: string, output: string): boolean {
  const parts = promised.split('...').map((part) => part.replace(/[*+?^${}()|[\]\\.]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`).test(output.trim());
}

/** The terminal that the README opens with, from the first line after the command on. */
export function readPicture(root: string): string {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const match = /\n```text\n\$ npm start\n([\s\S]*?)\n```/.exec(text);
  if (!match) throw new Error('README.md shows no terminal with the output of `npm start`');
  return match[1];
}

/** Every number becomes `#`: how fast the host is, and what a run counts, is not a promise. */
export function withoutNumbers(text: string): string {
  return text.replace(/\d[\d.,]*/g, '#');
}
