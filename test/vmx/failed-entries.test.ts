// VM entries that fail without breaking a rule about fields: people hear of them all the same.
import { beforeEach, describe, expect, it } from 'vitest';
import { GUEST_CODE, HOST_CODE, VMLAUNCH, VMRESUME, type VmxLab, vmxLab } from './lab.ts';

const failures = ({ lab }: VmxLab) =>
  (lab.core.vmx?.take() ?? []).map(({ reason, failure, rule }) => ({ reason, failure, rule }));

describe('a VM entry that fails', () => {
  let vmx: VmxLab;
  beforeEach(async () => {
    vmx = await vmxLab();
  });

  it('with VMRESUME of a VMCS that was not launched is recorded', () => {
    vmx.enter(VMRESUME);
    expect(vmx.error).toBe(5);
    expect(failures(vmx)).toEqual([{ reason: 'VMLAUNCH_VMRESUME', failure: 'VMRESUME with non-launched VMCS' }]);
  });

  it('without a current VMCS is recorded', () => {
    vmx.enter('66 0f c7 33 0f 01 c2', 2); // vmclear [rbx]; vmlaunch
    expect(vmx.lab.get('rflags') & 0x41n).toBe(1n);
    expect(failures(vmx)).toEqual([{ reason: 'VMLAUNCH_VMRESUME', failure: 'no current VMCS that could be entered' }]);
  });

  it('with VMLAUNCH of one that was is recorded, and no rule that was broken before', () => {
    vmx.write({ HOST_TR_SELECTOR: 0 });
    vmx.enter(VMLAUNCH);
    expect(failures(vmx)).toMatchObject([{ rule: { name: 'HOST_NULL' } }]);
    vmx.write({ HOST_TR_SELECTOR: vmx.read('GUEST_TR_SELECTOR') });
    vmx.guest('0f a2'); // cpuid
    expect(vmx.lab.get('rip')).toBe(BigInt(HOST_CODE));
    vmx.write({ GUEST_RIP: GUEST_CODE });
    vmx.enter(VMLAUNCH);
    expect(vmx.error).toBe(4);
    const [record, ...others] = vmx.lab.core.vmx?.take().slice(-1) ?? [];
    expect(others).toEqual([]);
    expect(record).toMatchObject({ reason: 'VMLAUNCH_VMRESUME', failure: 'VMLAUNCH with non-clear VMCS' });
    // Not what the VMCS still says of the exit by CPUID.
    expect(record).toMatchObject({ instructionLength: 0, qualification: 0n, interruption: '' });
    expect(record?.rule).toBeUndefined();
  });
});
