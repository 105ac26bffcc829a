/** The library: a PC to embed. Everything here works in Node and in web pages. */
export { OptionError, StateError } from './checks.ts';
export { CoreError } from './core/core-error.ts';
export type { Bus, Core, CoreSource, GuestMemory, Width } from './core/types.ts';
export { Stop } from './core/types.ts';
export type { BrokenRule, ExitCount, ExitRecord, VmcsValue, VmxView } from './core/vmx-types.ts';
export type { Backends, BlkBackend, CharBackend, NetBackend } from './devices/backends.ts';
export { type ByteFile, MemoryFile } from './devices/block/byte-file.ts';
export { createQcow2, type NewImage } from './devices/block/create-qcow2.ts';
export type { Disk } from './devices/block/disk.ts';
export { type ImageFiles, type ImageOptions, openImage } from './devices/block/open-image.ts';
export { ramDisk } from './devices/block/raw.ts';
export type { IoDevice } from './devices/device.ts';
export type { TextCell, TextScreen } from './devices/display.ts';
export { KEY_CODES } from './devices/i8042-keys.ts';
export type { FileTree } from './devices/p9/file-tree.ts';
export { MemoryTree, type MemoryTreeOptions } from './devices/p9/memory-tree.ts';
export type { VsockConnection, VsockEvents } from './devices/virtio/vsock-connection.ts';
export type { Doors } from './doors.ts';
export type { CustomDeviceSpec, DeviceSpec } from './machine/board/device-table.ts';
export { MACHINE_TYPES, type MachineType } from './machine/board/machine-type.ts';
export type { VirtioKeyboard, VirtioTablet } from './machine/board/rows/input.ts';
export type { ConsoleInfo, ConsoleSource, MachineEvents, Outcome } from './machine/events.ts';
export type { BootMode } from './machine/firmware/boot-state.ts';
export type { FirmwareWishes } from './machine/firmware/fw-cfg-files.ts';
export type { FlatOptions } from './machine/firmware/loaders/flat.ts';
export { ImageError } from './machine/firmware/loaders/image-error.ts';
export { LINUX_BOOTS, type LinuxBoot } from './machine/firmware/loaders/linux.ts';
export type { BootModule } from './machine/firmware/loaders/multiboot.ts';
export { SMBIOS_FIELDS, type SmbiosTexts, type SmbiosType } from './machine/firmware/smbios.ts';
export type { CreateOptions } from './machine/gather.ts';
export type { BalloonControl, BalloonFigures, BalloonStatistics } from './machine/host/balloon-control.ts';
export type { ByteSource, Progress, SignalLike } from './machine/host/byte-source.ts';
export type { WaitOptions } from './machine/host/console-waiter.ts';
export type { GuestPort, GuestPortEvents } from './machine/host/guest-port.ts';
export type { Keyboard, Mouse } from './machine/host/input.ts';
export type { Frame, Screen } from './machine/host/screen.ts';
export { readLinear, translate } from './machine/host/translate.ts';
export type { VsockHub, VsockListener } from './machine/host/vsock-hub.ts';
export { Machine, type RunOptions } from './machine/machine.ts';
export type { CoreFactory, MachineOptions } from './machine/options.ts';
export { DEFAULT_DATE, MAX_VCPUS, parseMemory } from './machine/options.ts';
export type { ExitBreak } from './machine/run/exit-break.ts';
export type { LevelCount } from './machine/run/exit-counts.ts';
export { formatReport, type Report } from './machine/run/report.ts';
export type { StopName } from './machine/run/stops.ts';
export type { TracedEvent, Tracer } from './machine/run/tracer.ts';
export type { InputEntry } from './machine/state/host-input.ts';
export type { MachineState } from './machine/state/machine-state.ts';
export type { HostWork, NetCard, NetClock, NetTimer, Offload } from './net/backend.ts';
export { type DumpOptions, dump } from './net/pcap.ts';
export type {
  HostDatagrams,
  HostSockets,
  HostStream,
  Listener,
  SocketAddress,
  StreamEvents,
  StreamFailure,
  StreamPlace,
} from './net/sockets.ts';
export { Switch } from './net/switch.ts';
export type { HostForward, UserNetOptions } from './net/user/options.ts';
export { UserNet } from './net/user/user-net.ts';
export type { Plain, Saved } from './saved.ts';
