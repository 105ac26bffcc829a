/** VM exits for people: a JSON line each, the table of `vmlaunch stat`, and why a VM entry failed. */
import type { BrokenRule, ExitBreak, ExitCount, ExitRecord, LevelCount, VmcsValue } from '../index.ts';
import { REASON_NAMES } from '../isa/vmx/reasons.ts';
import { checkKeys, parseNumber, parseProperties } from './properties.ts';
import { UsageError } from './usage-error.ts';

const ANY_REASON = ['ANY', 'FAILURE'];

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

const fieldTexts = (rule: BrokenRule): string[] => rule.fields.map(({ name, value }) => `${name}=${hex(value)}`);

/** A record as one line of JSON: addresses and values in hexadecimal, what is empty or 0 left out. */
export function exitLine(record: ExitRecord, cpu: number): string {
  const { rule, instructionInformation, guestPhysical, guestLinear, ...rest } = record;
  const about = ['EPT_VIOLATION', 'EPT_MISCONFIG', 'APIC_ACCESS', 'PML_FULL'].includes(record.reason);
  const line = {
    cpu,
    ...rest,
    ...(instructionInformation ? { instructionInformation: hex(instructionInformation) } : {}),
    ...(about ? { guestPhysical, guestLinear } : {}),
    ...(rule ? { rule: `${rule.section}: ${rule.text}`, fields: fieldTexts(rule) } : {}),
  };
  return JSON.stringify(line, (_key, value) =>
    typeof value === 'bigint' ? hex(value) : value === '' ? undefined : value,
  );
}

/** Why a VM entry failed, in one line. */
export function failureLine({ failure, rule, rip }: ExitRecord): string {
  const why = rule ? `: ${rule.text} (SDM Vol. 3C, "${rule.section}"): ${fieldTexts(rule).join(', ')}` : '';
  return `VM entry at RIP ${hex(rip)}: ${failure}${why}`;
}

/** `--break REASON[,rip=ADDRESS][,nth=N]`: the exit to stop at. Throws UsageError for reasons that there are not. */
export function parseBreak(value: string): ExitBreak {
  const list = parseProperties('break', value);
  checkKeys('break', list, ['rip', 'nth']);
  const reason = list.name.toUpperCase();
  if (![...ANY_REASON, ...REASON_NAMES].includes(reason)) {
    const names = `any, failure, ${REASON_NAMES.join(', ')}`;
    throw new UsageError(`-break ${value}: there is no exit '${list.name}'; there are ${names}`);
  }
  const [rip, nth] = [list.values.get('rip'), list.values.get('nth')];
  if (rip !== undefined && !/^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(rip)) {
    throw new UsageError(`-break ${value}: rip=${rip} is no address`);
  }
  return {
    ...(ANY_REASON.includes(reason) ? {} : { reason }),
    ...(reason === 'FAILURE' ? { failure: true } : {}),
    ...(rip === undefined ? {} : { rip: BigInt(rip) }),
    ...(nth === undefined ? {} : { nth: parseNumber('-break nth', nth, 1, Number.MAX_SAFE_INTEGER) }),
  };
}

const COLUMNS = [20, 11, 10, 10, 12, 12, 12, 10] as const;
const HEADS = ['VM-EXIT', 'Samples', 'Samples%', 'Time%', 'Min Time', 'Max Time', 'Avg time', 'Modelled'] as const;
const TITLES = { 1: "VM exits to the guest's hypervisor (level 1)", 0: 'exits to vmlaunch (level 0)' } as const;

const row = (cells: readonly string[]): string => cells.map((cell, n) => cell.padStart(COLUMNS[n])).join('');
const percent = (part: number, whole: number): string => `${whole > 0 ? ((100 * part) / whole).toFixed(2) : '0.00'}%`;
const us = (ns: number): string => `${(ns / 1000).toFixed(2)}us`;
const sumOf = (counts: readonly ExitCount[], of: (count: ExitCount) => number): number =>
  counts.reduce((sum, count) => sum + of(count), 0);

/**
 * The counts of one level in the look of `perf kvm stat report`. Times are the guest's own virtual microseconds; what is
 * modelled is cycles of a real processor.
 */
export function statTable(counts: readonly ExitCount[], cpu: number, level: 0 | 1): string {
  const samples = sumOf(counts, ({ count }) => count);
  const time = sumOf(counts, ({ totalNs }) => totalNs);
  const cycles = sumOf(counts, ({ count, modelledCycles = 0 }) => count * modelledCycles);
  const rows = counts.map(({ reason, count, totalNs, leastNs, mostNs, averageNs, modelledCycles }) =>
    row([
      ...[reason, `${count}`, percent(count, samples), percent(totalNs, time)],
      ...[us(leastNs), us(mostNs), us(averageNs), modelledCycles === undefined ? '-' : `${modelledCycles}cyc`],
    ]),
  );
  return [
    `Analyze events for ${TITLES[level]}, VCPU ${cpu}:`,
    '',
    row(HEADS),
    '',
    ...rows,
    '',
    `Total Samples:${samples}, Total events handled time:${us(time)}, modelled cost:${cycles}cyc.`,
  ].join('\n');
}

/** The tables of all processors and levels, those of level 1 if there is something to show. */
export function statTables(exits: readonly LevelCount[], cpus: number): string {
  const tables = Array.from({ length: cpus }, (_, cpu) =>
    ([1, 0] as const).flatMap((level) => {
      const counts = exits.filter((count) => count.cpu === cpu && count.level === level);
      return counts.length > 0 ? [statTable(counts, cpu, level)] : [];
    }),
  );
  return tables.flat().join('\n\n');
}

const DIGITS = { 16: 4, 32: 8, 64: 16, natural: 16 } as const;

/** A VMCS, a line per field: encoding, name, value, and the names of bits that are set. */
export function vmcsDump(fields: readonly VmcsValue[] | null, cpu: number): string {
  if (!fields) return `CPU ${cpu}: no current VMCS`;
  const lines = fields.map(({ name, encoding, width, value, meaning }) =>
    `${encoding.toString(16).padStart(4, '0')} ${name.padEnd(42)} ${value.toString(16).padStart(DIGITS[width], '0')}  ${meaning}`.trimEnd(),
  );
  return [`CPU ${cpu}: current VMCS`, ...lines].join('\n');
}

/** The same as a line of JSON, values in hexadecimal; null without a VMCS. */
export function vmcsLine(fields: readonly VmcsValue[] | null, cpu: number): string {
  const vmcs = fields?.map(({ name, encoding, value, meaning }) => ({
    ...{ name, encoding: hex(encoding), value: hex(value) },
    ...(meaning ? { meaning } : {}),
  }));
  return JSON.stringify({ cpu, vmcs: vmcs ?? null });
}
