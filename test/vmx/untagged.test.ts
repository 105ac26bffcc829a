/** Guests without VPID: what VM entry forgets of their translations. */
import { expect, it } from 'vitest';
import { Ept, ExtendedTables } from './ept.ts';
import { GUEST_CODE, VMRESUME, vmxLab } from './lab.ts';

const LOG = 0x48000;
const DATA = 0x61000;
const LAST = 511;
const VMCALL = 18;
const CONTROLS = { PRIMARY_CONTROLS: (0x0401_6172 | 0x80000000) >>> 0, SECONDARY_CONTROLS: 0x20002 };
/** mov dword [DATA], 1; vmcall */
const STORE = 'c7 04 25 00 10 06 00 01 00 00 00 0f 01 c1';

it('a write sets and logs the dirty flag of EPT that the hypervisor cleared, without INVEPT, after the last exit', async () => {
  const vmx = await vmxLab();
  const tables = new ExtendedTables(vmx);
  vmx.write({ ...CONTROLS, EPTP: tables.pointer | 0x40n, PML_ADDRESS: LOG, PML_INDEX: LAST });
  const logged = () => {
    const index = Number(vmx.read('PML_INDEX') & 0xffffn);
    const count = LAST - index;
    const entries = Array.from({ length: count }, (_, n) => vmx.lab.view().getUint32(LOG + 8 * (LAST - n), true));
    vmx.write({ PML_INDEX: LAST });
    return entries;
  };
  vmx.guest(STORE);
  expect(vmx.reason).toBe(VMCALL);
  expect(logged()).toContain(DATA);
  expect(tables.entry(0, DATA) & Ept.D).toBe(Ept.D);
  for (let n = 0; n < 2; n++) {
    tables.change(0, DATA, Ept.A | Ept.D);
    vmx.write({ GUEST_RIP: GUEST_CODE });
    vmx.enter(VMRESUME, 10);
    expect(vmx.reason).toBe(VMCALL);
    expect(logged()).toContain(DATA);
    expect(tables.entry(0, DATA) & (Ept.A | Ept.D)).toBe(Ept.A | Ept.D);
  }
});
