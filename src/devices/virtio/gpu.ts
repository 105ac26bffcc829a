/**
 * GPU device (virtio 1.2, 5.7 "GPU Device") in two dimensions: the driver keeps pictures at the host, copies its memory
 * into them, and has one of them shown. A command that cannot be gets an error response; the device lives on.
 */
import { check, isInteger } from '../../checks.ts';
import type { Width } from '../../core/types.ts';
import { type Doors, NO_DOORS } from '../../doors.ts';
import { copyOf, type Plain } from '../../saved.ts';
import type { Display, Picture } from '../display.ts';
import { PIECE } from '../work-meter.ts';
import type { Chain } from './chain.ts';
import type { VirtioDevice, VirtioHost } from './device.ts';
import { GpuResource, PIXEL_BYTES, type ResourceState } from './gpu-resource.ts';
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
/** A command, and how far it is: what is done band by band has its rectangle, and the lines of it that are done. */
type Job = { command: Uint8Array; length: number; work: Work | null };
type Work = {
  resource: number;
  rect: Rect;
  /** Of the first pixel in the backing, for a transfer. */
  offset: number;
  done: number;
  /** What a scanout begins to show when all of it is drawn. */
  pixels: Uint8Array | null;
};
/** What a resource costs beside its pixels: a guest may not have very many small ones. */
const RESOURCE_COST = 4096;

export interface GpuParts {
  /** The size of the screen that the driver is told, in pixels. */
  width: number;
  height: number;
  /** Bytes of ours that all resources together may take. */
  maxBytes: number;
  doors?: Doors;
}

type Cursor = { x: number; y: number; hotX: number; hotY: number; resource: number };

export type GpuState = {
  resources: (ResourceState & { id: number })[];
  usedBytes: number;
  width: number;
  height: number;
  scanout: { id: number; rect: Rect; pixels: Uint8Array } | null;
  cursor: Cursor;
};

export class VirtioGpu implements VirtioDevice, Display {
  readonly id = 16;
  readonly name = 'virtio-gpu';
  readonly features = 0n;
  readonly queues = QUEUE_SIZES;
  readonly config = new Uint8Array(Config.BYTES);
  readonly #view = new DataView(this.config.buffer);
  readonly #maxBytes: number;
  readonly #enterSize: (width: number, height: number) => void;
  readonly #resources = new Map<number, GpuResource>();
  #usedBytes = 0;
  #width: number;
  #height: number;
  #host!: VirtioHost;
  /** What is shown: a part of a resource, and its pixels as they were flushed last. */
  #scanout: { id: number; rect: Rect; pixels: Uint8Array } | null = null;
  #cursor: Cursor = { x: 0, y: 0, hotX: 0, hotY: 0, resource: 0 };

  constructor({ width, height, maxBytes, doors = NO_DOORS }: GpuParts) {
    this.#enterSize = doors.door('resize', (columns: number, rows: number) => this.#resize(columns, rows));
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
    this.#enterSize(width, height);
  }

  #resize(width: number, height: number): void {
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
    const copy = new Uint8ClampedArray(pixels);
    const { x, y, hotX, hotY, resource } = this.#cursor;
    this.#resources.get(resource)?.blend(copy, rect.width, rect.height, x - hotX, y - hotY);
    return { width: rect.width, height: rect.height, pixels: copy };
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (offset === Config.CLEAR && width === 4) this.config[Config.EVENTS] &= ~value;
  }

  notify(_index: number, queue: Virtqueue): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const command = new Uint8Array(COMMAND_BYTES);
      const head = chain.read(ENTRIES_AT);
      command.set(head);
      const job: Job = { command, length: head.length, work: null };
      if (head.length === ENTRIES_AT && viewOf(job).getUint32(Header.TYPE, true) !== Command.RESOURCE_ATTACH_BACKING) {
        command.set(chain.read(COMMAND_BYTES - ENTRIES_AT), ENTRIES_AT);
      }
      queue.work(chain, job);
    }
  }

  step(queue: Virtqueue, chain: Chain, rest: Plain): boolean {
    const response = this.#answer(rest as Job, chain, queue);
    if (response) queue.push(chain, chain.write(response));
    return response === null;
  }

  save(): GpuState {
    return {
      resources: [...this.#resources].map(([id, resource]) => ({ id, ...resource.save() })),
      usedBytes: this.#usedBytes,
      width: this.#width,
      height: this.#height,
      scanout: this.#scanout && {
        ...this.#scanout,
        rect: { ...this.#scanout.rect },
        pixels: this.#scanout.pixels.slice(),
      },
      cursor: { ...this.#cursor },
    };
  }

  load({ resources, usedBytes, width, height, scanout, cursor }: GpuState): void {
    this.#resources.clear();
    for (const { id, ...state } of resources) this.#resources.set(id, GpuResource.of(state));
    this.#usedBytes = usedBytes;
    this.#width = width;
    this.#height = height;
    this.#scanout = scanout && copyOf(scanout);
    this.#cursor = { ...cursor };
  }

  reset(): void {
    this.#resources.clear();
    this.#usedBytes = 0;
    this.#scanout = null;
    this.#cursor = { x: 0, y: 0, hotX: 0, hotY: 0, resource: 0 };
    this.config[Config.EVENTS] = 0;
  }

  /** Does a command, or a piece of it: the response, null for as long as there is more to do. */
  #answer(job: Job, chain: Chain, queue: Virtqueue): Uint8Array | null {
    const command = viewOf(job);
    try {
      if (job.length < Header.BYTES) throw new GpuError(Response.ERR_UNSPEC);
      if (command.getUint32(Header.TYPE, true) === Command.GET_DISPLAY_INFO) return this.#displayInfo(command);
      job.work ??= this.#perform(command, chain);
      const hasMore = job.work !== null && this.#band(command, job.work, queue);
      return hasMore ? null : responseTo(command, Response.OK_NODATA);
    } catch (error) {
      if (!(error instanceof GpuError)) throw error;
      return responseTo(command, error.response);
    }
  }

  /** Does a command at once, or returns what is to be done band by band. */
  #perform(command: DataView, chain: Chain): Work | null {
    const word = (at: number): number => command.getUint32(Header.BYTES + at, true);
    const rect = readRect(command, Header.BYTES);
    switch (command.getUint32(Header.TYPE, true)) {
      case Command.RESOURCE_CREATE_2D:
        this.#create(word(0), word(4), word(8), word(12));
        return null;
      case Command.RESOURCE_UNREF:
        this.#unref(word(0));
        return null;
      case Command.SET_SCANOUT:
        return this.#setScanout(rect, word(16), word(20));
      case Command.RESOURCE_FLUSH:
        return this.#flush(rect, word(16));
      case Command.TRANSFER_TO_HOST_2D: {
        const offset = word(20) * 2 ** 32 + word(16);
        this.#resource(word(24)).checkTransfer(rect, offset);
        return { resource: word(24), rect, offset, done: 0, pixels: null };
      }
      case Command.RESOURCE_ATTACH_BACKING:
        this.#attachBacking(this.#resource(word(0)), word(4), chain);
        return null;
      case Command.RESOURCE_DETACH_BACKING:
        this.#detachBacking(this.#resource(word(0)));
        return null;
      case Command.UPDATE_CURSOR:
      case Command.MOVE_CURSOR:
        this.#moveCursor(command);
        return null;
      default:
        throw new GpuError(Response.ERR_UNSPEC);
    }
  }

  /**
   * Does the next band, from above, and returns whether there is more. A command of the other queue may have come between
   * two bands: everything is looked up anew.
   */
  #band(command: DataView, work: Work, queue: Virtqueue): boolean {
    const { rect, done } = work;
    const most = Math.max(1, Math.floor(PIECE / PIXEL_BYTES / Math.max(1, rect.width)));
    const height = Math.min(most, rect.height - done);
    if (height > 0) this.#draw(command.getUint32(Header.TYPE, true), work, { ...rect, y: rect.y + done, height });
    queue.charge(rect.width * height * PIXEL_BYTES);
    work.done += height;
    if (work.done < rect.height) return true;
    if (work.pixels) this.#scanout = { id: work.resource, rect, pixels: work.pixels };
    return false;
  }

  #draw(type: number, { resource: id, rect, offset, pixels }: Work, band: Rect): void {
    const resource = this.#resource(id);
    if (type === Command.TRANSFER_TO_HOST_2D) resource.transfer(this.#host.memory, rect, offset, band);
    else if (!isWithin(band, resource.width, resource.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    else if (pixels) resource.draw(band, pixels, rect.width, rect.x, rect.y);
    else if (this.#scanout?.id === id) {
      const { rect: shown, pixels: to } = this.#scanout;
      const part = common(band, shown);
      if (part) resource.draw(part, to, shown.width, shown.x, shown.y);
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

  #setScanout(rect: Rect, scanout: number, id: number): Work | null {
    if (scanout >= SCANOUTS) throw new GpuError(Response.ERR_INVALID_SCANOUT_ID);
    if (id === 0) {
      this.#scanout = null;
      return null;
    }
    const resource = this.#resource(id);
    if (!isWithin(rect, resource.width, resource.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    const pixels = new Uint8Array(rect.width * rect.height * PIXEL_BYTES);
    return { resource: id, rect, offset: 0, done: 0, pixels };
  }

  #flush(rect: Rect, id: number): Work | null {
    const resource = this.#resource(id);
    if (!isWithin(rect, resource.width, resource.height)) throw new GpuError(Response.ERR_INVALID_PARAMETER);
    if (this.#scanout?.id !== id) return null;
    const part = common(rect, this.#scanout.rect);
    return part && { resource: id, rect: part, offset: 0, done: 0, pixels: null };
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

/** What two rectangles have in common; null where they have nothing. */
function common(one: Rect, other: Rect): Rect | null {
  const [x, y] = [Math.max(one.x, other.x), Math.max(one.y, other.y)];
  const width = Math.min(one.x + one.width, other.x + other.width) - x;
  const height = Math.min(one.y + one.height, other.y + other.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

const viewOf = ({ command }: Job): DataView => new DataView(command.buffer, command.byteOffset, command.length);

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
