// What the benchmarks measure with: contestants take turns, so that a busy machine slows all alike, and medians are compared.
// A calibration loop of fixed work runs among them: its spread tells how quiet the machine was.

/** Something to time; the work done by one run comes as a number of units (samples, queries). */
export interface Contestant {
  readonly name: string
  readonly units: number
  run(): void
}

const rounds = 25
const warmups = 5

/** Times each in turn, prints the median in ns a unit; returns the medians by name. */
export function compare(title: string, unit: string, contestants: readonly Contestant[]): Map<string, number> {
  const all = [...contestants, calibration]
  const timings = new Map<string, number[]>(all.map(({ name }) => [name, []]))
  for (let round = -warmups; round < rounds; round++) {
    for (const { name, units, run } of all) {
      const start = process.hrtime.bigint()
      run()
      const ns = Number(process.hrtime.bigint() - start) / units
      if (round >= 0) timings.get(name)!.push(ns)
    }
  }
  console.log(`${title}: median (fastest – slowest) ns a ${unit}`)
  const medians = new Map<string, number>()
  for (const [name, all] of timings) {
    const sorted = all.sort((a, b) => a - b)
    const median = sorted[sorted.length >> 1]!
    medians.set(name, median)
    const range = `${sorted[0]!.toFixed(2)} – ${sorted.at(-1)!.toFixed(2)}`
    console.log(`  ${name.padEnd(34)} ${median.toFixed(2).padStart(8)}  (${range})`)
  }
  return medians
}

let sink = 0
const calibration: Contestant = {
  name: 'calibration (fixed work)',
  units: 200_000,
  run: () => {
    for (let i = 0; i < 200_000; i++) sink = (Math.imul(sink, 1_664_525) + 1_013_904_223) | 0
  },
}

/** Prints what the process holds, in MiB, after a collection where `--expose-gc` allows one. */
export function printMemory(): void {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  console.log(`memory: heap ${mib(heapUsed)}, array buffers ${mib(arrayBuffers)}, resident ${mib(rss)}`)
}
