/** What only Node has: sockets for the user-mode network, folders and files of the host. */
export { HostFolder, type HostFolderOptions } from './folder.ts';
export { type DiskOptions, openDisk } from './image-file.ts';
export { SocketNet } from './socket-net.ts';
export { nodeSockets } from './sockets.ts';
export { VsockUnix } from './vsock-unix.ts';
