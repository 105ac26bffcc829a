/** Ends of everything that was opened: one that fails keeps none of the others from being called. */

/** Calls all of them in turn. Throws in the end what failed: an error that says all of it if that was more than one. */
export async function closeAll(ends: readonly (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  const texts = failures.map((error) => (error instanceof Error ? error.message : String(error)));
  throw new AggregateError(failures, texts.join('; '));
}
