// A process from start to end: how long it took, and the most memory it held, as the kernel tells (VmHWM), not the process.
// Owns the process.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { MnemoError } from '../../lib/kit/errors.ts'

export interface Measured {
  readonly seconds: number
  readonly peakMiB: number
}

const pollMs = 5

/** Runs a command to its end. Throws with what it said where it fails. */
export async function runMeasured(command: string, args: readonly string[]): Promise<Measured> {
  const start = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said = (said + bytes).slice(-10_000)
    })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  let peakMiB = 0
  let running = true
  const poll = async () => {
    for (; running; await sleep(pollMs)) peakMiB = Math.max(peakMiB, peakOf(child.pid!))
  }
  const [status] = await Promise.all([
    ended.finally(() => {
      running = false
    }),
    poll(),
  ])
  if (status !== 0) throw new MnemoError('internal', `cannot measure ${command}: got exit code ${status}\n${said}`)
  return { seconds: (performance.now() - start) / 1000, peakMiB }
}

/** The most memory that the process has held, MiB. VmHWM never falls, so that the last look is the peak. */
export function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0 // it has ended
  }
}
