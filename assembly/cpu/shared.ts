/**
 * Changes of words that other processors change too: atomic in the build whose processors run in Workers of their own.
 */

@inline export function orShared<T>(at: usize, bits: T): void {
  if (ASC_FEATURE_THREADS) atomic.or<T>(at, bits);
  else store<T>(at, load<T>(at) | bits);
}
@inline export function clearShared<T>(at: usize, bits: T): void {
  if (ASC_FEATURE_THREADS) atomic.and<T>(at, <T>~bits);
  else store<T>(at, load<T>(at) & <T>~bits);
}
/** Takes the word at `at` and leaves 0. */
@inline export function takeShared(at: usize): u32 {
  const value = load<u32>(at);
  if (value == 0) return 0;
  if (ASC_FEATURE_THREADS) return atomic.xchg<u32>(at, 0);
  store<u32>(at, 0);
  return value;
}
/** Waits for the lock at `at`, which nobody holds for long. */
@inline export function lock(at: usize): void {
  if (ASC_FEATURE_THREADS) while (atomic.cmpxchg<u32>(at, 0, 1) != 0) {}
}
@inline export function unlock(at: usize): void {
  if (ASC_FEATURE_THREADS) atomic.store<u32>(at, 0);
}
