// Tasks of one call side by side, such as its range reads: one that fails ends the rest.
// How many of them go on in the whole process is bounded by a gate (lib/kit/gate.ts).
// Owns nothing that outlives the call.

/**
 * All results of tasks that run side by side, in order. The first failure aborts the rest,
 * and is thrown once all have ended: nothing goes on in the background.
 */
export async function allOrAbort<T>(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
): Promise<T[]> {
  if (tasks.length === 1) return [await tasks[0]!(signal)]
  const controller = new AbortController()
  const forward = (): void => controller.abort(signal.reason)
  if (signal.aborted) forward()
  else signal.addEventListener('abort', forward, { once: true })
  let failure: { readonly error: unknown } | undefined
  try {
    const results = await Promise.allSettled(
      tasks.map(async (task) => {
        try {
          return await task(controller.signal)
        } catch (error) {
          failure ??= { error }
          controller.abort(error)
          throw error
        }
      }),
    )
    if (failure) throw failure.error
    return results.map((result) => (result as PromiseFulfilledResult<T>).value)
  } finally {
    signal.removeEventListener('abort', forward)
  }
}
