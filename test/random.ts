/** Random numbers that are the same in every run. */

/** Numbers below 2^32 from a seed that is not 0 (Marsaglia's xorshift). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
