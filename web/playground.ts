/** The playground page: boots a chosen kernel, shows its serial console and what it did. */
import { formatReport, Machine } from '../src/index.ts';

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const output = element<HTMLTextAreaElement>('console');
const report = element('report');
const problem = element('problem');
const run = element<HTMLButtonElement>('run');
const stop = element<HTMLButtonElement>('stop');
let machine: Machine | undefined;

async function chosenKernel(): Promise<Uint8Array> {
  const [file] = element<HTMLInputElement>('kernel').files ?? [];
  const source = file ?? (await fetch(new URL('./hello.elf', import.meta.url)));
  return new Uint8Array(await source.arrayBuffer());
}

async function boot(): Promise<void> {
  output.value = report.textContent = problem.textContent = '';
  run.disabled = true;
  try {
    machine = await Machine.create({
      kernel: await chosenKernel(),
      append: element<HTMLInputElement>('append').value,
      memory: element<HTMLInputElement>('memory').value,
      devices: [{ type: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }],
      waitForInput: true,
    });
    machine.on('console', (text) => {
      output.value += text;
    });
    stop.disabled = false;
    output.focus();
    const { reason } = await machine.run();
    report.textContent = `ended         ${reason}\n${formatReport(machine.report)}`;
  } catch (error) {
    problem.textContent = (error as Error).message;
  } finally {
    run.disabled = false;
    stop.disabled = true;
  }
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  void boot();
});
stop.addEventListener('click', () => machine?.stop());
output.addEventListener('keydown', (event) => {
  const text = event.key === 'Enter' ? '\r' : event.key;
  if (text.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
  machine?.send(text);
  event.preventDefault();
});
