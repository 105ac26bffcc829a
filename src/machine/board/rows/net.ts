/** The virtio network card, with QEMU's properties. */
import { NetFeature, VirtioNet } from '../../../devices/virtio/net.ts';
import { defaultMac, parseMac } from '../../../net/addresses.ts';
import type { DeviceContext } from '../device-context.ts';
import { virtio } from './virtio.ts';

/** What the driver is not offered where the property is off. */
const SWITCHES = {
  csum: NetFeature.CSUM,
  guest_csum: NetFeature.GUEST_CSUM,
  host_tso4: NetFeature.HOST_TSO4,
  guest_tso4: NetFeature.GUEST_TSO4,
  mrg_rxbuf: NetFeature.MRG_RXBUF,
} as const;

const ON = { kind: 'flag', initial: true } as const;
/** Cards made for a machine since its last reset. */
const counts = new WeakMap<DeviceContext, number>();

export const net = virtio({
  name: 'virtio-net',
  about: 'a network card',
  properties: {
    netdev: { kind: 'text', required: true, about: 'id of a -netdev' },
    mac: { kind: 'text', about: 'address, by default 52:54:00:12:34:56 and so on' },
    host_mtu: { kind: 'number', min: 68, max: 65535, initial: 1500 },
    csum: ON,
    guest_csum: ON,
    host_tso4: ON,
    guest_tso4: ON,
    mrg_rxbuf: ON,
  },
  make(context, { netdev, mac, host_mtu, ...switches }) {
    const count = counts.get(context) ?? 0;
    counts.set(context, count + 1);
    return new VirtioNet({
      backend: context.netdev(netdev),
      clock: context.clock,
      host: context.host,
      doors: context.doors,
      mac: mac === undefined ? defaultMac(count) : parseMac(mac),
      mtu: host_mtu,
      withhold: Object.entries(SWITCHES).reduce(
        (all, [name, bit]) => (switches[name as keyof typeof SWITCHES] ? all : all | bit),
        0n,
      ),
    });
  },
});
