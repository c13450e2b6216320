// What a sample costs: XOR chunks decoded by kernel and by its TypeScript twin, encoding, windows and group sums by kernel.
// Series as a scrape makes them, 6 hours at 15 s; fixed seed. Goal: decoding at least 2.5 times the twin's speed.
import { createKernels } from '../lib/kernels/instance.ts'
import type { WindowFunction } from '../lib/kernels/kernels.ts'
import { windowExports } from '../lib/kernels/module.ts'
import { decodeTwin } from '../test/lib/kernels/twins/xor.ts'
import { Random } from '../test/support/random.ts'
import { compare, printMemory } from './support/measure.ts'

const seriesCount = 50
const samplesPerSeries = 1440
const samplesPerChunk = 120
const units = seriesCount * samplesPerSeries
const startMs = 1_700_000_000_000
const steps = { startMs: startMs + 300_000, stepMs: 72_000, count: 296 }
const rangeMs = 300_000

const kernels = createKernels()
const columns = kernels.columns()
const kinds = {
  counters: (random: Random, before: number) => before + random.below(100),
  gauges: (random: Random) => Math.round(random.float() * 1e6) / 1e3,
  constants: () => 42,
}

/** The chunks of each series, one after another. */
function makeChunks(next: (random: Random, before: number) => number): Uint8Array[][] {
  const random = new Random(1)
  return Array.from({ length: seriesCount }, () => {
    columns.clear()
    let value = 0
    for (let i = 0; i < samplesPerSeries; i++) {
      value = next(random, value)
      // A scrape is a millisecond late now and then.
      columns.push(startMs + i * 15_000 + (random.chance(0.05) ? 1 : 0), value)
    }
    const chunks: Uint8Array[] = []
    for (let i = 0; i < samplesPerSeries; i += samplesPerChunk)
      chunks.push(kernels.encodeXor(columns, i, i + samplesPerChunk))
    return chunks
  })
}

const decodeSeries = (chunks: readonly Uint8Array[]) => {
  columns.clear()
  for (const chunk of chunks) kernels.decodeXor(chunk, columns)
}

for (const [kind, next] of Object.entries(kinds)) {
  const series = makeChunks(next)
  const medians = compare(`decode, ${kind}`, 'sample', [
    { name: 'kernel', units, run: () => series.forEach(decodeSeries) },
    {
      name: 'TypeScript twin',
      units,
      run: () => {
        for (const chunks of series) for (const chunk of chunks) decodeTwin(chunk)
      },
    },
  ])
  console.log(`  ratio ${(medians.get('TypeScript twin')! / medians.get('kernel')!).toFixed(1)}`)
}

const counters = makeChunks(kinds.counters)
decodeSeries(counters[0]!)
compare('encode, counters', 'sample', [
  {
    name: 'kernel',
    units,
    run: () => {
      for (let k = 0; k < seriesCount; k++)
        for (let i = 0; i < samplesPerSeries; i += samplesPerChunk) kernels.encodeXor(columns, i, i + samplesPerChunk)
    },
  },
])

const row = kernels.row(steps.count)
const total = kernels.accumulator('sum', steps.count)
compare(`windows of 5m over ${steps.count} steps of 72 s`, 'sample', [
  ...(Object.keys(windowExports) as WindowFunction[]).map((func) => ({
    name: func,
    units: 10 * samplesPerSeries,
    run: () => {
      for (let i = 0; i < 10; i++) kernels.window(func, columns, steps, rangeMs, [0.5, 0.5], row)
    },
  })),
  {
    name: 'instant selector',
    units: 10 * samplesPerSeries,
    run: () => {
      for (let i = 0; i < 10; i++) kernels.lookback(columns, steps, rangeMs, row)
    },
  },
])
compare(`groups over ${steps.count} steps`, 'step', [
  {
    name: 'add a row into a sum',
    units: 100 * steps.count,
    run: () => {
      for (let i = 0; i < 100; i++) total.add(row)
    },
  },
])
compare('decode, rate and sum of a series', 'sample', [
  {
    name: 'all three',
    units,
    run: () => {
      for (const chunks of counters) {
        decodeSeries(chunks)
        kernels.window('rate', columns, steps, rangeMs, [], row)
        total.add(row)
      }
    },
  },
])
printMemory()
