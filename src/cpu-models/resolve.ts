/** From the text of `-cpu` to a processor: a model's name, then features switched on and off. */
import { INCOMPLETE_FEATURES, INSTRUCTION_FEATURES } from '../core/features.gen.ts';
import { ABSENT_FEATURES, AMD_ONLY, FEATURE_NAMES, FEATURE_WORDS, NEEDS, UNREPORTED } from './features.ts';
import { MODELS, type ModelDefinition, VENDORS } from './models.ts';
import { VMX_FEATURE_NAMES } from './vmx.ts';

export interface CpuModel extends ModelDefinition {
  /** What CPUID reports: implemented features only. */
  readonly reported: ReadonlySet<string>;
  /** Instruction features whose instructions decode: the reported ones, and those of which a part is implemented. */
  readonly decoded: ReadonlySet<string>;
}

const EXTENDED = 0x8000_0000;
const PHYS_BITS = { min: 32, max: 52 } as const;
const OTHER_NAMES: Readonly<Record<string, string>> = {
  sse3: 'pni',
  lzcnt: 'abm',
  nx_bit: 'nx',
  xd: 'nx',
  'sse4.1': 'sse4_1',
  'sse4.2': 'sse4_2',
};

/** Features that the processor executes wholly. */
export const IMPLEMENTED: ReadonlySet<string> = new Set(
  FEATURE_NAMES.filter((name) => !INCOMPLETE_FEATURES.includes(name)),
);

/** The name that a feature has here: QEMU takes - and _ alike. */
const canonical = (name: string) => {
  const lower = name.toLowerCase();
  const candidates = [lower, lower.replaceAll('-', '_'), lower.replaceAll('_', '-'), OTHER_NAMES[lower]];
  return candidates.find((candidate) => candidate !== undefined && FEATURE_NAMES.includes(candidate));
};

function definitionOf(name: string, text: string): ModelDefinition {
  const found = MODELS.find((model) => model.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  const names = MODELS.map((model) => model.name).join(', ');
  throw new Error(`-cpu ${text}: unknown model '${name}'; known are ${names}`);
}

/** Takes out what depends on a feature that is off, until nothing more goes. */
function dropDependents(features: Set<string>): void {
  const dangling = [...features].filter((name) => (NEEDS[name] ?? []).some((needed) => !features.has(needed)));
  for (const name of dangling) features.delete(name);
  if (dangling.length > 0) dropDependents(features);
}

/**
 * Reads what follows `-cpu`: `model[,+feature][,-feature][,feature=on|off][,phys-bits=n][,vendor=name]`. Throws an Error that
 * names the word, and what is known or why it cannot be had. A feature that needs a higher CPUID leaf than the model has raises it.
 */
export function resolveModel(text: string): CpuModel {
  const [name, ...words] = text.split(',').map((word) => word.trim());
  const definition = definitionOf(name, text);
  const everything = definition.features === 'everything';
  const wanted = new Set(everything ? FEATURE_NAMES : definition.features.split(/\s+/));
  // `max` is Intel's.
  if (everything) for (const feature of AMD_ONLY) wanted.delete(feature);
  let { physBits, vendor } = definition;
  for (const word of words) {
    const [, sign, plain, value] = /^([+-])?([^=]+)(?:=(.*))?$/.exec(word) ?? [];
    if (plain === undefined || (sign && value !== undefined)) {
      throw new Error(`-cpu ${text}: cannot read '${word}'; features are written +name, -name, name=on or name=off`);
    }
    if (!sign && plain === 'phys-bits') {
      physBits = Number(value);
      if (!Number.isInteger(physBits) || physBits < PHYS_BITS.min || physBits > PHYS_BITS.max) {
        throw new Error(
          `-cpu ${text}: phys-bits=${value} must be an integer from ${PHYS_BITS.min} to ${PHYS_BITS.max}`,
        );
      }
      continue;
    }
    if (!sign && plain === 'vendor') {
      const known = VENDORS.find((one) => one === value);
      if (!known) throw new Error(`-cpu ${text}: vendor=${value} must be ${VENDORS.join(' or ')}`);
      vendor = known;
      continue;
    }
    if (!sign && value !== 'on' && value !== 'off') {
      throw new Error(`-cpu ${text}: cannot read '${word}'; features are written +name, -name, name=on or name=off`);
    }
    const off = sign === '-' || value === 'off';
    const feature = canonical(plain);
    if (!feature && ABSENT_FEATURES.includes(plain)) {
      if (off) continue;
      throw new Error(`-cpu ${text}: feature '${plain}' is not implemented`);
    }
    if (!feature) throw new Error(`-cpu ${text}: unknown feature '${plain}'; known are ${FEATURE_NAMES.join(', ')}`);
    if (off) wanted.delete(feature);
    else if (feature === 'vmx') for (const name of VMX_FEATURE_NAMES.concat(feature)) wanted.add(name);
    else if (IMPLEMENTED.has(feature)) wanted.add(feature);
    else {
      const names = [...IMPLEMENTED].join(', ');
      throw new Error(`-cpu ${text}: feature '${feature}' is not implemented; implemented are ${names}`);
    }
  }
  dropDependents(wanted);
  const reported = new Set([...wanted].filter((feature) => IMPLEMENTED.has(feature)));
  dropDependents(reported);
  const instructions: readonly string[] = INSTRUCTION_FEATURES;
  const decoded = new Set(instructions.filter((feature) => wanted.has(UNREPORTED[feature] ?? feature)));
  if (vendor === 'GenuineIntel') decoded.add('intel');
  const leaves = FEATURE_WORDS.filter((word) => Object.values(word.names).some((feature) => reported.has(feature))).map(
    (word) => word.leaf,
  );
  const level = Math.max(definition.level, ...leaves.filter((leaf) => leaf < EXTENDED));
  const extendedLevel = Math.max(definition.extendedLevel, ...leaves.filter((leaf) => leaf >= EXTENDED));
  return { ...definition, level, extendedLevel, physBits, vendor, reported, decoded };
}
