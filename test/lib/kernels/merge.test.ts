// The merge kernels against their twin, lib/dedup/walk.ts over plain arrays: random runs, folded one into the other.
import { expect, test } from 'vitest'
import { penaltyStart, walkChain, walkPenalty } from '../../../lib/dedup/walk.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
type Sample = readonly [timeMs: number, bits: bigint]

function randomRun(random: Random, from: number): Sample[] {
  const samples: Sample[] = []
  let time = from
  for (let left = 1 + random.below(random.pick([1, 10, 200])); left > 0; left--) {
    time += 1 + random.below(random.pick([3, 15_000, 15_000, 100_000]))
    samples.push([time, random.chance(0.05) ? 0x7ff0000000000002n : random.u64()])
  }
  return samples
}

function twin(rule: 'chain' | 'penalty', merged: readonly Sample[], next: readonly Sample[]): Sample[] {
  const times = merged.map(([time]) => time)
  const nextTimes = next.map(([time]) => time)
  const out: Sample[] = []
  const taker = { takeA: (i: number) => out.push(merged[i]!), takeB: (i: number) => out.push(next[i]!) }
  if (rule === 'chain') {
    walkChain(times, nextTimes, taker)
    return out
  }
  const from = penaltyStart(times, 0, nextTimes[0]!)
  walkPenalty(times, nextTimes, taker, from)
  return [...merged.slice(0, from.ia), ...out]
}

test.each(['chain', 'penalty'] as const)(`%s: as the walk over arrays (SEED=${seed})`, (rule) => {
  const random = new Random(seed)
  const [merged, next, scratch] = [kernels.columns(), kernels.columns(), kernels.columns()]
  for (let i = 0; i < 300; i++) {
    const runs = Array.from({ length: 2 + random.below(4) }, () => randomRun(random, random.below(1_000_000)))
    runs.sort((a, b) => a[0]![0] - b[0]![0])
    let want = runs[0]!
    let settled = 0
    merged.clear()
    for (const [time, bits] of want) merged.pushBits(time, bits)
    for (const run of runs.slice(1)) {
      next.clear()
      for (const [time, bits] of run) next.pushBits(time, bits)
      settled = kernels.merge(rule, { merged, next, scratch, settled })
      want = twin(rule, want, run)
      const bits = merged.valueBits()
      expect([...merged.times()].map((time, at) => [time, bits[at]])).toEqual(want)
    }
  }
})
