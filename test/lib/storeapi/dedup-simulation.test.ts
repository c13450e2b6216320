// What deduplication does to a counter: two replicas with holes scrape the same truth, and increase(x[5m]) over what was
// chosen is held against the true increase. A false drop or a doubled rise at a change of sides would show at once.
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { SampleColumns } from '../../../lib/kernels/kernels.ts'
import { mergePenalty } from '../../../lib/storeapi/dedup.ts'
import { Random } from '../../support/random.ts'

const kernels = createKernels()
const scrapeMs = 15_000
const windowMs = 300_000
const durationMs = 4 * 3_600_000

interface Truth {
  /** Increase since the start, resets not counted. */
  total(timeMs: number): number
  /** What a scrape sees. */
  value(timeMs: number): number
}

/** A counter whose rate wanders, set back to zero every `resetMs` or so. */
function truthOf(random: Random, resetMs: number): Truth {
  const totals = [0]
  let rate = 1 + random.float() * 20
  for (let second = 0; second <= durationMs / 1000; second++) {
    if (second % 60 === 0) rate = Math.max(0.5, rate * (0.9 + 0.2 * random.float()))
    totals.push(totals.at(-1)! + rate)
  }
  const resets: number[] = []
  for (let t = random.float() * resetMs; t < durationMs; t += resetMs * (0.5 + random.float())) resets.push(t)
  const total = (timeMs: number) => {
    const second = Math.min(Math.max(timeMs, 0), durationMs) / 1000
    const i = Math.floor(second)
    return totals[i]! + (totals[i + 1]! - totals[i]!) * (second - i)
  }
  const value = (timeMs: number) => total(timeMs) - total(resets.findLast((t) => t <= timeMs) ?? 0)
  return { total, value }
}

/** Scrapes at the replica's own phase with jitter; holes of up to 5 minutes; values `lagMs` old. */
function replica(random: Random, truth: Truth, lagMs: number): SampleColumns & { free(): void } {
  const columns = kernels.columns()
  const phase = random.float() * scrapeMs
  let holeUntil = 0
  for (let t = phase; t < durationMs; t += scrapeMs) {
    if (t >= holeUntil && random.float() < 0.0075) holeUntil = t + random.float() * 300_000
    if (t < holeUntil) continue
    const at = Math.floor(t + (random.float() - 0.5) * 20)
    columns.push(at, truth.value(Math.max(at - lagMs, 0)))
  }
  return columns
}

/** Mean relative error of increase(x[5m]) every minute, and the number of windows it was taken over. */
function errorOf(columns: SampleColumns, truth: Truth): { sum: number; windows: number } {
  const steps = { startMs: windowMs, stepMs: 60_000, count: Math.floor((durationMs - windowMs) / 60_000) }
  const mark = kernels.mark()
  const row = kernels.row(steps.count)
  kernels.window('increase', columns, steps, windowMs, [], row)
  const values = kernels.f64(row.valuesPtr, steps.count)
  const present = kernels.u8(row.presentPtr, steps.count)
  let sum = 0
  let windows = 0
  for (let i = 0; i < steps.count; i++) {
    if (present[i] === 0) continue
    const t = steps.startMs + i * steps.stepMs
    const want = truth.total(t) - truth.total(t - windowMs)
    sum += Math.abs(values[i]! - want) / want
    windows++
  }
  kernels.release(mark)
  return { sum, windows }
}

function simulate(seed: number, resetMs: number, lagMs: number): { merged: number; alone: number; windows: number } {
  const random = new Random(seed)
  const sums = { merged: 0, alone: 0 }
  const counts = { merged: 0, alone: 0 }
  for (let pair = 0; pair < 300; pair++) {
    const truth = truthOf(random, resetMs)
    const alone = replica(random, truth, 0)
    const other = replica(random, truth, lagMs)
    const merged = kernels.columns()
    mergePenalty(alone, other, merged)
    for (const [name, columns] of Object.entries({ merged, alone }) as ['merged' | 'alone', SampleColumns][]) {
      const { sum, windows } = errorOf(columns, truth)
      sums[name] += sum
      counts[name] += windows
    }
    for (const columns of [alone, other, merged]) columns.free()
  }
  return { merged: sums.merged / counts.merged, alone: sums.alone / counts.alone, windows: counts.merged }
}

const seed = 1

describe(`mean error of increase(x[5m]) over deduplicated replicas, seed ${seed}`, () => {
  test.each([
    ['resets every 2,500 s', 2_500_000, 0, 0.015],
    ['resets every 40,000 s', 40_000_000, 0, 0.0133],
    ['resets every 2,500 s, one replica 20 s behind', 2_500_000, 20_000, 0.02],
    ['resets every 40,000 s, one replica 20 s behind', 40_000_000, 20_000, 0.02],
  ])('%s', (_name, resetMs, lagMs, bound) => {
    const { merged, alone, windows } = simulate(seed, resetMs, lagMs)
    expect(windows).toBeGreaterThan(69_000)
    expect(alone).toBeGreaterThan(0.05)
    expect(merged).toBeLessThan(bound)
  })
})
