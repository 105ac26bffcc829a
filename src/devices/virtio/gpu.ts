/**
 * GPU device (virtio 1.2, 5.7 "GPU Device") in two dimensions: the driver keeps pictures at the host, copies its memory
 * into them, and has one of them shown. A command that cannot be gets an error response; the device lives on.
 */
import { check, isInteger } from '../../checks.ts';
import type { Width } from '../../core/types.ts';
import type { Display, Picture } from '../display.ts';
import { PIECE } from '../work-meter.ts';
import type { Chain } from './chain.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GpuResource, PIXEL_BYTES } from './gpu-resource.ts';
import {
  COMMAND_BYTES,
  Command,
  DISPLAY_BYTES,
  ENTRIES_AT,
  ENTRY_BYTES,
  FLAG_FENCE,
  GpuError,
  Header,
  isWithin,
  MAX_SCANOUTS,
  type Rect,
  Response,
  readRect,
} from './gpu-spec.ts';
import type { Virtqueue } from './queue.ts';

/** 5.7.4 "Device configuration layout": events_read, events_clear, num_scanouts, num_capsets. */
const Config = { EVENTS: 0, CLEAR: 4, SCANOUTS: 8, BYTES: 16 } as const;
const EVENT_DISPLAY = 1;
const SCANOUTS = 1;
const QUEUE_SIZES = [256, 16];
const OPAQUE = 0xff00_0000;
/** Does a piece of a command and returns whether there is more. */
type Step = () => boolean;
const DONE: Step = () => false;
/** What a resource costs beside its pixels: a guest may not have very many small ones. */
const RESOURCE_COST = 4096;

export interface GpuParts {
  /** The size of the screen that the driver is told, in pixels. */
  width: number;
  height: number;
  /** Bytes of ours that all resources together may take. */
  maxBytes: number;
}

interface Cursor {
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  resource: number;
}

export class VirtioGpu implements VirtioDevice, Display {
  readonly id = 16;
  readonly name = 'virtio-gpu';
  readonly features = 0n;
  readonly queues = QUEUE_SIZES;
  readonly config = new Uint8Array(Config.BYTES);
  readonly #view = new DataView(this.config.buffer);
  readonly #maxBytes: number;
  readonly #resources = new Map<number, GpuResource>();
  #usedBytes = 0;
  #width: number;
  #height: number;
  #host!: VirtioHost;
  /** What is shown: a part of a resource, and its pixels as they were flushed last. */
  #scanout: { id: number; rect: Rect; pixels: Uint8ClampedArray<ArrayBuffer> } | null = null;
  #cursor: Cursor = { x: 0, y: 0, hotX: 0, hotY: 0, resource: 0 };

  constructor({ width, height, maxBytes }: GpuParts) {
    this.#width = width;
    this.#height = height;
    this.#maxBytes = maxBytes;
    this.#view.setUint32(Config.SCANOUTS, SCANOUTS, true);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** The screen got another size: the driver is told, and may follow. */
  resize(width: number, height: number): void {
    for (const [name, value] of Object.entries({ width, height })) check(`resize: ${name}`, value, isInteger(1, 16384));
    this.#width = width;
    this.#height = height;
    this.config[Config.EVENTS] |= EVENT_DISPLAY;
    this.#host.configChanged();
  }

  get isOn(): boolean {
    return this.#scanout !== null;
  }

  text(): null {
    return null;
  }

  picture(): Picture {
    if (!this.#scanout) {
      const pixels = new Uint32Array(this.#width * this.#height).fill(OPAQUE);
      return { width: this.#width, height: this.#height, pixels: new Uint8ClampedArray(pixels.buffer) };
    }
    const { rect, pixels } = this.#scanout;
    const copy = pixels.slice();
    const { x, y, hotX, hotY, resource } = this.#cursor;
    this.#resources.get(resource)?.blend(copy, rect.width, rect.height, x - hotX, y - hotY);
    return { width: rect.width, height: rect.height, pixels: copy };
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (offset === Config.CLEAR && width === 4) this.config[Config.EVENTS] &= ~value;
  }

  notify(_index: number, queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const answer = this.#answer(chain, queue);
      queue.work(() => {
        const response = answer();
        if (response) queue.push(chain, chain.write(response));
        return response === null;
      });
    }
  }

  reset(): void {
    this.#resources.clear();
    this.#usedBytes = 0;
    this.#scanout = null;
    this.#cursor = { x: 0, y: 0, hotX: 0, hotY: 0, resource: 0 };
    this.config[Config.EVENTS] = 0;
  }

  /** What answers a command: it returns null for as long as there is more to do. */
  #answer(chain: Chain, queue: Virtqueue): () => Uint8Array | null {
    const command = new DataView(new ArrayBuffer(COMMAND_BYTES));
    const type = (): number => command.getUint32(Header.TYPE, true);
    const head = chain.read(ENTRIES_AT);
    new Uint8Array(command.buffer).set(head);
    if (head.length === ENTRIES_AT && type() !== Command.RESOURCE_ATTACH_BACKING) {
      new Uint8Array(command.buffer).set(chain.read(COMMAND_BYTES - ENTRIES_AT), ENTRIES_AT);
    }
    let step: Step | undefined;
    const perform = (): Uint8Array | null => {
      if (head.length < Header.BYTES) throw new GpuError(Response.ERR_UNSPEC);
      if (type() === Command.GET_DISPLAY_INFO) return this.#displayInfo(command);
      step ??= this.#perform(command, chain, queue) ?? DONE;
      return step() ? null : responseTo(command, Response.OK_NODATA);
    };
    return () => {
      try {
        return perform();
      } catch (error) {
        if (!(error instanceof GpuError)) throw error;
        return responseTo(command, error.response);
      }
    };
  }

  /** Does a command, or its beginning: returns how it goes on. */
  #perform(command: DataView, chain: Chain, queue: Virtqueue): Step | undefined {
    const word = (at: number): number => command.getUint32(Header.BYTES + at, true);
    switch (command.getUint32(Header.TYPE, true)) {
      case Command.RESOURCE_CREATE_2D:
        this.#create(word(0), word(4), word(8), word(12));
        return;
      case Command.RESOURCE_UNREF:
        this.#unref(word(0));
        return;
      case Command.SET_SCANOUT:
        return this.#setScanout(readRect(command, Header.BYTES), word(16), word(20), queue);
      case Command.RESOURCE_FLUSH:
        return this.#flush(readRect(command, Header.BYTES), word(16), queue);
      case Command.TRANSFER_TO_HOST_2D: {
        const rect = readRect(command, Header.BYTES);
        const resource = this.#resource(word(24));
        const offset = word(20) * 2 ** 32 + word(16);
        resource.checkTransfer(rect, offset);
        return inBands(rect, queue, (band) => resource.transfer(this.#host.memory, rect, offset, band));
      }
      case Command.RESOURCE_ATTACH_BACKING:
        this.#attachBacking(this.#resource(word(0)), word(4), chain);
        return;
      case Command.RESOURCE_DETACH_BACKING:
        this.#detachBacking(this.#resource(word(0)));
        return;
      case Command.UPDATE_CURSOR:
      case Command.MOVE_CURSOR:
        this.#moveCursor(command);
        return;
      default:
        throw new GpuError(Response.ERR_UNSPEC);
    }
  }

  #displayInfo(command: DataView): Uint8Array {
    const body = new DataView(new ArrayBuffer(MAX_SCANOUTS * DISPLAY_BYTES));
    body.setUint32(8, this.#width, true);
    body.setUint32(12, this.#height, true);
    body.setUint32(16, 1, true);
    return responseTo(command, Response.OK_DISPLAY_INFO, new Uint8Array(body.buffer));
  }

  #create(id: number, format: number, width: number, height: number): void {
    if (id === 0 || this.#resources.has(id)) throw new GpuError(Response.ERR_INVALID_RESOURCE_ID);
    if (width === 0 || height === 0) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    const bytes = width * height * PIXEL_BYTES + RESOURCE_COST;
    this.#checkRoom(bytes);
    this.#resources.set(id, new GpuResource(format, width, height));
    this.#usedBytes += bytes;
  }

  #unref(id: number): void {
    const resource = this.#resource(id);
    this.#detachBacking(resource);
    this.#usedBytes -= resource.pixels.length + RESOURCE_COST;
    this.#resources.delete(id);
    if (this.#scanout?.id === id) this.#scanout = null;
  }

  #setScanout(rect: Rect, scanout: number, id: number, queue: Virtqueue): Step | undefined {
    if (scanout >= SCANOUTS) throw new GpuError(Response.ERR_INVALID_SCANOUT_ID);
    if (id === 0) {
      this.#scanout = null;
      return;
    }
    const resource = this.#resource(id);
    if (!isWithin(rect, resource.width, resource.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    const pixels = new Uint8ClampedArray(rect.width * rect.height * PIXEL_BYTES);
    const show = (): void => {
      if (this.#resources.get(id) === resource) this.#scanout = { id, rect, pixels };
    };
    return inBands(rect, queue, (band) => resource.draw(band, pixels, rect.width, rect.x, rect.y), show);
  }

  #flush(rect: Rect, id: number, queue: Virtqueue): Step | undefined {
    const resource = this.#resource(id);
    if (!isWithin(rect, resource.width, resource.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    if (this.#scanout?.id !== id) return;
    const { rect: shown, pixels } = this.#scanout;
    const [x, y] = [Math.max(rect.x, shown.x), Math.max(rect.y, shown.y)];
    const width = Math.min(rect.x + rect.width, shown.x + shown.width) - x;
    const height = Math.min(rect.y + rect.height, shown.y + shown.height) - y;
    if (width <= 0 || height <= 0) return;
    const draw = (band: Rect): void => resource.draw(band, pixels, shown.width, shown.x, shown.y);
    return inBands({ x, y, width, height }, queue, draw);
  }

  #attachBacking(resource: GpuResource, count: number, chain: Chain): void {
    if (resource.hasBacking) throw new GpuError(Response.ERR_UNSPEC);
    const bytes = Math.min(count * ENTRY_BYTES, chain.unread);
    this.#checkRoom(bytes);
    const entries = chain.read(bytes);
    resource.attach(this.#host.memory, count, new DataView(entries.buffer, entries.byteOffset, entries.length));
    this.#usedBytes += resource.backingCost;
  }

  #detachBacking(resource: GpuResource): void {
    this.#usedBytes -= resource.backingCost;
    resource.detach();
  }

  /** 5.7.6.10 "Device Operation: cursorq". A cursor without a resource is hidden. */
  #moveCursor(command: DataView): void {
    const word = (at: number): number => command.getUint32(Header.BYTES + at, true);
    if (word(0) >= SCANOUTS) throw new GpuError(Response.ERR_INVALID_SCANOUT_ID);
    const [x, y] = [command.getInt32(Header.BYTES + 4, true), command.getInt32(Header.BYTES + 8, true)];
    this.#cursor = { ...this.#cursor, x, y };
    if (command.getUint32(Header.TYPE, true) === Command.MOVE_CURSOR) return;
    const resource = word(16);
    if (resource !== 0) this.#resource(resource);
    this.#cursor = { x, y, hotX: word(20), hotY: word(24), resource };
  }

  #resource(id: number): GpuResource {
    const resource = this.#resources.get(id);
    if (!resource) throw new GpuError(Response.ERR_INVALID_RESOURCE_ID);
    return resource;
  }

  #checkRoom(bytes: number): void {
    if (this.#usedBytes + bytes > this.#maxBytes) throw new GpuError(Response.ERR_OUT_OF_MEMORY);
  }
}

/** Does a rectangle band by band, from above. */
function inBands(rect: Rect, queue: Virtqueue, draw: (band: Rect) => void, end: () => void = () => {}): Step {
  const most = Math.max(1, Math.floor(PIECE / PIXEL_BYTES / Math.max(1, rect.width)));
  let done = 0;
  return () => {
    const height = Math.min(most, rect.height - done);
    if (height > 0) draw({ ...rect, y: rect.y + done, height });
    queue.charge(rect.width * height * PIXEL_BYTES);
    done += height;
    if (done < rect.height) return true;
    end();
    return false;
  };
}

/** A response header, with the fence of a command that asks for one, and what follows. */
function responseTo(command: DataView, type: number, body = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(Header.BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.TYPE, type, true);
  if (command.getUint32(Header.FLAGS, true) & FLAG_FENCE) {
    view.setUint32(Header.FLAGS, FLAG_FENCE, true);
    view.setBigUint64(Header.FENCE, command.getBigUint64(Header.FENCE, true), true);
    view.setUint32(Header.CONTEXT, command.getUint32(Header.CONTEXT, true), true);
  }
  bytes.set(body, Header.BYTES);
  return bytes;
}
