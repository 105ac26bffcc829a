/** The plainest web server there is: files of given folders, a content type, and no other header. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

export interface StaticServer {
  /** `http://localhost:PORT`, without a slash at the end. */
  origin: string;
  close(): Promise<void>;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

/**
 * Serves on a port of the loopback interface (0: a free one). A request below a key of `mounts` (such as `/lib/`) is
 * answered from that folder, and a request for a key of `pages` with its text. Rejects where the port is taken.
 */
export async function serve(
  mounts: Record<string, string>,
  pages: Record<string, string> = {},
  port = 0,
): Promise<StaticServer> {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    try {
      const mount = Object.keys(mounts).find((prefix) => path.startsWith(prefix));
      const body = pages[path] ?? (mount && (await readFile(join(mounts[mount], path.slice(mount.length)))));
      if (body === undefined) throw new Error('not found');
      response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((done) => server.close(() => done())),
  };
}
