/** A machine in a Worker, so that the page stays responsive: it runs here and speaks to the page by messages. */
import { Machine } from '../src/entries/page.ts';
import type { FromWorker, PixelPicture, StartOptions, TextPicture, ToWorker } from './protocol.ts';

const REPORT_MS = 1000;
const SCREEN_MS = 50;

/** The part of a worker's scope that is used here; the type library of pages has none. */
interface Scope {
  onmessage: ((event: { data: ToWorker }) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}
const scope = self as unknown as Scope;

let machine: Machine | null = null;
let isWatched = false;
let lastText = '';

async function start({ kernel, initrd, ...rest }: StartOptions): Promise<void> {
  try {
    machine = await Machine.create({
      ...rest,
      kernel,
      modules: initrd ? [{ bytes: initrd, commandLine: '' }] : [],
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
      waitForInput: true,
      date: new Date(),
    });
    machine.on('console', (text) => scope.postMessage({ type: 'console', text }));
    scope.postMessage({ type: 'started' });
    const reports = setInterval(tellReport, REPORT_MS);
    const screens = setInterval(showScreen, SCREEN_MS);
    const outcome = await machine.run();
    clearInterval(reports);
    clearInterval(screens);
    isWatched = true;
    showScreen();
    scope.postMessage({ type: 'ended', outcome, report: machine.report });
  } catch (error) {
    scope.postMessage({ type: 'problem', message: (error as Error).message });
  }
}

function tellReport(): void {
  if (machine) scope.postMessage({ type: 'report', report: machine.report });
}

/** Sends the screen if it changed since it was sent last. */
function showScreen(): void {
  if (!machine || !isWatched) return;
  const text = textPicture(machine);
  if (!text) {
    const { changed, ...picture } = machine.screen.frame();
    if (changed || lastText !== '') post({ kind: 'pixels', ...picture });
    lastText = '';
    return;
  }
  const key = `${text.characters}${text.attributes.join()}${text.cursor}${text.palette.join()}`;
  if (key !== lastText) post(text);
  lastText = key;
}

function post(picture: TextPicture | PixelPicture): void {
  const { buffer } = picture.kind === 'text' ? picture.attributes : picture.pixels;
  scope.postMessage({ type: 'screen', picture }, [buffer as ArrayBuffer]);
}

function textPicture({ screen }: Machine): TextPicture | null {
  const text = screen.cells();
  if (!text) return null;
  const { cells, ...rest } = text;
  const attributes = Uint8Array.from(cells, ({ foreground, background }) => (background << 4) | foreground);
  return { kind: 'text', ...rest, characters: cells.map(({ character }) => character).join(''), attributes };
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'start':
      void start(data.options);
      break;
    case 'input':
      machine?.send(data.text);
      break;
    case 'key':
      machine?.keyboard[data.isDown ? 'down' : 'up'](data.code);
      break;
    case 'mouse':
      machine?.mouse.move(data.x, data.y, data.wheel);
      break;
    case 'button':
      machine?.mouse[data.isDown ? 'down' : 'up'](data.button);
      break;
    case 'watch':
      isWatched = data.isOn;
      lastText = '';
      break;
    case 'power':
      machine?.powerButton();
      break;
    case 'stop':
      machine?.stop();
      break;
  }
};
