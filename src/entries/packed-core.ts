/** The processor's module as raw deflate data in base64, and its length unpacked. The build fills it in. */
export const PACKED = '';
export const BYTES = 0;
