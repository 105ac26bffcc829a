/** Property lists of the command line against tables: every value checked, every error naming what exists. */
import { describe, type Properties, type Property } from '../machine/board/device-row.ts';
import { checkKeys, type PropertyList, parseNumber } from './properties.ts';
import { UsageError } from './usage-error.ts';

const FLAGS: Record<string, boolean> = { on: true, off: false, yes: true, no: false, true: true, false: false };

/** The values of `list` in the types that `properties` gives them. Throws UsageError if that is not possible. */
export function parseValues(
  option: string,
  list: PropertyList,
  properties: Properties,
): Record<string, number | boolean | string> {
  checkKeys(option, list, Object.keys(properties));
  const what = `-${option} ${list.name}`;
  for (const [key, property] of Object.entries(properties)) {
    if ('required' in property && property.required && !list.values.has(key)) {
      throw new UsageError(`${what} needs ${key}=${property.about ? ` (${property.about})` : ''}`);
    }
  }
  return Object.fromEntries(
    [...list.values].map(([key, last]) => {
      const property = properties[key];
      const repeats = property.kind === 'text' && property.repeats;
      const text = (repeats && list.all.get(key)?.join('\n')) || last;
      return [key, parseValue(`${what},${key}=`, text, property)];
    }),
  );
}

function parseValue(what: string, text: string, property: Property): number | boolean | string {
  switch (property.kind) {
    case 'number':
      return parseNumber(what, text, property.min, property.max);
    case 'flag':
      if (!Object.hasOwn(FLAGS, text)) throw new UsageError(`${what}: '${text}' is not on or off`);
      return FLAGS[text];
    case 'choice':
      if (!property.choices.includes(text)) throw new UsageError(`${what}: '${text}' is not ${describe(property)}`);
      return text;
    case 'text':
      return text;
  }
}

/** Lines of help on properties. */
export function propertyHelp(properties: Properties): string {
  const lines = Object.entries(properties).map(([key, property]) => {
    const notes = [describe(property)];
    if (property.initial !== undefined && property.initial !== '') notes.push(`default ${showValue(property.initial)}`);
    if ('required' in property && property.required) notes.push('required');
    if (property.about) notes.push(property.about);
    return `  ${key.padEnd(18)}${notes.join('; ')}\n`;
  });
  return lines.join('') || '  no properties\n';
}

function showValue(value: number | boolean | string): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'number' && value > 255 ? `0x${value.toString(16)}` : String(value);
}
