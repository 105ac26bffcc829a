/** virtio devices that the embedder has an end of: entropy, balloon, sockets and shared folders. */
import { MeteredTree } from '../../../devices/p9/metered-tree.ts';
import { P9Server, type P9State } from '../../../devices/p9/server.ts';
import { BalloonFeature } from '../../../devices/virtio/balloon.ts';
import { type P9Service, virtioP9 } from '../../../devices/virtio/p9.ts';
import { virtioRng } from '../../../devices/virtio/rng.ts';
import type { DeviceContext } from '../device-context.ts';
import { virtio } from './virtio.ts';

const FIRST_GUEST_CID = 3;
const LAST_CID = 0xffff_fffe;

/** The embedder has one end: a second device would take it from the first. */
function mustBeOnlyOne({ specs, position }: DeviceContext, name: string): void {
  if (specs.slice(0, position).some(({ type }) => type.startsWith(name))) {
    throw new RangeError(`device ${name}: a machine has one at most`);
  }
}

export const rng = virtio({
  name: 'virtio-rng',
  about: 'random numbers: of the host, or of the seed where time is virtual',
  properties: {},
  make: ({ links, doors }) => {
    const { random } = links;
    const ofHost = (bytes: Uint8Array): void => {
      bytes.set(
        doors.ask('bytes', () => {
          random.fill(bytes);
          return bytes;
        }),
      );
    };
    return virtioRng(random.save() === null ? ofHost : (bytes) => random.fill(bytes));
  },
});

export const balloon = virtio({
  name: 'virtio-balloon',
  about: 'memory that the guest gives back',
  properties: {
    'deflate-on-oom': { kind: 'flag', initial: false, about: 'the guest takes pages back before it kills a program' },
    'free-page-reporting': { kind: 'flag', initial: false, about: 'the guest tells which pages are free anyway' },
  },
  make(context, properties) {
    const { memory, links, wrote } = context;
    mustBeOnlyOne(context, 'virtio-balloon');
    const onOom = properties['deflate-on-oom'] ? 0n : BalloonFeature.DEFLATE_ON_OOM;
    const reporting = properties['free-page-reporting'] ? 0n : BalloonFeature.PAGE_REPORTING;
    return links.balloon.connect(memory, wrote, onOom | reporting);
  },
});

export const p9 = virtio({
  name: 'virtio-9p',
  about: 'a shared folder',
  properties: {
    fsdev: { kind: 'text', required: true, about: 'id of a -fsdev' },
    mount_tag: { kind: 'text', required: true, about: 'what the guest mounts' },
  },
  make: ({ links, doors }, { fsdev, mount_tag }) => {
    const tree = new MeteredTree(links.folder(fsdev));
    const server = new P9Server(tree);
    const service: P9Service = {
      answer: (message, room) => doors.ask('answer', () => server.answer(message, room)),
      reset: () => server.reset(),
      save: () => server.save(),
      load: (state) => server.load(state as P9State),
    };
    return virtioP9(mount_tag, service, () => tree.takeWork());
  },
});

export const vsock = virtio({
  name: 'vhost-vsock',
  about: 'sockets between guest and host',
  properties: {
    'guest-cid': { kind: 'number', min: FIRST_GUEST_CID, max: LAST_CID, initial: FIRST_GUEST_CID },
    uds_path: { kind: 'text', about: 'a Unix socket of the host, used as Firecracker uses it' },
  },
  make(context, properties) {
    mustBeOnlyOne(context, 'vhost-vsock');
    return context.links.vsock.connectDevice(properties['guest-cid'], properties.uds_path);
  },
});
