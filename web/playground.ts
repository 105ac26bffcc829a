/** The playground page: a form around <vm-launch>. */
import { VmLaunch } from '../src/element/vm-launch.ts';

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const vm = element('vm');
if (!(vm instanceof VmLaunch)) throw new Error('the page has no <vm-launch id="vm">');

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  for (const what of ['kernel', 'initrd'] as const) {
    const [file] = element<HTMLInputElement>(what).files ?? [];
    if (file) vm.files[what] = file;
  }
  for (const name of ['append', 'memory', 'cpu'] as const) {
    const { value } = element<HTMLInputElement>(name);
    if (value) vm.setAttribute(name, value);
    else vm.removeAttribute(name);
  }
  void vm.start();
});
