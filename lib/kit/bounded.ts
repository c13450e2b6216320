// Asynchronous work over many items, a bounded number of them at a time.
// The first failure stops what has not begun, waits for what has, and is thrown.
// Owns nothing that outlives the call.

/** Runs `work` for each item, at most `limit` at once, in their order of start. */
export async function forEachBounded<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const failures: unknown[] = []
  const runner = async () => {
    while (failures.length === 0) {
      const next = iterator.next()
      if (next.done) return
      try {
        await work(next.value)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, limit) }, runner))
  if (failures.length > 0) throw failures[0]
}
