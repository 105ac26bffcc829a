/** What a loader says of an image it cannot load: the same as a disk says of its image. */
export { hex, ImageError } from '../../../devices/block/image-error.ts';
