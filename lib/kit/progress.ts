// A line of progress on a terminal, redrawn in place: what is done, how much of it, how long it may still take.
// Nothing is written where standard error is no terminal: logs tell enough there.
// Owns the line until done(); a log line overwrites it, the next step draws it anew.
import { formatDurationMs } from './duration.ts'

const redrawMs = 200

export interface Progress {
  /** So much more is done; `now` is what is being worked on. */
  step(amount: number, now?: string): void
  /** Takes the line away. */
  done(): void
}

export interface ProgressOptions {
  /** 'verifying'. */
  readonly what: string
  /** In the unit of the steps. */
  readonly total: number
  readonly stream?: { readonly isTTY?: boolean; write(text: string): unknown }
}

export function startProgress({ what, total, stream = process.stderr }: ProgressOptions): Progress {
  if (!stream.isTTY || total <= 0) return { step() {}, done() {} }
  const startedMs = performance.now()
  let drawnMs = Number.NEGATIVE_INFINITY
  let sum = 0
  return {
    step(amount, now = '') {
      sum += amount
      const nowMs = performance.now()
      if (nowMs - drawnMs < redrawMs) return
      drawnMs = nowMs
      // The cursor stays at the line's start, so that whatever is written next takes its place.
      stream.write(`\x1b[K${describe(what, sum / total, nowMs - startedMs)} ${now}\r`)
    },
    done() {
      if (drawnMs > 0) stream.write('\x1b[K')
    },
  }
}

function describe(what: string, share: number, tookMs: number): string {
  const part = Math.min(1, Math.max(0, share))
  const bar = '#'.repeat(Math.round(part * 20)).padEnd(20, '.')
  const leftMs = part > 0 ? (tookMs / part) * (1 - part) : 0
  const left = leftMs >= 1000 ? `, ${formatDurationMs(Math.round(leftMs / 1000) * 1000)} left` : ''
  return `${what} [${bar}] ${Math.floor(part * 100)}%${left}`
}
