/**
 * A guest of a microvm that fills its virtio-blk disks without a flush, says so on its serial port, and goes on talking.
 * Its rings are laid out here, in the flat image; its program does the stores that bring the devices up (virtio 1.2,
 * 4.2.2 "MMIO Device Register Layout", 5.2.6 "Device Operation").
 */
import { le32, machineCode } from '../machine-code.ts';

export const ADDRESS = 0x10_0000;
export const BLOCK = 0x1_0000;
export const WRITTEN = 'written\n';
/** What every byte of the disks is in the end. */
export const FILLER = 0x41;
const SLOTS = 0xfeb0_0000;
const SLOT_BYTES = 0x200;
const PAGE = 0x1000;
const QUEUE_SIZE = 256;
const Register = {
  DRIVER_FEATURES: 0x20,
  DRIVER_FEATURES_SEL: 0x24,
  QUEUE_SEL: 0x30,
  QUEUE_NUM: 0x38,
  QUEUE_READY: 0x44,
  QUEUE_NOTIFY: 0x50,
  STATUS: 0x70,
  QUEUE_DESC: 0x80,
  QUEUE_DRIVER: 0x90,
  QUEUE_DEVICE: 0xa0,
};
const Status = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8 };
const [NEXT, WRITE] = [1, 2];
/** VIRTIO_BLK_F_FLUSH, so that writes need not be stable; VIRTIO_F_VERSION_1 in the upper word. */
const FEATURES = [1 << 9, 1];
const REQUEST_OUT = 1;
const SECTORS = BLOCK / 512;

/** The image; `blocks` says how many of 64 KiB each disk gets, at most 64. */
export function diskGuest(blocks: readonly number[]): Uint8Array {
  const image = new Uint8Array(0x4_0000);
  const view = new DataView(image.buffer);
  let free = PAGE;
  const take = (bytes: number): number => {
    const at = ADDRESS + free;
    free += Math.ceil(bytes / PAGE) * PAGE;
    return at;
  };
  const at = (address: number): number => address - ADDRESS;
  const data = take(BLOCK);
  image.fill(FILLER, at(data), at(data) + BLOCK);
  const stores: [number, number][] = [];

  for (const [disk, count] of blocks.entries()) {
    const [table, driver, device] = [take(16 * QUEUE_SIZE), take(PAGE), take(PAGE)];
    const requests = take(32 * count);
    const put = (index: number, address: number, length: number, flags: number): void => {
      const entry = at(table) + 16 * index;
      view.setBigUint64(entry, BigInt(address), true);
      view.setUint32(entry + 8, length, true);
      view.setUint16(entry + 12, flags, true);
      view.setUint16(entry + 14, index + 1, true);
    };
    for (let block = 0; block < count; block++) {
      const request = requests + 32 * block;
      view.setUint32(at(request), REQUEST_OUT, true);
      view.setBigUint64(at(request) + 8, BigInt(SECTORS * block), true);
      put(3 * block, request, 16, NEXT);
      put(3 * block + 1, data, BLOCK, NEXT);
      put(3 * block + 2, request + 16, 1, WRITE);
      view.setUint16(at(driver) + 4 + 2 * block, 3 * block, true);
    }
    view.setUint16(at(driver) + 2, count, true);
    const store = (register: number, value: number): void =>
      void stores.push([SLOTS + SLOT_BYTES * disk + register, value]);
    const { ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK } = Status;
    store(Register.STATUS, ACKNOWLEDGE | DRIVER);
    for (const [word, features] of FEATURES.entries()) {
      store(Register.DRIVER_FEATURES_SEL, word);
      store(Register.DRIVER_FEATURES, features);
    }
    store(Register.STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    store(Register.QUEUE_SEL, 0);
    store(Register.QUEUE_NUM, QUEUE_SIZE);
    for (const [register, address] of [
      [Register.QUEUE_DESC, table],
      [Register.QUEUE_DRIVER, driver],
      [Register.QUEUE_DEVICE, device],
    ]) {
      store(register, address);
      store(register + 4, 0);
    }
    store(Register.QUEUE_READY, 1);
    store(Register.STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    store(Register.QUEUE_NOTIFY, 0);
  }

  const list = take(8 * stores.length + 4);
  for (const [index, pair] of stores.flat().entries()) view.setUint32(at(list) + 4 * index, pair, true);
  const text = take(WRITTEN.length + 2);
  image.set(new TextEncoder().encode(`${WRITTEN}.\n`), at(text));
  image.set(program(list, text), 0);
  return image.subarray(0, free);
}

function program(list: number, text: number): Uint8Array {
  const dot = text + WRITTEN.length;
  return machineCode(
    32,
    ADDRESS,
    `
    fc                                 cld
    be ${le32(list)}                   mov esi, ${list}
    ad                           next: lodsd
    85 c0                              test eax, eax
    74 07                              je done
    89 c7                              mov edi, eax
    ad                                 lodsd
    89 07                              mov [edi], eax
    eb f4                              jmp next
    be ${le32(text)}             done: mov esi, ${text}
    ba ${le32(0x3f8)}                  mov edx, 0x3f8
    b9 ${le32(WRITTEN.length)}         mov ecx, ${WRITTEN.length}
    f3 6e                              rep outsb
    b9 ${le32(0x10_0000)}        more: mov ecx, 0x100000
    e2 fe                              loop $
    be ${le32(dot)}                    mov esi, ${dot}
    b9 ${le32(2)}                      mov ecx, 2
    f3 6e                              rep outsb
    eb eb                              jmp more
    `,
  );
}
