/**
 * <vm-launch>: a PC in a page. Attributes: `kernel` and `initrd` (addresses), `append`, `memory`, `cpu`, `clock` (host,
 * or vm for runs that are all the same) and `autostart`; files may be dropped on it too. The machine runs in a Worker.
 * The terminal is xterm.js, which the page's own packages provide (@xterm/xterm and @xterm/addon-fit).
 */
import type { Terminal } from '@xterm/xterm';
import terminalStyle from '@xterm/xterm/css/xterm.css';
import { WorkerMachine, type WorkerMachineOptions } from '../entries/worker.ts';
import { KEY_CODES, type Report } from '../index.ts';
import { drawScreen } from './screen-view.ts';
import style from './vm-launch.css';

const SIGNATURE_AT = 0x202;
const BZIMAGE = 'HdrS';
const ELF = '\x7fELF';
const MOST_OUTPUT = 1 << 20;
const REPORT_MS = 1000;
const SCREEN_MS = 50;

/** Where there are no elements, as on a server that renders pages, the class can be imported all the same. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

const MARKUP = `
  <div class="frame">
    <div class="bar">
      <span class="light" title="power"></span>
      <button name="start">Start</button>
      <button name="power" disabled title="Press the ACPI power button">Power button</button>
      <button name="stop" disabled title="Pull the plug">Stop</button>
      <span role="tablist">
        <button role="tab" name="console" aria-selected="true">Console</button>
        <button role="tab" name="screen" aria-selected="false">Screen</button>
        <button role="tab" name="report" aria-selected="false">Report</button>
      </span>
      <span class="figures"></span>
    </div>
    <div class="problem" role="alert"></div>
    <div class="view" data-tab="console"></div>
    <div class="view" data-tab="screen" hidden><canvas tabindex="0" width="720" height="400"></canvas></div>
    <div class="view" data-tab="report" hidden></div>
  </div>`;

type Tab = 'console' | 'screen' | 'report';

export class VmLaunch extends Base {
  /** Files to boot; they have precedence over the attributes. */
  files: { kernel?: Blob; initrd?: Blob } = {};
  /** The end of what came over the serial console. */
  output = '';
  /** The machine's numbers as of about a second ago; null before the first. */
  report: Report | null = null;
  readonly #root = this.attachShadow({ mode: 'open' });
  #terminal: Terminal | null = null;
  #machine: WorkerMachine | null = null;
  /** Counts starts: what belongs to an earlier one is not heard any more. */
  #start = 0;
  /** Whether the whole screen is to be drawn, changed or not. */
  #isFresh = true;

  connectedCallback(): void {
    if (this.#root.childElementCount > 0) return;
    this.#root.innerHTML = `<style>${terminalStyle}${style}</style>${MARKUP}`;
    this.#button('start').onclick = () => void this.start();
    this.#button('power').onclick = () => this.powerButton();
    this.#button('stop').onclick = () => this.stop();
    for (const tab of ['console', 'screen', 'report'] as const) this.#button(tab).onclick = () => this.show(tab);
    this.#listenToCanvas();
    this.#acceptFiles();
    void this.#openTerminal();
    if (this.hasAttribute('autostart')) void this.start();
  }

  disconnectedCallback(): void {
    this.#dismiss();
  }

  /** Boots. What goes wrong is shown, and told by the event `problem`. */
  async start(): Promise<void> {
    this.#dismiss();
    const start = this.#start;
    this.#terminal?.reset();
    this.output = '';
    this.report = null;
    this.#setRunning(true);
    this.#tell('');
    try {
      const machine = await WorkerMachine.create(await this.#options());
      if (start !== this.#start) machine.close();
      else await this.#run(machine);
    } catch (error) {
      if (start === this.#start) this.#fail((error as Error).message);
    }
  }

  async #run(machine: WorkerMachine): Promise<void> {
    this.#machine = machine;
    machine.on('console', (text) => this.#print(text));
    this.#terminal?.focus();
    const timers = [
      setInterval(() => this.#ask(async () => this.#report(await machine.report())), REPORT_MS),
      setInterval(() => this.#ask(() => this.#drawScreen(machine)), SCREEN_MS),
    ];
    try {
      const outcome = await machine.run();
      await this.#drawScreen(machine);
      this.#report(await machine.report(), outcome.reason);
      this.#dismiss();
      this.dispatchEvent(new CustomEvent('ended', { detail: outcome }));
    } finally {
      for (const timer of timers) clearInterval(timer);
    }
  }

  /** Ends the run, as if unplugged. */
  stop(): void {
    this.#ask(() => this.#machine?.stop());
  }

  /** Presses the ACPI power button. */
  powerButton(): void {
    this.#ask(() => this.#machine?.powerButton());
  }

  /** Types into the serial console. */
  send(text: string): void {
    this.#ask(() => this.#machine?.send(text));
  }

  /** Shows one of the three views. */
  show(tab: Tab): void {
    for (const view of this.#root.querySelectorAll<HTMLElement>('.view')) view.hidden = view.dataset.tab !== tab;
    for (const button of this.#root.querySelectorAll('[role=tab]')) {
      button.setAttribute('aria-selected', String(button.getAttribute('name') === tab));
    }
    this.#isFresh = true;
    if (tab === 'console') this.#terminal?.focus();
    if (tab === 'screen') this.#find<HTMLElement>('canvas').focus();
  }

  async #options(): Promise<WorkerMachineOptions> {
    const kernel = await this.#bytes('kernel');
    if (!kernel) throw new Error('choose a kernel, or drop one here');
    const initrd = await this.#bytes('initrd');
    return {
      kernel,
      modules: initrd ? [{ bytes: initrd, commandLine: '' }] : [],
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
      waitForInput: true,
      date: new Date(),
      append: this.getAttribute('append') ?? '',
      memory: this.getAttribute('memory') ?? '128M',
      cpu: this.getAttribute('cpu') ?? undefined,
      clock: this.getAttribute('clock') === 'vm' ? 'vm' : 'host',
    };
  }

  async #bytes(what: 'kernel' | 'initrd'): Promise<Uint8Array | undefined> {
    const file = this.files[what];
    if (file) return new Uint8Array(await file.arrayBuffer());
    const address = this.getAttribute(what);
    if (!address) return undefined;
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${what} ${address}: ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  #print(text: string): void {
    this.output = (this.output + text).slice(-MOST_OUTPUT);
    this.#terminal?.write(text.replace(/(?<!\r)\n/g, '\r\n'));
    this.dispatchEvent(new CustomEvent('console', { detail: text }));
  }

  async #drawScreen(machine: WorkerMachine): Promise<void> {
    if (!this.#isShown('screen')) return;
    const picture = await machine.screen.picture(this.#isFresh);
    this.#isFresh = false;
    if (picture) drawScreen(this.#find('canvas'), picture);
  }

  /** Does not wait for the answer: where there is none any more, the run has told why. */
  #ask(question: () => Promise<unknown> | undefined): void {
    question()?.catch(() => {});
  }

  async #openTerminal(): Promise<void> {
    const [{ Terminal }, { FitAddon }] = await Promise.all([import('@xterm/xterm'), import('@xterm/addon-fit')]);
    const terminal = new Terminal({ fontSize: 14, scrollback: 5000, theme: { background: '#0e1116' } });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(this.#find('[data-tab=console]'));
    fit.fit();
    new ResizeObserver(() => fit.fit()).observe(this);
    terminal.onData((text) => this.send(text));
    terminal.write(this.output.replace(/(?<!\r)\n/g, '\r\n'));
    this.#terminal = terminal;
  }

  #report(report: Report, reason = 'running'): void {
    this.report = report;
    const { instructions, mips, virtualSeconds, stops, devices, exits } = report;
    this.#find('.figures').textContent =
      `${reason} · ${virtualSeconds.toFixed(1)} s · ${(instructions / 1e6).toFixed(0)} M instructions · ${mips.toFixed(0)} MIPS`;
    const stopRows = Object.entries(stops).map(([name, count]) => [name, count.toLocaleString('en'), '']);
    const deviceRows = devices
      .toSorted((a, b) => b.reads + b.writes - a.reads - a.writes)
      .map(({ name, reads, writes }) => [name, reads.toLocaleString('en'), writes.toLocaleString('en')]);
    const exitRows = (wanted: 0 | 1) =>
      exits
        .filter(({ level }) => level === wanted)
        .map(({ reason, count, modelledCycles }) => [
          reason,
          count.toLocaleString('en'),
          modelledCycles?.toLocaleString('en') ?? '',
        ]);
    this.#find('[data-tab=report]').replaceChildren(
      table(["exits to the guest's hypervisor", 'times', 'cycles each, modelled'], exitRows(1)),
      table(['exits to the machine', 'times', 'cycles each, modelled'], exitRows(0)),
      table(['the processor came back because of', 'times', ''], stopRows),
      table(['device', 'reads', 'writes'], deviceRows),
    );
  }

  #fail(message: string): void {
    this.#tell(message);
    this.#dismiss();
    this.dispatchEvent(new CustomEvent('problem', { detail: message }));
  }

  #tell(problem: string): void {
    this.#find('.problem').textContent = problem;
  }

  #dismiss(): void {
    this.#start++;
    this.#machine?.close();
    this.#machine = null;
    if (this.#root.childElementCount > 0) this.#setRunning(false);
  }

  #setRunning(isOn: boolean): void {
    this.#find('.light').classList.toggle('on', isOn);
    this.#button('start').disabled = isOn;
    this.#button('power').disabled = !isOn;
    this.#button('stop').disabled = !isOn;
  }

  #isShown(tab: Tab): boolean {
    return !this.#find<HTMLElement>(`[data-tab=${tab}]`).hidden;
  }

  #listenToCanvas(): void {
    const canvas = this.#find<HTMLCanvasElement>('canvas');
    const key = (isDown: boolean) => (event: KeyboardEvent) => {
      if (!KEY_CODES.includes(event.code)) return;
      this.#ask(() => this.#machine?.keyboard[isDown ? 'down' : 'up'](event.code));
      event.preventDefault();
    };
    canvas.onkeydown = key(true);
    canvas.onkeyup = key(false);
    canvas.onmousemove = ({ movementX, movementY, buttons }) => {
      if (document.pointerLockElement || buttons) this.#ask(() => this.#machine?.mouse.move(movementX, movementY));
    };
    const button = (isDown: boolean) => (event: MouseEvent) => {
      if (event.button < 3) this.#ask(() => this.#machine?.mouse[isDown ? 'down' : 'up'](event.button));
    };
    canvas.onmousedown = button(true);
    canvas.onmouseup = button(false);
  }

  #acceptFiles(): void {
    const frame = this.#find('.frame');
    this.addEventListener('dragover', (event) => {
      event.preventDefault();
      frame.classList.add('drop');
    });
    this.addEventListener('dragleave', () => frame.classList.remove('drop'));
    this.addEventListener('drop', (event) => {
      event.preventDefault();
      frame.classList.remove('drop');
      void this.#take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** A kernel is known by its signature; any other file is an initial RAM disk. Starts with a kernel. */
  async #take(files: readonly File[]): Promise<void> {
    let hasKernel = false;
    for (const file of files) {
      const isKernel = await looksLikeKernel(file);
      hasKernel ||= isKernel;
      this.files[isKernel ? 'kernel' : 'initrd'] = file;
    }
    if (hasKernel) await this.start();
  }

  #find<T extends Element = Element>(selector: string): T & HTMLElement {
    return this.#root.querySelector(selector) as T & HTMLElement;
  }

  #button(name: string): HTMLButtonElement {
    return this.#find(`[name=${name}]`);
  }
}

async function looksLikeKernel(file: Blob): Promise<boolean> {
  const text = new TextDecoder('latin1').decode(await file.slice(0, SIGNATURE_AT + 4).arrayBuffer());
  return text.startsWith(ELF) || text.slice(SIGNATURE_AT) === BZIMAGE;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): HTMLTableElement {
  const element = document.createElement('table');
  const addRow = (cells: readonly string[], tag: 'th' | 'td'): void => {
    const row = element.insertRow();
    for (const text of cells) row.append(Object.assign(document.createElement(tag), { textContent: text }));
  };
  addRow(head, 'th');
  for (const row of rows) addRow(row, 'td');
  return element;
}

globalThis.customElements?.define('vm-launch', VmLaunch);
