/** The way out of the processor: imports that the embedder serves. */
import { apicOwns, apicRead, apicWrite } from '../apic/apic';
import { inApicAccessPage, virtualRead, virtualWrite } from '../vmx/virtual-apic';
import { ioapicOwns, ioapicRead, ioapicWrite } from '../apic/ioapic';

@external('env', 'portIn') declare function envPortIn(port: u32, width: u32): u32;
@external('env', 'portOut') declare function envPortOut(port: u32, width: u32, value: u32): void;
@external('env', 'mmioRead') declare function envMmioRead(pa: f64, width: u32): u32;
@external('env', 'mmioWrite') declare function envMmioWrite(pa: f64, width: u32, value: u32): void;
@external('env', 'interruptAcknowledge') declare function envInterruptAcknowledge(): u32;

/** The INTA cycle: the vector of the interrupt controller that drives INTR. */
@inline export function interruptAcknowledge(): u32 { return envInterruptAcknowledge(); }
@inline export function portIn(port: u32, width: u32): u32 { return envPortIn(port, width); }
@inline export function portOut(port: u32, width: u32, value: u32): void { envPortOut(port, width, value); }

function readDevice(pa: u64, width: u32): u64 {
  if (inApicAccessPage(pa)) return virtualRead(<u32>pa & 0xfff, width);
  if (apicOwns(pa)) return apicRead(<u32>pa & 0xfff, width);
  if (ioapicOwns(pa)) return ioapicRead(<u32>pa & 0xff);
  return envMmioRead(<f64>pa, width);
}

/** Reads `width` bytes (1 to 8) of device memory, least significant first. */
export function mmioRead(pa: u64, width: u32): u64 {
  if (width == 8) return mmioRead(pa, 4) | (mmioRead(pa + 4, 4) << 32);
  if (width == 1 || width == 2 || width == 4) return readDevice(pa, width);
  let value: u64 = 0;
  for (let n: u32 = 0; n < width; n++) value |= mmioRead(pa + n, 1) << (n << 3);
  return value;
}

export function mmioWrite(pa: u64, width: u32, value: u64): void {
  if (width == 8) {
    mmioWrite(pa, 4, value & 0xffffffff);
    mmioWrite(pa + 4, 4, value >> 32);
  } else if (width == 1 || width == 2 || width == 4) {
    if (inApicAccessPage(pa)) virtualWrite(<u32>pa & 0xfff, width, <u32>value);
    else if (apicOwns(pa)) apicWrite(<u32>pa & 0xfff, width, <u32>value);
    else if (ioapicOwns(pa)) ioapicWrite(<u32>pa & 0xff, <u32>value);
    else envMmioWrite(<f64>pa, width, <u32>value);
  } else {
    for (let n: u32 = 0; n < width; n++) mmioWrite(pa + n, 1, (value >> (n << 3)) & 0xff);
  }
}
