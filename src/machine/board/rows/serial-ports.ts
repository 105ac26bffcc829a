/**
 * Ports over virtio: a virtio-serial device, and the virtconsole and virtserialport devices behind it on the command line
 * are its ports, as in QEMU. A port without a chardev ends at the embedder, by its name.
 */
import { VirtioConsole } from '../../../devices/virtio/console.ts';
import type { ConsolePort, PortParts } from '../../../devices/virtio/console-port.ts';
import type { DeviceContext } from '../device-context.ts';
import { device } from '../device-row.ts';
import { virtio } from './virtio.ts';

const BUS = /^virtio-serial(-pci|-device)?$/;
const CONSOLE = 'virtconsole';
const PORT = 'virtserialport';
/** What the embedder calls a console without a name. */
const FIRST_CONSOLE = 'hvc0';
const PROPERTIES = { chardev: { kind: 'text', about: 'id of a -chardev' }, name: { kind: 'text' } } as const;

interface PortSpec {
  type: string;
  chardev?: string;
  name?: string;
}

export const virtioSerial = virtio({
  name: 'virtio-serial',
  about: 'ports for consoles and programs',
  properties: { chardev: { kind: 'text', about: 'id of a -chardev: for a console without a device of its own' } },
  make(context, { chardev }) {
    const specs = portsOf(context);
    if (chardev !== undefined) specs.unshift({ type: CONSOLE, chardev });
    if (specs.length === 0) specs.push({ type: CONSOLE });
    /** Number 0 is a console's, as in QEMU: drivers without ports take it for one. */
    const ends = [...(specs[0].type === CONSOLE ? [] : [null]), ...specs].map((spec) => spec && endOf(context, spec));
    const console = new VirtioConsole(
      ends.map((end) => end?.parts ?? null),
      context.doors,
    );
    for (const [id, end] of ends.entries()) if (console.ports[id]) end?.attach(console.ports[id]);
    return console;
  },
});

export const virtconsole = device({
  names: [CONSOLE],
  about: 'a console (hvc0, ..) of the virtio-serial before it',
  properties: PROPERTIES,
  create: (context, _properties, name) => needsBus(context, name),
});

export const virtserialport = device({
  names: [PORT],
  about: 'a named port of the virtio-serial before it',
  properties: PROPERTIES,
  create: (context, _properties, name) => needsBus(context, name),
});

function needsBus({ specs, position }: DeviceContext, name: string): undefined {
  if (!specs.slice(0, position).some(({ type }) => BUS.test(type))) {
    throw new RangeError(`device ${name}: there is no virtio-serial before it`);
  }
  return undefined;
}

/** The ports of the device that is being made: those before the next one of its kind. */
function portsOf({ specs, position }: DeviceContext): PortSpec[] {
  const after = specs.slice(position + 1);
  const next = after.findIndex(({ type }) => BUS.test(type));
  return after.slice(0, next < 0 ? after.length : next).filter(({ type }) => type === CONSOLE || type === PORT);
}

interface End {
  parts: PortParts;
  attach(port: ConsolePort): void;
}

function endOf({ chardev, links, onReset, doors }: DeviceContext, spec: PortSpec): End {
  const isConsole = spec.type === CONSOLE;
  const { name } = spec;
  if (spec.chardev !== undefined) {
    const backend = chardev(spec.chardev);
    return {
      parts: { name, isConsole, output: (bytes) => backend.write(bytes) },
      attach: (port) =>
        onReset(backend.connect(doors.door(`port[${port.id}]`, (bytes: Uint8Array) => port.send(bytes)))),
    };
  }
  if (name === undefined && !isConsole) throw new RangeError(`device ${PORT}: it needs a name or a chardev`);
  const port = links.makePort(name ?? FIRST_CONSOLE);
  return { parts: { name, isConsole, ...port.parts }, attach: (end) => port.attach(end) };
}
