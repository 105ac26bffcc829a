/** The processor's module as raw deflate data in Z85 (ZeroMQ's RFC 32), and its length unpacked. The build fills it in. */
export const PACKED = '';
export const BYTES = 0;

/** The digits of Z85: five of them, the most significant first, are four bytes. */
export const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
