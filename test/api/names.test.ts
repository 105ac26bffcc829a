// Every public name but Machine.create, used wrongly: the error names the thing, the value and what is possible.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  createQcow2,
  dump,
  Machine,
  MemoryFile,
  MemoryTree,
  openImage,
  parseMemory,
  ramDisk,
  Switch,
  translate,
  UserNet,
} from '../../src/index.ts';
import { HostFolder, nodeSockets, openDisk, SocketNet, VsockUnix } from '../../src/node/index.ts';
import { fakeCore, forever } from '../machine/fake-core.ts';
import { base, on, type Row, refuses, wrong } from './misuse.ts';

const folder = mkdtempSync(join(tmpdir(), 'vmlaunch-api-'));
afterAll(() => rmSync(folder, { recursive: true }));
const net = new Switch().port();

const METHODS: Row[] = [
  [
    'run with a text',
    on((machine) => machine.run({ instructions: '5' })),
    /Machine.run: instructions: '5' is not a number/,
  ],
  ['run with a number', on((machine) => machine.run(5)), /Machine.run: 5 is not an object of options/],
  ['run with a misspelt limit', on((machine) => machine.run({ instruction: 5 })), /did you mean 'instructions'\?/],
  [
    'run to an exit that is not there',
    on((machine) => machine.run({ exit: { reason: 'HTL' } })),
    /Machine.run: exit: reason: 'HTL' is not one of/,
  ],
  ['run to an exit at a number', on((machine) => machine.run({ exit: { rip: 5 } })), /exit: rip: 5 is not a bigint/],
  [
    'run to the exit before the first',
    on((machine) => machine.run({ exit: { nth: 0 } })),
    /break at exit 0: must be 1 or more/,
  ],
  ['run to a text', on((machine) => machine.run({ exit: 'HLT' })), /exit: 'HLT' is not an object/],
  [
    'run twice at once',
    async () => {
      const machine = await Machine.create({ ...base, createCore: fakeCore([forever]).createCore });
      void machine.run();
      try {
        return await machine.run();
      } finally {
        machine.stop();
      }
    },
    /the machine is running already/,
  ],
  ['step by a text', on((machine) => machine.step('x')), /Machine.step: count: 'x' is not an integer from 0 on/],
  ['step backwards', on((machine) => machine.step(-1)), /Machine.step: count: -1 is not/],
  ['step by no number', on((machine) => machine.step(Number.NaN)), /Machine.step: count: NaN is not/],
  ['send a number', on((machine) => machine.send(5)), /Machine.send: 5 is not a text, or a Uint8Array/],
  ['send nothing', on((machine) => machine.send()), /Machine.send: undefined is not/],
  [
    'send to a port that is not there',
    on((machine) => machine.send('x', 1)),
    /serial port 1 does not exist: the machine has 1/,
  ],
  [
    'hear of an event that is not there',
    on((machine) => machine.on('consol', () => {})),
    /there is no event 'consol'; did you mean 'console'\?/,
  ],
  ['hear by nothing', on((machine) => machine.on('console')), /listener of 'console': undefined is not a function/],
  ['ask for a port that is not there', on((machine) => machine.port('x')), /port 'x' does not exist; there are none/],
  ['a balloon that is not there', on((machine) => machine.balloon.target(5)), /this machine has no balloon/],
  [
    'a balloon larger than RAM',
    on((machine) => machine.balloon.target(1e9), { type: 'virtio-balloon' }),
    /balloon target 1000000000 is not possible/,
  ],
  [
    'a balloon of a text',
    on((machine) => machine.balloon.target('1M'), { type: 'virtio-balloon' }),
    /balloon target 1M is not possible/,
  ],
  ['sockets that are not there', on((machine) => machine.vsock.connect(5)), /no sockets: add the device vhost-vsock/],
  [
    'a socket of no port',
    on((machine) => machine.vsock.listen('x', () => {}), { type: 'vhost-vsock' }),
    /vsock port x is not possible/,
  ],
  [
    'a socket without a listener',
    on((machine) => machine.vsock.listen(5), { type: 'vhost-vsock' }),
    /vsock.listen\(5\): the listener: undefined is not a function/,
  ],
  [
    'a socket that sends a text',
    on((machine) => machine.vsock.connect(5).send('x'), { type: 'vhost-vsock' }),
    /vsock: send: 'x' is not a Uint8Array/,
  ],
  [
    'a port that sends a number',
    on((machine) => machine.port('x').send(5), { type: 'virtio-serial' }, { type: 'virtserialport', name: 'x' }),
    /port 'x': send: 5 is not a text, or a Uint8Array/,
  ],
  [
    'an event of a port that is not there',
    on(
      (machine) => machine.port('x').on('open', () => {}),
      { type: 'virtio-serial' },
      { type: 'virtserialport', name: 'x' },
    ),
    /there is no event 'open'; (did you mean|there are)/,
  ],
  ['a key that is not there', on((machine) => machine.keyboard.down('KeyÄ')), /KeyÄ/],
  ['a key that is a number', on((machine) => machine.keyboard.down(65)), /65/],
  ['text that is a number', on((machine) => machine.keyboard.type(5)), /keyboard.type: 5 is not a text/],
  ['text without keys', on((machine) => machine.keyboard.type('ü')), /ü/],
  ['a mouse that moves by a text', on((machine) => machine.mouse.move('a', 0)), /mouse.move: x: 'a' is not a number/],
  ['a mouse button that is not there', on((machine) => machine.mouse.down(3)), /mouse button 3 does not exist/],
  [
    'a key of virtio that is not there',
    on((machine) => machine.device('k').key('x', true), { type: 'virtio-keyboard', id: 'k' }),
    /x/,
  ],
  [
    'a tablet that moves by nothing',
    on((machine) => machine.device('t').move(0.5), { type: 'virtio-tablet', id: 't' }),
    /tablet.move: y: undefined is not a number/,
  ],
  [
    'a button of a tablet that is not there',
    on((machine) => machine.device('t').button('fourth', true), { type: 'virtio-tablet', id: 't' }),
    /tablet.button: 'fourth' is not one of 'left'/,
  ],
  [
    'a wheel that turns by a text',
    on((machine) => machine.device('t').wheel('up'), { type: 'virtio-tablet', id: 't' }),
    /tablet.wheel: 'up' is not a number/,
  ],
  [
    'a screen of no size',
    on((machine) => machine.device('g').resize(0, 5), { type: 'virtio-gpu', id: 'g' }),
    /resize: width: 0 is not an integer from 1/,
  ],
  [
    'a linear address as a number',
    on((machine) => translate(machine.core, wrong(5))),
    /translate: linear: 5 is not a bigint/,
  ],
];

const OTHERS: Row[] = [
  ['a size that is nothing', () => parseMemory(wrong('')), /memory size '' is no number/],
  [
    'a tree with a misspelt option',
    () => new MemoryTree(wrong({ readonly: true })),
    /MemoryTree: there is no 'readonly'; did you mean 'isReadOnly'\?/,
  ],
  [
    'a tree of a negative limit',
    () => new MemoryTree({ limit: -1 }),
    /MemoryTree: limit: -1 is not an integer from 0 on/,
  ],
  [
    'a tree whose time is a date',
    () => new MemoryTree({ now: wrong(new Date(0)) }),
    /MemoryTree: now: .* is not a function/,
  ],
  [
    'a file that is a number',
    () => new MemoryTree().put('a', wrong(5)),
    /MemoryTree.put: contents: 5 is not a Uint8Array, or a text/,
  ],
  ['a path that is nothing', () => new MemoryTree().put('', 'x'), /MemoryTree.put: '' names no file/],
  ['a path that leads out', () => new MemoryTree().put('../x', 'x'), /no file is called '..'/],
  ['a path that is a number', () => new MemoryTree().get(wrong(5)), /MemoryTree: path: 5 is not a text/],
  [
    'a disk in RAM of half a sector',
    () => ramDisk(new Uint8Array(100)),
    /a disk of 100 bytes: must be a multiple of 512/,
  ],
  ['a disk in RAM of a number', () => ramDisk(wrong(512)), /ramDisk: 512 is not a Uint8Array/],
  [
    'a disk in RAM with a misspelt option',
    () => ramDisk(new Uint8Array(512), wrong({ readOnly: true })),
    /did you mean 'isReadOnly'\?/,
  ],
  ['a file in memory of a text', () => new MemoryFile(wrong('x')), /MemoryFile: 'x' is not a Uint8Array/],
  [
    'an image without a file',
    () => createQcow2(wrong(null), { capacity: 512 }),
    /createQcow2: file: null is not an object with the methods read/,
  ],
  [
    'an image whose size is a text',
    () => createQcow2(new MemoryFile(), { capacity: wrong('1G') }),
    /createQcow2: capacity: '1G' is not a number/,
  ],
  ['an image of half a sector', () => createQcow2(new MemoryFile(), { capacity: 100 }), /a disk of 100 bytes/],
  [
    'an image on a backing file of no format',
    () => createQcow2(new MemoryFile(), { capacity: 512, backing: wrong({ name: 'x' }) }),
    /backing: an object is not .* its format one of 'raw', 'qcow2'/,
  ],
  [
    'an image of no files',
    () => openImage(wrong({}), 'a'),
    /openImage: files: an object is not an object with the methods open, resolve/,
  ],
  [
    'an image of no path',
    () => openImage({ open: () => new MemoryFile(), resolve: () => '' }, wrong(5)),
    /openImage: path: 5 is not a text/,
  ],
  [
    'an image of a format that is not there',
    () => openImage({ open: () => new MemoryFile(), resolve: () => '' }, 'a', { format: wrong('vmdk') }),
    /openImage: format: 'vmdk' is not one of 'raw', 'qcow2'/,
  ],
  [
    'a switch connected with a text',
    () => new Switch().connect(wrong('user')),
    /Switch.connect: 'user' is not an object with the methods attach, send/,
  ],
  [
    'a switch with two uplinks',
    () => {
      const one = new Switch();
      one.connect(net);
      one.connect(net);
    },
    /the switch has an uplink already/,
  ],
  ['a dump of nothing', () => dump(wrong(undefined), () => {}), /dump: backend: undefined is not/],
  ['a dump to a path', () => dump(net, wrong('a.pcap')), /dump: write: 'a.pcap' is not a function/],
  ['a dump of no bytes', () => dump(net, () => {}, { maxBytes: 0 }), /dump: maxBytes: 0 is not an integer from 1/],
  [
    'a network without sockets',
    () => UserNet.create({}, wrong(undefined)),
    /UserNet.create: sockets: undefined is not an object/,
  ],
  [
    'a network with a misspelt option',
    () => UserNet.create(wrong({ hostfwd: [] }), nodeSockets()),
    /there is no 'hostfwd'; there are .*forwards/,
  ],
  [
    'a network of no prefix',
    () => UserNet.create({ net: '10.0.2.0/33' }, nodeSockets()),
    /net '10.0.2.0\/33': the prefix must be from 8 to 28/,
  ],
  ['a network that is a number', () => UserNet.create({ net: wrong(10) }, nodeSockets()), /net: 10 is not a text/],
  [
    'a gateway outside of the network',
    () => UserNet.create({ host: '192.168.0.1' }, nodeSockets()),
    /host '192.168.0.1' is no address within/,
  ],
  [
    'a forwarded port that is a text',
    () => UserNet.create({ forwards: wrong(['tcp::80-:80']) }, nodeSockets()),
    /forwards\[0\]: 'tcp::80-:80' is not an object with protocol/,
  ],
  [
    'a forwarded port of no protocol',
    () => UserNet.create({ forwards: [wrong({ hostPort: 1, guestPort: 1 })] }, nodeSockets()),
    /its protocol one of 'tcp', 'udp'/,
  ],
  [
    'a forwarded port that is no port',
    () => UserNet.create({ forwards: [{ protocol: 'tcp', hostPort: 70000, guestPort: 1 }] }, nodeSockets()),
    /its hostPort an integer from 0 to 65535/,
  ],
  ['a folder that is not there', () => new HostFolder(join(folder, 'gone')), /gone is no folder/],
  ['a folder that is a number', () => new HostFolder(wrong(5)), /HostFolder: path: 5 is not a text/],
  [
    'a folder with a misspelt option',
    () => new HostFolder(folder, wrong({ readOnly: true })),
    /did you mean 'isReadOnly'\?/,
  ],
  ['a disk that is not there', () => openDisk(join(folder, 'gone.img')), /cannot open .*gone.img: ENOENT/],
  ['a disk that is a folder', () => openDisk(folder), /cannot open/],
  [
    'a disk that is bytes',
    () => openDisk(wrong(new Uint8Array(512))),
    /openDisk: path: a Uint8Array of 512 bytes is not a text/,
  ],
  [
    'a disk with the word of QEMU',
    () => openDisk('a', wrong({ readonly: true })),
    /openDisk: there is no 'readonly'; did you mean 'isReadOnly'\?/,
  ],
  [
    'a disk of a locking that is not there',
    () => openDisk('a', { locking: wrong('maybe') }),
    /locking: 'maybe' is not one of 'on', 'off', 'auto'/,
  ],
  [
    'a cable to nowhere',
    () => SocketNet.connect(wrong({})),
    /SocketNet.connect: an object is not .* its address a text/,
  ],
  [
    'a cable at no port',
    () => SocketNet.listen({ address: '127.0.0.1', port: 70000 }),
    /its port an integer from 0 to 65535/,
  ],
  [
    'a Unix socket of no machine',
    () => VsockUnix.open(wrong(null), join(folder, 'v')),
    /VsockUnix.open: hub: null is not/,
  ],
  [
    'a Unix socket of no path',
    () => VsockUnix.open(wrong({ listen() {}, connect() {} }), wrong(undefined)),
    /VsockUnix.open: path: undefined is not a text/,
  ],
];

refuses('methods of a machine', METHODS);
refuses('other names', OTHERS);
