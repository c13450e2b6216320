// Runs promqltest scripts (Prometheus's conformance data) on the engine, over blocks that are written and read back.
// Specification: Prometheus 3.14, promql/promqltest/README.md; every instant query runs as a range query too, and with @.
// Owns the script language and the verdict on each eval: passed, or failed and why.

import type { Histogram } from '../../../lib/histogram/histogram.ts'
import type { Kernels } from '../../../lib/kernels/kernels.ts'
import { parseDurationMs } from '../../../lib/kit/duration.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import {
  type Labels,
  labelsKey,
  labelsOf,
  labelValue,
  metricName,
  overlayLabels,
  withoutLabels,
} from '../../../lib/labels/labels.ts'
import { execute } from '../../../lib/promql/exec/engine.ts'
import type { QueryResult, ResultSample } from '../../../lib/promql/exec/result.ts'
import { parseFloatGo } from '../../../lib/promql/functions/go-format.ts'
import type { Expr } from '../../../lib/promql/parse/ast.ts'
import { parseExpr } from '../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../lib/promql/parse/token-stream.ts'
import type { MixedSample } from '../../../lib/tsdb/overlap-mixed.ts'
import { atVariants } from './at-variants.ts'
import { checkAnnotations, checkFailure, checkValue, type Expectation, mismatch, parseExpectation } from './expect.ts'
import { type ClassicSample, chunkHistogramOf, customHistogramOf } from './histograms.ts'
import {
  type Point,
  parseLabels,
  parseSeriesDescription,
  parseStarts,
  type SeriesDescription,
} from './series-description.ts'
import { ScriptStorage } from './storage.ts'

export interface EvalOutcome {
  readonly line: number
  readonly query: string
  /** Why it failed: what was got, what was wanted. */
  readonly failure?: string
}

const staleBits = 0x7ff0000000000002n
const evalInstant = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$/
const evalRange = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/

/** The outcome of each eval of a script, in order. Throws `bad_data` where the script itself is malformed. */
export async function runScript(script: string, kernels: Kernels): Promise<EvalOutcome[]> {
  const storage = await ScriptStorage.create(kernels)
  try {
    return await runLines(script, { storage, kernels })
  } finally {
    await storage.close()
  }
}

async function runLines(script: string, setup: Setup): Promise<EvalOutcome[]> {
  const { storage } = setup
  const outcomes: EvalOutcome[] = []
  let changed = true
  const lines = script.split('\n').map((line) => (/^\s*#/.test(line) ? '' : line.trim()))
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (line === '') continue
    const end = blockEnd(lines, i)
    const block = lines.slice(i + 1, end)
    if (line.startsWith('eval')) {
      if (changed) await storage.prepare()
      changed = false
      outcomes.push(await runEval(parseEval(line, block, i + 1), setup))
    } else {
      if (line === 'clear') storage.clear()
      else if (line.startsWith('load')) load(storage, line, block)
      else throw new MnemoError('bad_data', `line ${i + 1}: got unknown command "${line}", want load, clear or eval`)
      changed = true
    }
    i = end - 1
  }
  return outcomes
}

function blockEnd(lines: readonly string[], start: number): number {
  let end = start + 1
  while (end < lines.length && lines[end] !== '' && !/^(eval|load|clear)(_|\s|$)/.test(lines[end]!)) end++
  return end
}

function load(storage: ScriptStorage, line: string, block: readonly string[]): void {
  const match = /^load(_with_nhcb)?\s+(\S+)$/.exec(line)
  if (match === null) throw new MnemoError('bad_data', `got invalid command "${line}", want load <interval>`)
  const gapMs = parseDurationMs(match[2]!)
  const starts = new Map<string, (number | undefined)[]>()
  // A later line of the same series replaces an earlier one of the same load.
  const series = new Map<string, SeriesDescription>()
  for (const text of block) {
    const started = /^(\S*)@st\s+(.*)$/.exec(text)
    if (started !== null) starts.set(labelsKey(parseLabels(`${started[1]!} _`)), parseStarts(started[2]!))
    else {
      const description = parseSeriesDescription(text)
      series.set(labelsKey(description.labels), description)
    }
  }
  const classic = new ClassicHistograms()
  for (const [key, { labels, points }] of series) {
    storage.add(labels, samplesOf(points, { gapMs, starts: starts.get(key) ?? [] }))
    if (match[1] !== undefined) classic.add(labels, points, gapMs)
  }
  classic.addTo(storage)
}

function samplesOf(
  points: readonly Point[],
  { gapMs, starts }: { gapMs: number; starts: readonly (number | undefined)[] },
): MixedSample[] {
  return points.flatMap((point, i): MixedSample[] => {
    const timeMs = i * gapMs
    const distanceMs = starts[i]
    const startTimeMs = distanceMs === undefined ? 0 : timeMs + distanceMs
    if (point === 'none') return []
    if (typeof point === 'object') return [histogramSample({ timeMs, startTimeMs }, point.histogram)]
    return [{ timeMs, startTimeMs, bits: point === 'stale' ? staleBits : bitsOf(point) }]
  })
}

function histogramSample(times: { timeMs: number; startTimeMs: number }, histogram: Histogram): MixedSample {
  return { ...times, stale: false, integer: false, histogram: chunkHistogramOf(histogram) }
}

function bitsOf(value: number): bigint {
  return new BigUint64Array(Float64Array.of(value).buffer)[0]!
}

/** The native histograms that load_with_nhcb makes beside classic ones. */
class ClassicHistograms {
  readonly #series = new Map<string, { labels: Labels; samples: Map<number, ClassicSample> }>()

  add(labels: Labels, points: readonly Point[], gapMs: number): void {
    const suffix = /_(bucket|count|sum)$/.exec(labelValue(labels, metricName))?.[1]
    const bound = parseFloatGo(labelValue(labels, 'le'))
    if (suffix === undefined || (suffix === 'bucket' && (bound === undefined || Number.isNaN(bound)))) return
    const samples = this.#samplesOf(labels, suffix)
    points.forEach((point, i) => {
      if (typeof point !== 'number') return
      const sample = samples.get(i * gapMs) ?? { buckets: new Map(), count: undefined, sum: 0 }
      samples.set(i * gapMs, sample)
      if (suffix === 'bucket') sample.buckets.set(bound!, point)
      else if (suffix === 'count') sample.count = point
      else sample.sum = point
    })
  }

  #samplesOf(labels: Labels, suffix: string): Map<number, ClassicSample> {
    const name = labelValue(labels, metricName).slice(0, -suffix.length - 1)
    const base = withoutLabels(overlayLabels(labels, labelsOf({ [metricName]: name })), new Set(['le']))
    const key = labelsKey(base)
    const series = this.#series.get(key) ?? { labels: base, samples: new Map() }
    this.#series.set(key, series)
    return series.samples
  }

  addTo(storage: ScriptStorage): void {
    for (const { labels, samples } of this.#series.values()) {
      const points = [...samples].flatMap(([timeMs, sample]) => {
        const histogram = customHistogramOf(sample)
        return histogram === undefined ? [] : [histogramSample({ timeMs, startTimeMs: 0 }, histogram)]
      })
      storage.add(labels, points)
    }
  }
}

interface EvalCommand {
  readonly line: number
  readonly query: string
  readonly startMs: number
  readonly endMs: number
  /** 0: instant. */
  readonly stepMs: number
  readonly expectation: Expectation
}

function parseEval(line: string, block: readonly string[], number: number): EvalCommand {
  const range = evalRange.exec(line)
  if (range !== null) {
    const [, modifier, from, to, step, query] = range as unknown as string[]
    const times = { startMs: parseTime(from!), endMs: parseTime(to!), stepMs: parseDurationMs(step!) }
    return { line: number, query: query!, ...times, expectation: parseExpectation(block, modifier) }
  }
  const instant = evalInstant.exec(line)
  if (instant === null)
    throw new MnemoError('bad_data', `line ${number}: got invalid command "${line}", want eval instant or eval range`)
  const [, modifier, at, query] = instant as unknown as string[]
  const startMs = parseTime(at ?? '0s')
  const times = { startMs, endMs: startMs, stepMs: 0 }
  return { line: number, query: query!, ...times, expectation: parseExpectation(block, modifier) }
}

function parseTime(text: string): number {
  return text.startsWith('-') ? -parseDurationMs(text.slice(1)) : parseDurationMs(text)
}

interface Setup {
  readonly storage: ScriptStorage
  readonly kernels: Kernels
}

async function runEval(command: EvalCommand, setup: Setup): Promise<EvalOutcome> {
  const { line, query } = command
  try {
    await checkEval(command, setup)
    return { line, query }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    return { line, query, failure }
  }
}

async function checkEval(command: EvalCommand, setup: Setup): Promise<void> {
  const { query, startMs, endMs, stepMs, expectation } = command
  const expr = await failing(expectation, async () => parseExpr(query, everySyntax))
  if (expr === undefined) return
  if (stepMs > 0) {
    const result = await run({ query, expr, startMs, endMs, stepMs }, expectation, setup)
    if (result === undefined) return
    checkAnnotations(expectation, result)
    checkValue(expectation, result, { startMs, endMs, stepMs })
    return
  }
  for (const variant of [{ expr, timeMs: startMs }, ...atVariants(expr, startMs)]) {
    await checkInstant({ query, ...variant }, expectation, setup)
  }
}

const contextFunctions = /\b(start|end|step|range)\s*\(\s*\)/

async function checkInstant(
  { query, expr, timeMs }: { query: string; expr: Expr; timeMs: number },
  expectation: Expectation,
  setup: Setup,
): Promise<void> {
  const atMs = expectation.rangeVector?.endMs ?? timeMs
  const result = await run({ query, expr, startMs: atMs, endMs: atMs, stepMs: 0 }, expectation, setup)
  if (result === undefined) return
  checkAnnotations(expectation, result)
  checkValue(expectation, result, expectation.rangeVector ?? { startMs: atMs, endMs: atMs, stepMs: 0 })
  if (expectation.notAsRange || contextFunctions.test(query)) return
  const range = { query, expr, startMs: timeMs - 60_000, endMs: timeMs + 60_000, stepMs: 60_000 }
  const asRange = await run(range, expectation, setup)
  if (asRange === undefined || expectation.ordered) return
  try {
    checkValue(expectation, atTime(asRange, timeMs, result.type), { startMs: timeMs, endMs: timeMs, stepMs: 0 })
  } catch (error) {
    throw mismatch(`as a range query: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function run(
  query: { query: string; expr: Expr; startMs: number; endMs: number; stepMs: number },
  expectation: Expectation,
  { storage: queryable, kernels }: Setup,
): Promise<QueryResult | undefined> {
  const signal = new AbortController().signal
  const result = await failing(expectation, () =>
    execute({ ...query, queryable, kernels, signal, delayedNameRemoval: true, startTimestamps: true }),
  )
  if (result !== undefined && expectation.fail !== undefined) throw mismatch('got no error, want one')
  return result
}

/** The result, or undefined after the failure that was expected. */
async function failing<T>(expectation: Expectation, action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action()
  } catch (error) {
    if (expectation.fail === undefined) throw error
    checkFailure(expectation.fail, error)
    return undefined
  }
}

/** A range query's answer at one step, as the instant query would have it. */
function atTime(result: QueryResult, timeMs: number, type: QueryResult['type']): QueryResult {
  if (result.type !== 'matrix') throw mismatch(`got ${result.type}, want a matrix`)
  const samples = result.series.flatMap(({ labels, times, values, histograms }): ResultSample[] => {
    const at = times.indexOf(timeMs)
    if (at !== -1) return [{ labels, timeMs, value: values[at]! }]
    const found = histograms?.find((point) => point.timeMs === timeMs)
    return found === undefined ? [] : [{ labels, value: NaN, ...found }]
  })
  const { warnings, infos } = result
  if (type !== 'scalar') return { type: 'vector', samples, warnings, infos }
  return { type, timeMs, value: samples[0]!.value, warnings, infos }
}
