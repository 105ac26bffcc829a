/**
 * The rules that VM entry checks (SDM Vol. 3C, "VM Entries"), in the manual's order. The processor records the number of
 * the first one that is broken; people read the text.
 */

export interface VmEntryRule {
  /** Identifier in the processor's code. */
  name: string;
  /** Title of the manual's subsection. */
  section: string;
  text: string;
  /** Names of the VMCS fields that the rule is about. */
  fields: readonly string[];
}

const CONTROLS = 'VM-Execution Control Fields';

/** Name, fields, text. */
type Row = readonly [name: string, fields: string, text: string];

const SECTIONS: readonly (readonly [section: string, rows: readonly Row[]])[] = [
  [
    CONTROLS,
    [
      [
        'PIN_RESERVED',
        'PIN_BASED_CONTROLS',
        'reserved bits in the pin-based VM-execution controls must be set properly',
      ],
      [
        'PRIMARY_RESERVED',
        'PRIMARY_CONTROLS',
        'reserved bits in the primary processor-based VM-execution controls must be set properly',
      ],
    ],
  ],
];

export const RULES: readonly VmEntryRule[] = SECTIONS.flatMap(([section, rows]) =>
  rows.map(([name, fields, text]) => ({ name, section, text, fields: fields.split(' ') })),
);
