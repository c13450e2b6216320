// Trying again: bounded, with exponential backoff and full jitter, ended at once by the signal.
// Source: "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
// Owns the schedule of waits.
import { setTimeout as sleep } from 'node:timers/promises'
import { abortError } from './failures.ts'

const firstWaitMs = 100
const longestWaitMs = 10_000

/** Waits before attempt number `attempt` (1 is the first retry); throws `canceled` when the signal aborts. */
export async function backoff(attempt: number, what: string, signal: AbortSignal | undefined): Promise<void> {
  const ceilingMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1))
  try {
    await sleep(Math.random() * ceilingMs, undefined, signal ? { signal } : {})
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, what)
    throw error
  }
}
