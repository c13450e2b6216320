// Runs promqltest scripts (Prometheus's conformance data) against the engine, over samples in memory.
// Specification: Prometheus 3.14, promql/promqltest/README.md; every instant query runs as a range query too, and with @.
// Owns the script language and the verdict on each eval: passed, failed (and why), or left out (by which rule).

import type { Kernels } from '../../lib/kernels/kernels.ts'
import { parseDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  type Labels,
  labelsOf,
  labelsToObject,
  labelValue,
  metricName,
  overlayLabels,
} from '../../lib/labels/labels.ts'
import { execute } from '../../lib/promql/exec/engine.ts'
import type { QueryResult } from '../../lib/promql/exec/result.ts'
import type { Expr } from '../../lib/promql/parse/ast.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import { atVariants } from './at-variants.ts'
import { MemoryQueryable, type MemorySample, staleBits } from './memory-queryable.ts'
import { checkAnnotations, checkFailure, checkValue, type Expectation, parseExpectation } from './promqltest-expect.ts'
import { parseSeriesDescription, splitMetric } from './series-description.ts'

export interface EvalOutcome {
  readonly line: number
  readonly query: string
  readonly verdict: 'passed' | 'failed' | 'left out'
  /** Why it failed, or the rule that leaves it out. */
  readonly reason: string
}

const evalInstant = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$/
const evalRange = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/

/** The outcome of each eval of a script, in order. Throws a plain Error where the script itself is malformed. */
export async function runScript(script: string, kernels: Kernels): Promise<EvalOutcome[]> {
  const queryable = new MemoryQueryable()
  const outcomes: EvalOutcome[] = []
  const lines = script.split('\n').map((line) => (/^\s*#/.test(line) ? '' : line.trim()))
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (line === '') continue
    const end = blockEnd(lines, i)
    const block = lines.slice(i + 1, end)
    if (line === 'clear') queryable.clear()
    else if (line.startsWith('load')) load(queryable, line, block)
    else if (line.startsWith('eval'))
      outcomes.push(await runEval(parseEval(line, block, i + 1), { queryable, kernels }))
    else throw new Error(`line ${i + 1}: unknown command ${line}`)
    i = end - 1
  }
  return outcomes
}

function blockEnd(lines: readonly string[], start: number): number {
  let end = start + 1
  while (end < lines.length && lines[end] !== '' && !/^(eval|load|clear)(_|\s|$)/.test(lines[end]!)) end++
  return end
}

function load(queryable: MemoryQueryable, line: string, block: readonly string[]): void {
  const match = /^load(_with_nhcb)?\s+(\S+)$/.exec(line)
  if (match === null) throw new Error(`invalid load: ${line}`)
  const gapMs = parseDurationMs(match[2]!)
  const startTimestamps = new Set<string>()
  // A later line of the same series replaces an earlier one of the same load.
  const series = new Map<string, string>()
  for (const text of block) {
    const { metric, rest } = splitMetric(text.replace('@st', ' @st'))
    if (rest.startsWith('@st')) startTimestamps.add(metric)
    else series.set(metric, text)
  }
  for (const [metric, text] of series) {
    const loaded = loadSeries(queryable, text, gapMs, match[1] !== undefined)
    if (startTimestamps.has(metric))
      queryable.addUnreadable(loaded.labels, loaded.times, 'start timestamps are not supported')
  }
}

function loadSeries(queryable: MemoryQueryable, text: string, gapMs: number, withCustomBuckets: boolean) {
  const { labels, points } = parseSeriesDescription(text)
  const samples: MemorySample[] = []
  const histogramTimes: number[] = []
  points.forEach((point, i) => {
    const timeMs = i * gapMs
    if (typeof point === 'object') histogramTimes.push(timeMs)
    else if (point !== 'none') samples.push({ timeMs, value: point === 'stale' ? staleBits : point })
  })
  queryable.add(labels, samples)
  queryable.addUnreadable(labels, histogramTimes, nativeHistograms)
  const times = samples.map(({ timeMs }) => timeMs)
  if (withCustomBuckets) markCustomBuckets(queryable, labels, times)
  return { labels, times }
}

/** The native histogram that load_with_nhcb makes beside a classic one. */
function markCustomBuckets(queryable: MemoryQueryable, labels: Labels, times: readonly number[]): void {
  const name = labelValue(labels, metricName).replace(/_(bucket|count|sum)$/, '')
  const base = Object.entries(labelsToObject(overlayLabels(labels, labelsOf({ [metricName]: name }))))
  queryable.addUnreadable(labelsOf(base.filter(([label]) => label !== 'le')), times, nativeHistograms)
}

const nativeHistograms = 'native histograms are not supported'

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
  if (instant === null) throw new Error(`line ${number}: invalid eval ${line}`)
  const [, modifier, at, query] = instant as unknown as string[]
  const startMs = parseTime(at ?? '0s')
  const times = { startMs, endMs: startMs, stepMs: 0 }
  return { line: number, query: query!, ...times, expectation: parseExpectation(block, modifier) }
}

function parseTime(text: string): number {
  return text.startsWith('-') ? -parseDurationMs(text.slice(1)) : parseDurationMs(text)
}

interface Setup {
  readonly queryable: MemoryQueryable
  readonly kernels: Kernels
}

async function runEval(command: EvalCommand, setup: Setup): Promise<EvalOutcome> {
  const { line, query, expectation } = command
  const outcome = (verdict: EvalOutcome['verdict'], reason: string) => ({ line, query, verdict, reason })
  if (expectation.needsHistograms) return outcome('left out', nativeHistograms)
  try {
    await checkEval(command, setup)
    return outcome('passed', '')
  } catch (error) {
    const rule = leftOutBy(error)
    if (rule !== undefined) return outcome('left out', rule)
    return outcome('failed', error instanceof Error ? error.message : String(error))
  }
}

/** What this version does not do is left out; it says so itself, by error code or in the parser's words for a flag. */
function leftOutBy(error: unknown): string | undefined {
  if (!(error instanceof MnemoError)) return undefined
  if (error.code === 'unsupported') return error.message
  if (error.code === 'bad_data' && /experimental and not enabled|experimental/.test(error.message)) {
    return error.message.replace(/^.*parse error: /, '')
  }
  return undefined
}

async function checkEval(command: EvalCommand, setup: Setup): Promise<void> {
  const { query, startMs, endMs, stepMs, expectation } = command
  const expr = await failing(expectation, async () => parseExpr(query, { experimentalFunctions: true }))
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
    throw new Error(`as a range query: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function run(
  query: { query: string; expr: Expr; startMs: number; endMs: number; stepMs: number },
  expectation: Expectation,
  { queryable, kernels }: Setup,
): Promise<QueryResult | undefined> {
  const signal = new AbortController().signal
  const result = await failing(expectation, () =>
    execute({ ...query, queryable, kernels, signal, delayedNameRemoval: true }),
  )
  if (result !== undefined && expectation.fail !== undefined) throw new Error('expected an error, but got none')
  return result
}

/** The result, or undefined after the failure that was expected. */
async function failing<T>(expectation: Expectation, action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action()
  } catch (error) {
    if (expectation.fail === undefined || leftOutBy(error) !== undefined) throw error
    checkFailure(expectation.fail, error)
    return undefined
  }
}

/** A range query's answer at one step, as the instant query would have it. */
function atTime(result: QueryResult, timeMs: number, type: QueryResult['type']): QueryResult {
  if (result.type !== 'matrix') throw new Error(`got ${result.type}, want a matrix`)
  const samples = result.series.flatMap(({ labels, times, values }) => {
    const at = times.indexOf(timeMs)
    return at === -1 ? [] : [{ labels, timeMs, value: values[at]! }]
  })
  const { warnings, infos } = result
  if (type !== 'scalar') return { type: 'vector', samples, warnings, infos }
  return { type, timeMs, value: samples[0]!.value, warnings, infos }
}
