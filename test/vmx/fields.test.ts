/** Which VMCS fields a processor has (SDM Vol. 3D, "Field Encoding in VMCS"; Vol. 3D, "VMCS Enumeration"). */
import { describe, expect, it } from 'vitest';
import { VMCS_FIELDS } from '../../src/isa/vmx/fields.ts';
import { CODE } from '../exec/lab.ts';
import { vmxLab } from './lab.ts';

const VMX_VMCS_ENUM = 0x48a;
/** VMREAD RCX, RAX */
const VMREAD = '0f 78 c1';
const FAILURES = 0x41n;

/** Names of the fields that VMREAD finds. */
async function fieldsOf(cpu: string) {
  const { lab } = await vmxLab(true, cpu);
  lab.code(CODE, VMREAD);
  const found = VMCS_FIELDS.filter(({ encoding }) => {
    lab.set({ rip: CODE, rax: encoding });
    lab.step();
    return (lab.get('rflags') & FAILURES) === 0n;
  });
  return { found, highest: (lab.core.readMsr(VMX_VMCS_ENUM) >> 1n) & 0x1ffn };
}

describe.each([
  'max,+vmx',
  'Penryn',
  'Nehalem',
  'Haswell',
  'Skylake-Client',
  'max,-vmx-tsc-scaling',
  'max,-vmx-tsc-scaling,-vmx-preemption-timer',
])('with -cpu %s', (cpu) => {
  it('IA32_VMX_VMCS_ENUM gives the highest index of the fields that VMREAD finds', async () => {
    const { found, highest } = await fieldsOf(cpu);
    expect(Number(highest)).toBe(Math.max(...found.map(({ encoding }) => (encoding >> 1) & 0x1ff)));
  });
});

describe('a field', () => {
  // biome-ignore format: a line per field
  it.each([
    ['VMX_PREEMPTION_TIMER_VALUE', 'max,-vmx-preemption-timer'],
    ['GUEST_PAT', 'max,-vmx-entry-load-pat,-vmx-exit-load-pat,-vmx-exit-save-pat'],
    ['HOST_EFER', 'max,-vmx-entry-load-efer,-vmx-exit-load-efer,-vmx-exit-save-efer'],
    ['PML_INDEX', 'max,-vmx-pml'],
  ])('%s exists only on processors with the controls it is for', async (name, cpu) => {
    const names = async (text: string) => (await fieldsOf(text)).found.map((field) => field.name);
    expect(await names('max,+vmx')).toContain(name);
    expect(await names(cpu)).not.toContain(name);
  });
});
