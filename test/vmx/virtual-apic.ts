/** The virtual-APIC page of the lab's guest, and handlers of its interrupts that tell which one came. */
import { HANDLER } from '../exec/lab.ts';
import { BITMAPS, type Fields, VMCALL, type VmxLab } from './lab.ts';

export const VIRTUAL_APIC = 0x48000;
export const APIC_PAGE = 0x64000;
export const Reg = { TPR: 0x80, PPR: 0xa0, EOI: 0xb0, ISR: 0x100, IRR: 0x200, ICR: 0x300, SELF_IPI: 0x3f0 } as const;
const VMCALL_REASON = 18;

/** Guest interrupt status. */
export const status = (rvi: number, svi: number): Fields => ({ GUEST_INTERRUPT_STATUS: rvi | (svi << 8) });
const place = (bank: number, vector: number) => bank + 16 * (vector >> 5);

export class VirtualApic {
  private readonly vmx: VmxLab;

  /** The handler of each vector executes VMCALL. */
  constructor(vmx: VmxLab) {
    this.vmx = vmx;
    vmx.write({ VIRTUAL_APIC_ADDRESS: VIRTUAL_APIC, APIC_ACCESS_ADDRESS: APIC_PAGE, MSR_BITMAPS_ADDRESS: BITMAPS });
    for (let vector = 16; vector < 256; vector++) {
      vmx.lab.gate64(vector, BigInt(HANDLER + 16 * vector));
      this.handler(vector, VMCALL);
    }
  }
  handler(vector: number, bytes: string): void {
    this.vmx.lab.code(HANDLER + 16 * vector, bytes);
  }
  reg(offset: number): number {
    return this.vmx.lab.view().getUint32(VIRTUAL_APIC + offset, true);
  }
  put(offset: number, value: number): void {
    this.vmx.lab.put32(VIRTUAL_APIC + offset, value);
  }
  /** Sets the bits of `vectors` in a bank. */
  set(bank: number, ...vectors: number[]): void {
    for (const v of vectors) this.put(place(bank, v), this.reg(place(bank, v)) | (1 << (v & 31)));
  }
  /** Vectors whose bits are set in a bank, ascending. */
  vectors(bank: number): number[] {
    return Array.from({ length: 256 }, (_, v) => v).filter((v) => (this.reg(place(bank, v)) & (1 << (v & 31))) !== 0);
  }
  get rvi(): number {
    return Number(this.vmx.read('GUEST_INTERRUPT_STATUS') & 0xffn);
  }
  get svi(): number {
    return Number(this.vmx.read('GUEST_INTERRUPT_STATUS') >> 8n);
  }
  /** The vector whose handler made the VM exit; undefined where the program that it would have interrupted did. */
  delivered(): number | undefined {
    if (this.vmx.inGuest || this.vmx.reason !== VMCALL_REASON)
      throw new Error(`neither a handler nor the guest ended by VMCALL: exit reason ${this.vmx.reason}`);
    const at = Number(this.vmx.read('GUEST_RIP'));
    return at >= HANDLER && at < HANDLER + 0x1000 ? (at - HANDLER) / 16 : undefined;
  }
}
