// How a Prometheus is told to read its configuration again: by its HTTP API, or by SIGHUP to a process of a name.
// Rules: Thanos pkg/reloader (HTTPReloader, PIDReloader). By a signal nothing is answered: Prometheus's own state says how it went.
// Owns the finding of the process.
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { MnemoError } from '../../lib/kit/errors.ts'
import { systemCode } from '../../lib/kit/system-errors.ts'
import type { PrometheusClient } from './prometheus.ts'

export const reloadMethods = ['http', 'signal'] as const
export type ReloadMethod = (typeof reloadMethods)[number]

/** Resolves when the configuration is loaded; throws what went wrong. */
export type ReloadTrigger = (signal: AbortSignal) => Promise<void>

const pollMs = 500

export function httpTrigger(client: PrometheusClient): ReloadTrigger {
  return (signal) => client.reload(signal)
}

export function signalTrigger(client: PrometheusClient, processName: string): ReloadTrigger {
  return async (signal) => {
    const before = await client.configStatus(signal)
    const pid = await findProcess(processName)
    // Prometheus tells the second of its last loading: two in one could not be told apart. Its clock is ours.
    const inThatSecondMs = Math.min(before.loadedMs + 1000 - Date.now(), 1000)
    if (inThatSecondMs > 0) await sleep(inThatSecondMs, undefined, { signal })
    try {
      process.kill(pid, 'SIGHUP')
    } catch (cause) {
      throw new MnemoError('unavailable', `cannot send SIGHUP to process ${pid} (${processName})`, { cause })
    }
    for (;;) {
      const { isLoaded, loadedMs } = await client.configStatus(signal)
      if (isLoaded && loadedMs > before.loadedMs) return
      // It was good, and is not any more: asking again will not mend it.
      if (before.isLoaded && !isLoaded)
        throw new MnemoError('unavailable', 'cannot reload the configuration: Prometheus does not accept it')
      await sleep(pollMs, undefined, { signal })
    }
  }
}

/** The id of a process by the name of its executable, as the kernel knows it: at most 15 bytes. Throws `not_found`. */
async function findProcess(name: string): Promise<number> {
  const known = Buffer.from(name).subarray(0, 15).toString()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
    if ((await nameOf(entry)) === known) return Number(entry)
  }
  throw new MnemoError('not_found', `cannot find a process named ${name}`)
}

/** Undefined where the process has ended meanwhile. */
async function nameOf(pid: string): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/${pid}/comm`, 'utf8')).trimEnd()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
