/**
 * What a kernel or an initial RAM disk may be handed over as: bytes, or what a page or Node has in their place. The types
 * name only what is used, so that neither the DOM's nor Node's are needed.
 */
import { isObject, isBytes as notBytes, OptionError } from '../../checks.ts';

/** A Blob or a File. */
interface BlobLike {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}
/** What `fetch` gives. */
interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly body: StreamLike | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}
/** A ReadableStream of bytes. */
interface StreamLike {
  getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(reason?: unknown): Promise<void> };
}
interface UrlLike {
  readonly href: string;
}

export type ByteSource = Uint8Array | ArrayBuffer | BlobLike | ResponseLike | StreamLike | UrlLike;

/** An AbortSignal. */
export interface SignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Whether a value is an AbortSignal. */
export const isSignal = isObject(['addEventListener', 'removeEventListener']);

export interface Progress {
  what: 'kernel' | 'initrd';
  /** Bytes that are there, and bytes in all where that is known. */
  loaded: number;
  total?: number;
}

export interface LoadOptions {
  /** As messages call it: 'kernel' or 'initrd'. */
  what: Progress['what'];
  signal?: SignalLike;
  progress?: (progress: Progress) => void;
}

const KINDS = 'a Uint8Array, an ArrayBuffer, a Blob, a Response, a URL or a ReadableStream of bytes';

/** Whether a value can be loaded from; a path is none: Node has `readFile`, a page `fetch`. */
export function isByteSource(value: unknown): string | null {
  const given = value as Partial<BlobLike & StreamLike & UrlLike> | null;
  const isOne =
    isBytes(value) ||
    isBuffer(value) ||
    (typeof value === 'object' &&
      (typeof given?.arrayBuffer === 'function' || typeof given?.getReader === 'function' || value instanceof URL));
  return isOne ? null : KINDS;
}

/** All bytes of `source`. Throws OptionError where a server has none, and what `signal` says where it is aborted. */
export async function loadBytes(source: ByteSource, options: LoadOptions): Promise<Uint8Array> {
  throwIfAborted(options.signal);
  if (isBytes(source)) return source;
  if (isBuffer(source)) return new Uint8Array(source);
  if ('href' in source) return loadResponse(await fetchFrom(source.href, options), options);
  if ('ok' in source) return loadResponse(source, options);
  if ('getReader' in source) return readAll(source, options);
  return new Uint8Array(await source.arrayBuffer());
}

/** Throws the reason of an abort. */
export function throwIfAborted(signal: SignalLike | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

const isBytes = (value: unknown): value is Uint8Array => notBytes(value) === null;
const isBuffer = (value: unknown): value is ArrayBuffer =>
  Object.prototype.toString.call(value) === '[object ArrayBuffer]';

async function fetchFrom(href: string, { what, signal }: LoadOptions): Promise<ResponseLike> {
  try {
    return await fetch(href, signal ? { signal: signal as AbortSignal } : {});
  } catch (error) {
    throwIfAborted(signal);
    throw new OptionError(`${what}: cannot fetch ${href}: ${(error as Error).message}`, { cause: error });
  }
}

async function loadResponse(response: ResponseLike, options: LoadOptions): Promise<Uint8Array> {
  const { ok, url, status, statusText, body, headers } = response;
  if (!ok) throw new OptionError(`${options.what}: ${url} answered ${status} ${statusText}`);
  const type = headers.get('content-type') ?? '';
  if (type.startsWith('text/html')) throw new OptionError(`${options.what}: ${url} is a page (${type}), not an image`);
  if (!body) return new Uint8Array(await response.arrayBuffer());
  // Of what is packed in transit the length says nothing.
  const length = headers.get('content-encoding') ? Number.NaN : Number(headers.get('content-length') ?? Number.NaN);
  return readAll(body, options, Number.isNaN(length) ? undefined : length);
}

async function readAll(
  stream: StreamLike,
  { what, signal, progress }: LoadOptions,
  total?: number,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let loaded = 0;
  const cancel = (): void => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener('abort', cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      throwIfAborted(signal);
      if (done || !value) break;
      parts.push(value);
      loaded += value.length;
      progress?.({ what, loaded, total });
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
