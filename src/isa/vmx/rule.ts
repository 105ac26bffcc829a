/** The shape of a rule of VM entry: see rules.ts. */

export interface VmEntryRule {
  /** Identifier in the processor's code. */
  name: string;
  /** Title of the manual's subsection. */
  section: string;
  text: string;
  /** Names of the VMCS fields that the rule is about. */
  fields: readonly string[];
}

/** Name, fields, text. '*BASE' and its like stand for those of the six segment registers. */
export type Row = readonly [name: string, fields: string, text: string];
export type Section = readonly [title: string, rows: readonly Row[]];
