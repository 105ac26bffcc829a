/** The header before every frame of a network device: virtio 1.2, 5.1.6 "Device Operation". */
import type { Offload } from '../../net/backend.ts';

/** Bytes of struct virtio_net_hdr with VIRTIO_F_VERSION_1, mergeable buffers or not. */
export const NET_HEADER_BYTES = 12;
const NEEDS_CSUM = 1;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const CHECKSUM_BYTES = 2;
/** Of Ethernet, IPv4 and TCP without options: what a device may say of a frame that it hands to the driver. */
const LEAST_HEADERS = 54;

/** What the header says of its frame: the work left, null for none, 'malformed' where it makes no sense. */
export function readHeader(header: Uint8Array, frameBytes: number, mayCut: boolean): Offload | null | 'malformed' {
  const word = (at: number): number => header[at] | (header[at + 1] << 8);
  const [flags, gso] = header;
  const [segmentBytes, checksumStart, checksumOffset] = [word(4), word(6), word(8)];
  if (gso !== GSO_NONE && !(mayCut && gso === GSO_TCPV4 && segmentBytes > 0 && flags & NEEDS_CSUM)) return 'malformed';
  if (!(flags & NEEDS_CSUM)) return null;
  if (checksumStart + checksumOffset + CHECKSUM_BYTES > frameBytes) return 'malformed';
  return { checksumStart, checksumOffset, segmentBytes: gso === GSO_NONE ? 0 : segmentBytes };
}

export function makeHeader(offload: Offload | undefined, buffers: number): Uint8Array {
  const header = new Uint8Array(NET_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint16(10, buffers, true);
  if (offload) {
    const { segmentBytes, checksumStart, checksumOffset } = offload;
    header[0] = NEEDS_CSUM;
    header[1] = segmentBytes > 0 ? GSO_TCPV4 : GSO_NONE;
    view.setUint16(2, segmentBytes > 0 ? Math.max(LEAST_HEADERS, checksumStart + 20) : 0, true);
    view.setUint16(4, segmentBytes, true);
    view.setUint16(6, checksumStart, true);
    view.setUint16(8, checksumOffset, true);
  }
  return header;
}
