/** What is said of an image that cannot be used. The message names the thing, its value and the limit. */
export class ImageError extends Error {
  override name = 'ImageError';
  readonly code = 'ERR_IMAGE';
}

/** A number as the messages show it. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
