/** What is said where there is no processor to be had: its module is missing, damaged or beyond this host. */
export class CoreError extends Error {
  override readonly name = 'CoreError';
  readonly code = 'ERR_CORE';
}
