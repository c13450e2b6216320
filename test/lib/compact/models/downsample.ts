// Downsampling as plainly as it can be told: arrays of samples, one window after the other. The oracle of the tests.
// Specification: Thanos pkg/compact/downsample, as far as it speaks of floats.

/** Time in ms and value; a stale marker is undefined. */
export type ModelSample = readonly [timeMs: number, value: number | undefined]
export type Points = [timeMs: number, value: number][]

export interface ModelChunk {
  count: Points
  sum: Points
  min: Points
  max: Points
  counter: Points
}

const fiveMinutes = 300_000
const hour = 3_600_000
const windowEnd = (timeMs: number, resolutionMs: number) => (Math.floor(timeMs / resolutionMs) + 1) * resolutionMs - 1

/** Raw samples at 5 minutes. */
export function modelFromRaw(raw: readonly ModelSample[]): ModelChunk[] {
  const samples = raw.filter((sample): sample is [number, number] => sample[1] !== undefined)
  if (samples.length === 0) return []
  const spanMs = samples.at(-1)![0] - samples[0]![0]
  const batchSize =
    Math.floor(samples.length / modelChunks(spanMs, fiveMinutes, samples.length / (spanMs / 60_000))) + 1
  const chunks: ModelChunk[] = []
  for (let rest = samples; rest.length > 0; ) {
    const last = rest[Math.min(batchSize, rest.length) - 1]!
    const taken = rest.filter(([time], i) => i < batchSize || time <= windowEnd(last[0], fiveMinutes))
    rest = rest.slice(taken.length)
    const batch = taken.filter(([, value]) => !Number.isNaN(value))
    if (batch.length > 0) chunks.push(modelBatch(batch))
  }
  return chunks
}

function modelBatch(batch: Points): ModelChunk {
  const windows = modelWindows(batch, fiveMinutes)
  const at = (of: (values: number[]) => number): Points => windows.map(([time, values]) => [time, of(values)])
  return {
    count: at((values) => values.length),
    sum: at((values) => values.reduce((sum, value) => sum + value, 0)),
    min: at((values) => values.reduce((a, b) => (b < a ? b : a), Number.MAX_VALUE)),
    max: at((values) => values.reduce((a, b) => (b > a ? b : a), -Number.MAX_VALUE)),
    counter: modelCounter(batch, fiveMinutes, batch.at(-1)![1]),
  }
}

/** Chunks of 5 minutes at an hour. */
export function modelFromFiveMinutes(chunks: readonly ModelChunk[]): ModelChunk[] {
  if (chunks.length === 0) return []
  const spanMs = chunks.at(-1)!.count.at(-1)![0] - chunks[0]!.count[0]![0]
  const samples = chunks.reduce((sum, { count }) => sum + count.length, 0)
  const batchSize = Math.max(1, Math.floor(chunks.length / modelChunks(spanMs, hour, samples / (spanMs / fiveMinutes))))
  const out: ModelChunk[] = []
  for (let i = 0; i < chunks.length; i += batchSize) {
    const batch = chunks.slice(i, i + batchSize)
    const fold = (of: (chunk: ModelChunk) => Points, fold: (values: number[]) => number): Points =>
      modelWindows(batch.flatMap(of), hour).map(([time, values]) => [time, fold(values)])
    const { points, last } = modelResets(batch.flatMap(({ counter }) => counter))
    out.push({
      count: fold(
        ({ count }) => count,
        (values) => values.reduce((a, b) => a + b, 0),
      ),
      sum: fold(
        ({ sum }) => sum,
        (values) => values.reduce((a, b) => a + b, 0),
      ),
      min: fold(
        ({ min }) => min,
        (values) => values.reduce((a, b) => (b < a ? b : a), Number.MAX_VALUE),
      ),
      max: fold(
        ({ max }) => max,
        (values) => values.reduce((a, b) => (b > a ? b : a), -Number.MAX_VALUE),
      ),
      counter: points.length === 0 ? [] : modelCounter(points, hour, last),
    })
  }
  return out
}

function modelChunks(spanMs: number, resolutionMs: number, fullness: number): number {
  const expected = Math.floor(Math.floor(spanMs / resolutionMs) * Math.min(1, fullness)) + 1
  for (let chunks = 1; ; chunks++) if (Math.floor(expected / chunks) <= 140) return chunks
}

/** Values by window; the last window ends with the last sample. */
function modelWindows(samples: Points, resolutionMs: number): [number, number[]][] {
  const windows = new Map<number, number[]>()
  const last = samples.at(-1)?.[0] ?? 0
  for (const [time, value] of samples) {
    const end = Math.min(windowEnd(time, resolutionMs), last)
    const there = windows.get(end)
    if (there) there.push(value)
    else windows.set(end, [value])
  }
  return [...windows]
}

function modelCounter(samples: Points, resolutionMs: number, last: number): Points {
  let total = samples[0]![1]
  const totals = samples.map(([time, value], i): [number, number] => {
    if (i > 0) total += value < samples[i - 1]![1] ? value : value - samples[i - 1]![1]
    return [time, total]
  })
  const windows = modelWindows(totals, resolutionMs).map(([time, values]): [number, number] => [time, values.at(-1)!])
  return [samples[0]!, ...windows, [windows.at(-1)![0], last]]
}

/** A counter that never falls, out of counter aggregates one after the other; and the true value it ended with. */
export function modelResets(counter: Points): { points: Points; last: number } {
  const points: Points = []
  let last = 0
  for (const [time, value] of counter) {
    if (Number.isNaN(value)) continue
    const before = points.at(-1)
    if (!before) points.push([time, value])
    else if (time > before[0]) points.push([time, before[1] + (value >= last ? value - last : value)])
    else if (time < before[0]) continue
    last = value
  }
  return { points, last }
}
