// A machine asked for in a wrong way: the error names the thing, the value and what is possible.
import { Machine, ramDisk, Switch } from '../../src/index.ts';
import { create, kernel, type Row, refuses, wrong } from './misuse.ts';

const disk = ramDisk(new Uint8Array(512));
const net = new Switch().port();

const OPTIONS: Row[] = [
  ['no options', () => Machine.create(wrong(undefined)), /^Machine.create: undefined is not an object of options$/],
  ['null for options', () => Machine.create(wrong(null)), /null is not an object/],
  ['a list for options', () => Machine.create(wrong([])), /an array is not an object/],
  ['a text for options', () => Machine.create(wrong('kernel')), /'kernel' is not an object/],
  ['nothing to boot', () => Machine.create({}), /there is nothing to boot/],
  ['a misspelt name', create({ kernal: kernel }), /there is no 'kernal'; did you mean 'kernel'\?/],
  ['another misspelt name', create({ memorySize: 1 }), /there is no 'memorySize'; there are .*memory/],
  ['the word of QEMU for processors', create({ smp: 2 }), /there is no 'smp'/],
  ['a text for a kernel', create({ kernel: 'text' }), /kernel: 'text' is not a Uint8Array/],
  [
    'a buffer without a view for firmware',
    create({ bios: new ArrayBuffer(8) }),
    /bios: an ArrayBuffer is not a Uint8Array/,
  ],
  ['a kernel as a promise', create({ kernel: Promise.resolve(kernel) }), /kernel: a Promise is not a Uint8Array/],
  [
    'words for a kernel',
    create({ kernel: new Uint32Array(4) }),
    /kernel: a Uint32Array of 16 bytes is not a Uint8Array/,
  ],
  ['firmware that is a text', create({ bios: 'seabios.bin' }), /bios: 'seabios.bin' is not a Uint8Array/],
  ['firmware and a kernel', create({ bios: new Uint8Array(0x20000) }), /firmware and a kernel exclude each other/],
  ['firmware of no size', create({ kernel: undefined, bios: new Uint8Array(5) }), /firmware image has 5 bytes/],
  ['memory that is an object', create({ memory: {} }), /memory: an object is not a number, or a text/],
  ['no memory', create({ memory: 0 }), /memory size 0 is not possible/],
  ['memory that is no number', create({ memory: Number.NaN }), /memory: NaN is not a number/],
  ['memory without a unit that is', create({ memory: '12X' }), /memory size '12X' is no number with a suffix/],
  ['too much memory', create({ memory: '5G' }), /memory size 5G is not possible: 1M to 4064M/],
  ['half a page of memory', create({ memory: (1 << 20) + 2048 }), /is not possible: .* in whole pages/],
  ['a processor that is a number', create({ cpu: 5 }), /cpu: 5 is not a text/],
  ['a text for processors', create({ vcpus: '2' }), /vcpus: '2' is not a number/],
  ['no processors', create({ vcpus: 0 }), /0 processors are not possible: 1 to 8/],
  ['too many processors', create({ vcpus: 9 }), /9 processors are not possible/],
  ['half a processor', create({ vcpus: 1.5 }), /1.5 processors are not possible/],
  ['a machine that is not there', create({ machine: 'q36' }), /machine 'q36': there are pc/],
  ['a machine that is a number', create({ machine: 5 }), /machine: 5 is not a text/],
  ['a VGA that is not there', create({ vga: 'cirrus' }), /vga 'cirrus' is unknown: there are std and none/],
  ['a VGA that is a flag', create({ vga: true }), /vga: true is not a text/],
  ['a clock that is not there', create({ clock: 'x' }), /clock: 'x' is not one of 'vm', 'host'/],
  ['a way to boot that is not there', create({ linuxBoot: 'x' }), /linuxBoot: 'x' is not one of 'unpack'/],
  ['an invalid date', create({ date: new Date('x') }), /date: an invalid date is not a valid Date/],
  ['a date as a text', create({ date: '2026-01-01' }), /date: '2026-01-01' is not a valid Date/],
  ['a date as a number', create({ date: 0 }), /date: 0 is not a valid Date/],
  ['a seed that is a text', create({ seed: 'x' }), /seed: 'x' is not an integer/],
  ['half a seed', create({ seed: 0.5 }), /seed: 0.5 is not an integer/],
  ['a text for a flag', create({ reboot: 'yes' }), /reboot: 'yes' is not true or false/],
  ['a number for a flag', create({ waitForInput: 1 }), /waitForInput: 1 is not true or false/],
  ['a text for recordExits', create({ recordExits: 'vmexit' }), /recordExits: 'vmexit' is not true or false/],
  ['a list for a command line', create({ append: ['quiet'] }), /append: an array is not a text/],
  ['a number for a name', create({ kernelName: 7 }), /kernelName: 7 is not a text/],
  ['minus one serial port', create({ serialPorts: -1 }), /-1 serial ports are not possible: 0 to 4/],
  ['five serial ports', create({ serialPorts: 5 }), /5 serial ports are not possible/],
  ['a text for serial ports', create({ serialPorts: 'two' }), /serialPorts: 'two' is not a number/],
  ['a flat image of no address', create({ flat: {} }), /flat: address is missing/],
  ['a flat image of no mode', create({ flat: { address: 0 } }), /flat: mode is missing/],
  ['a mode of eight bits', create({ flat: { address: 0x7c00, mode: 8 } }), /flat: mode: 8 is not one of 16, 32, 64/],
  ['a mode that is a text', create({ flat: { address: 0x7c00, mode: '16' } }), /flat: mode: '16' is not one of/],
  ['a negative address', create({ flat: { address: -1, mode: 16 } }), /flat: address: -1 is not an integer from 0/],
  ['an address as a bigint', create({ flat: { address: 5n, mode: 16 } }), /flat: address: 5n is not an integer/],
  [
    'an entry outside of the image',
    create({ flat: { address: 0x7c00, mode: 16, entry: 1 } }),
    /the entry 0x1 is outside/,
  ],
  ['a flat image beyond RAM', create({ flat: { address: 0xff_0000_00, mode: 32 } }), /flat image/],
  ['true for flat', create({ flat: true }), /flat: true is not an object of options/],
  ['an empty image', create({ kernel: new Uint8Array(0) }), /the flat image is empty/],
  ['a number for modules', create({ modules: 5 }), /modules: 5 is not a list/],
  ['a module that is bytes', create({ modules: [kernel] }), /modules\[0\]: there is no '0'|modules\[0\]: bytes/],
  ['a module without bytes', create({ modules: [{ commandLine: 'x' }] }), /modules\[0\]: bytes is missing/],
  ['a module without a name', create({ modules: [{ bytes: kernel }] }), /modules\[0\]: commandLine is missing/],
  [
    'a file of fw_cfg that is a number',
    create({ fwCfg: { 'opt/x': 5 } }),
    /fwCfg.opt\/x: 5 is not a Uint8Array, or a text/,
  ],
  ['a list for fw_cfg', create({ fwCfg: ['x'] }), /fwCfg: an array is not an object by names/],
  ['a type of SMBIOS that is not there', create({ smbios: { 99: {} } }), /smbios: there is no '99'/],
  [
    'a field of SMBIOS that is not there',
    create({ smbios: { 1: { vendor: 'x' } } }),
    /smbios\[1\]: there is no 'vendor'/,
  ],
  [
    'a UUID that is none',
    create({ flat: undefined, smbios: { 1: { uuid: 'x' } } }),
    /'x' is no UUID|unknown image format/,
  ],
  ['a text for a tracer', create({ tracer: 'int' }), /tracer: 'int' is not an object/],
  ['a tracer of no function', create({ tracer: { event: 5 } }), /tracer: an object is not .* its event a function/],
  ['a text for the core', create({ source: 'core.wasm' }), /source: 'core.wasm' is not the bytes of a module/],
  ['a core that is no function', create({ createCore: {} }), /createCore: an object is not a function/],
  [
    'a drive that is a path',
    create({ drives: { d: 'a.img' } }),
    /drives.d: 'a.img' is not an object with the methods read/,
  ],
  [
    'a drive that is bytes',
    create({ drives: { d: new Uint8Array(512) } }),
    /drives.d: a Uint8Array of 512 bytes is not/,
  ],
  [
    'a drive of half a sector',
    create({
      drives: {
        d: {
          ...disk,
          read() {},
          write() {},
          flush() {},
          discard() {},
          writeZeroes() {},
          capacity: 100,
          isReadOnly: false,
        },
      },
    }),
    /drives.d: .* its capacity a multiple of 512 bytes/,
  ],
  ['a list of drives', create({ drives: [disk] }), /drives: an array is not an object by names/],
  [
    'a network that is a text',
    create({ netdevs: { n: 'user' } }),
    /netdevs.n: 'user' is not an object with the methods attach, send/,
  ],
  [
    'a network that is still a promise',
    create({ netdevs: { n: Promise.resolve(net) } }),
    /netdevs.n: a Promise is not/,
  ],
  ['a character device that is a function', create({ chardevs: { c: () => {} } }), /chardevs.c: a function is not/],
  [
    'a folder that is a path',
    create({ folders: { f: '/tmp' } }),
    /folders.f: '\/tmp' is not an object with the methods stat/,
  ],
];

const DEVICES: Row[] = [
  ['devices that are no list', create({ devices: { type: 'virtio-rng' } }), /devices: an object is not a list/],
  ['null for a device', create({ devices: [null] }), /devices\[0\]: null is not an object with type/],
  ['a name for a device', create({ devices: ['virtio-rng'] }), /devices\[0\]: 'virtio-rng' is not an object with type/],
  ['a device without a type', create({ devices: [{}] }), /devices\[0\]: an object is not .* its type a text/],
  [
    'a device that is not there',
    create({ devices: [{ type: 'virtio-rgn' }] }),
    /device 'virtio-rgn' is unknown: did you mean 'virtio-rng'\?/,
  ],
  ['a device of nothing known', create({ devices: [{ type: 'floppy' }] }), /device 'floppy' is unknown: there are /],
  [
    'two devices of one id',
    create({
      devices: [
        { type: 'virtio-rng', id: 'a' },
        { type: 'virtio-keyboard', id: 'a' },
      ],
    }),
    /devices\[1\]: another device has the id 'a'/,
  ],
  ['an id that is a number', create({ devices: [{ type: 'virtio-rng', id: 5 }] }), /its id a text/],
  [
    'a property that is not there',
    create({ devices: [{ type: 'virtio-blk', drives: 'd' }] }),
    /unknown property 'drives'; did you mean 'drive'\?/,
  ],
  ['a property that is missing', create({ devices: [{ type: 'virtio-blk' }] }), /drive= is missing/],
  [
    'a drive that is not there',
    create({ devices: [{ type: 'virtio-blk', drive: 'd' }] }),
    /drive 'd' does not exist; there are none/,
  ],
  ['a disk itself for its id', create({ devices: [{ type: 'virtio-blk', drive: disk }] }), /drive=: .* is not a text/],
  [
    'a network that is not there',
    create({ devices: [{ type: 'virtio-net', netdev: 'n' }] }),
    /netdev 'n' does not exist/,
  ],
  [
    'a MAC address that is none',
    create({ netdevs: { n: net }, devices: [{ type: 'virtio-net', netdev: 'n', mac: 'x' }] }),
    /MAC address 'x'/,
  ],
  [
    'a number out of range',
    create({ devices: [{ type: 'isa-debug-exit', iobase: 0x10000 }] }),
    /iobase=: '65536' is not a number from/,
  ],
  [
    'a flag that is a text',
    create({ devices: [{ type: 'virtio-balloon', 'deflate-on-oom': 'on' }] }),
    /deflate-on-oom=: 'on' is not on or off/,
  ],
  ['a slot that is not there', create({ devices: [{ type: 'virtio-rng', addr: 'zz' }] }), /zz/],
  [
    'a folder that is not there',
    create({ devices: [{ type: 'virtio-9p', fsdev: 'f', mount_tag: 't' }] }),
    /fsdev 'f' does not exist/,
  ],
  [
    'two balloons',
    create({ devices: [{ type: 'virtio-balloon' }, { type: 'virtio-balloon' }] }),
    /a machine has one at most/,
  ],
  ['a port without its controller', create({ devices: [{ type: 'virtserialport', name: 'x' }] }), /virtserialport/],
  [
    'an own device without a device',
    create({ devices: [{ type: 'custom', name: 'x', iobase: 1, iosize: 1 }] }),
    /devices\[0\]: device is missing/,
  ],
  [
    'an own device that cannot read',
    create({ devices: [{ type: 'custom', name: 'x', iobase: 1, iosize: 1, device: {} }] }),
    /devices\[0\]: device: an object is not an object with the methods read, write/,
  ],
  [
    'an own device at taken ports',
    create({
      devices: [
        {
          type: 'custom',
          name: 'x',
          iobase: 0x3f8,
          iosize: 8,
          device: { maxWidth: 1, read: () => 0, write: () => {} },
        },
      ],
    }),
    /x/,
  ],
  [
    'an own device at no port',
    create({
      devices: [
        { type: 'custom', name: 'x', iobase: -1, iosize: 8, device: { maxWidth: 1, read: () => 0, write: () => {} } },
      ],
    }),
    /iobase: -1 is not an integer from 0 to 65535/,
  ],
  [
    'a PCI device on a board without PCI',
    create({ machine: 'microvm', vga: 'none', devices: [{ type: 'virtio-rng-pci' }] }),
    /has no PCI bus/,
  ],
];

refuses('options of a machine', OPTIONS);
refuses('devices of a machine', DEVICES);
