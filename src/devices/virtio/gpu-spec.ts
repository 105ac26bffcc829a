/** Numbers and layouts of the GPU device (virtio 1.2, 5.7 "GPU Device"), as far as it draws in two dimensions. */

/** 5.7.6.7 "Device Operation: Request header". */
export const Command = {
  GET_DISPLAY_INFO: 0x100,
  RESOURCE_CREATE_2D: 0x101,
  RESOURCE_UNREF: 0x102,
  SET_SCANOUT: 0x103,
  RESOURCE_FLUSH: 0x104,
  TRANSFER_TO_HOST_2D: 0x105,
  RESOURCE_ATTACH_BACKING: 0x106,
  RESOURCE_DETACH_BACKING: 0x107,
  UPDATE_CURSOR: 0x300,
  MOVE_CURSOR: 0x301,
} as const;

export const Response = {
  OK_NODATA: 0x1100,
  OK_DISPLAY_INFO: 0x1101,
  ERR_UNSPEC: 0x1200,
  ERR_OUT_OF_MEMORY: 0x1201,
  ERR_INVALID_SCANOUT_ID: 0x1202,
  ERR_INVALID_RESOURCE_ID: 0x1203,
  ERR_INVALID_PARAMETER: 0x1205,
} as const;

/** type, flags, fence_id, ctx_id, ring_idx. */
export const Header = { TYPE: 0, FLAGS: 4, FENCE: 8, CONTEXT: 16, BYTES: 24 } as const;
export const FLAG_FENCE = 1;
/** Bytes of a command of which more is never read, but for the entries of a backing. */
export const COMMAND_BYTES = 56;
/** 5.7.6.8 "Device Operation: controlq": struct virtio_gpu_mem_entry. */
export const ENTRY_BYTES = 16;
/** Where entries begin in a command. */
export const ENTRIES_AT = 32;
/** struct virtio_gpu_resp_display_info has room for so many. */
export const MAX_SCANOUTS = 16;
export const DISPLAY_BYTES = 24;

/** A command broke a rule; its response says which. */
export class GpuError extends Error {
  readonly response: number;

  constructor(response: number) {
    super(`response 0x${response.toString(16)}`);
    this.response = response;
  }
}

export type Rect = {
  x: number;
  y: number;
  width: number;
  height: number;
};

/** struct virtio_gpu_rect at `at`. */
export function readRect(view: DataView, at: number): Rect {
  const [x, y, width, height] = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
  return { x, y, width, height };
}

/** Whether `rect` has pixels, and all of them within `width` by `height`. Sums of 32-bit numbers are exact. */
export const isWithin = (rect: Rect, width: number, height: number): boolean =>
  rect.width > 0 && rect.height > 0 && rect.x + rect.width <= width && rect.y + rect.height <= height;
