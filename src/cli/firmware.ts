/** Firmware on the command line: -bios, -fw_cfg and -smbios. */
import type { FirmwareWishes } from '../machine/firmware/fw-cfg-files.ts';
import { SMBIOS_FIELDS, type SmbiosTexts, type SmbiosType } from '../machine/firmware/smbios.ts';
import { checkKeys, parseProperties } from './properties.ts';
import { UsageError } from './usage-error.ts';

/** A file of fw_cfg, from the command line or from a file of the host. */
type FwCfgRequest = { name: string; text: string } | { name: string; path: string };

export interface FirmwareOptions {
  bios?: string;
  fwCfg: FwCfgRequest[];
  smbios: SmbiosTexts;
}

/** `-fw_cfg [name=]NAME,string=TEXT` or `,file=FILE`. */
export function addFwCfg({ fwCfg }: FirmwareOptions, value: string): void {
  const list = parseProperties('fw_cfg', value);
  checkKeys('fw_cfg', list, ['name', 'string', 'file']);
  const name = list.values.get('name') ?? list.name;
  const text = list.values.get('string');
  const path = list.values.get('file');
  if (!name) throw new UsageError(`-fw_cfg ${value}: needs a name, such as opt/org.example/name`);
  if (text !== undefined && path === undefined) fwCfg.push({ name, text });
  else if (path && text === undefined) fwCfg.push({ name, path });
  else throw new UsageError(`-fw_cfg ${name}: needs either string=TEXT or file=FILE`);
}

/** `-smbios type=N,FIELD=TEXT..`. */
export function addSmbios(options: FirmwareOptions, value: string): void {
  const list = parseProperties('smbios', value);
  const type = Number(list.values.get('type') ?? Number.NaN);
  if (!Object.hasOwn(SMBIOS_FIELDS, type)) {
    throw new UsageError(`-smbios ${value}: needs type=N with N of ${Object.keys(SMBIOS_FIELDS).join(', ')}`);
  }
  const known: readonly string[] = SMBIOS_FIELDS[type as SmbiosType];
  checkKeys(`smbios type=${type}`, list, ['type', ...known]);
  list.values.delete('type');
  const texts = { ...options.smbios[type as SmbiosType], ...Object.fromEntries(list.values) };
  options.smbios = { ...options.smbios, [type]: texts };
}

/** Reads the files that the options name. */
export function openFirmware(
  { bios, fwCfg, smbios }: FirmwareOptions,
  readFile: (path: string) => Uint8Array,
): FirmwareWishes {
  const files = fwCfg.map((file) => [file.name, 'path' in file ? readFile(file.path) : file.text]);
  return { bios: bios === undefined ? undefined : readFile(bios), fwCfg: Object.fromEntries(files), smbios };
}
