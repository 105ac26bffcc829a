/** A command line that cannot be. The message names the option, the value and what is possible. */
export class UsageError extends Error {
  override name = 'UsageError';
}
