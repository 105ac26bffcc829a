/** What `vmlaunch -cpu help` says. */
import { IMPLEMENTED, MODELS } from '../cpu-models/index.ts';

const COLUMNS = 100;

/** Models and the features that may be switched on and off. */
export function cpuHelp(): string {
  const models = MODELS.map(({ name, about }) => `  ${name.padEnd(16)}${about}`);
  const lines = [' '];
  for (const feature of IMPLEMENTED) {
    if (lines[lines.length - 1].length + feature.length >= COLUMNS) lines.push(' ');
    lines[lines.length - 1] += ` ${feature}`;
  }
  return `${['models:', ...models, 'features:', ...lines].join('\n')}\n`;
}
