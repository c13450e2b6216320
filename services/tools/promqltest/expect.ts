// What a promqltest script expects of an eval, and the check of an answer against it.
// Specification: Prometheus 3.14, promql/promqltest/README.md; values equal within a relative 1e-6.
// Owns the expectation lines; checks throw an error that says what was got and what was wanted.

import type { Histogram } from '../../../lib/histogram/histogram.ts'
import { parseDurationMs } from '../../../lib/kit/duration.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { formatLabels, type Labels, labelsKey } from '../../../lib/labels/labels.ts'
import type { QueryResult, ResultSample, ResultSeries } from '../../../lib/promql/exec/result.ts'
import { formatHistogram } from '../../../lib/promql/functions/format-histogram.ts'
import { parseFloatGo } from '../../../lib/promql/functions/go-format.ts'
import { almostEqual } from '../../../lib/promql/functions/quantile.ts'
import { unquote } from '../../../lib/promql/parse/scan-string.ts'
import { sameHistogram } from './histograms.ts'
import { type Point, parseSeriesDescription } from './series-description.ts'

type Text = (text: string) => boolean

interface Times {
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
}

export interface Expectation {
  readonly fail: Text | undefined
  readonly warnings: readonly Text[]
  readonly infos: readonly Text[]
  readonly noWarnings: boolean
  readonly noInfos: boolean
  /** eval_warn, eval_info: any will do, beside whatever else. */
  readonly someWarning: boolean
  readonly someInfo: boolean
  readonly ordered: boolean
  readonly series: readonly { readonly labels: Labels; readonly points: readonly Point[] }[]
  readonly scalar: number | undefined
  readonly string: string | undefined
  /** Times of a range vector that an instant query yields. */
  readonly rangeVector: Times | undefined
  readonly notAsRange: boolean
}

type Draft = { -readonly [K in keyof Expectation]: Expectation[K] } & {
  warnings: Text[]
  infos: Text[]
  series: { labels: Labels; points: readonly Point[] }[]
}

export function parseExpectation(lines: readonly string[], modifier: string | undefined): Expectation {
  const draft: Draft = {
    fail: modifier === 'fail' ? () => true : undefined,
    warnings: [],
    infos: [],
    noWarnings: false,
    noInfos: false,
    someWarning: modifier === 'warn',
    someInfo: modifier === 'info',
    ordered: modifier === 'ordered',
    series: [],
    scalar: undefined,
    string: undefined,
    rangeVector: undefined,
    notAsRange: false,
  }
  for (const line of lines) {
    if (line.startsWith('expected_fail_message')) draft.fail = equal(line.slice(21).trim())
    else if (line.startsWith('expected_fail_regexp')) draft.fail = matching(line.slice(20).trim())
    else if (line.startsWith('expect ')) parseExpect(line, draft)
    else parseValue(line, draft)
  }
  return draft
}

const expectLine = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/
const rangeVectorLine = /^expect range vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)$/

function parseExpect(line: string, draft: Draft): void {
  const range = rangeVectorLine.exec(line)
  if (range !== null) {
    const [startMs, endMs, stepMs] = range.slice(1).map(parseDurationMs) as [number, number, number]
    draft.rangeVector = { startMs, endMs, stepMs }
    draft.notAsRange = true
    return
  }
  if (line.startsWith('expect string ')) {
    draft.string = unquote(line.slice(14).trim())
    draft.notAsRange = true
    return
  }
  const match = expectLine.exec(line)
  if (match === null) throw new MnemoError('bad_data', `got invalid expectation "${line}"`)
  const text =
    match[2] === undefined ? () => true : match[2] === 'msg' ? equal(match[3]!.trim()) : matching(match[3]!.trim())
  if (match[1] === 'ordered') draft.ordered = true
  else if (match[1] === 'fail') draft.fail = text
  else if (match[1] === 'warn') draft.warnings.push(text)
  else if (match[1] === 'info') draft.infos.push(text)
  else if (match[1] === 'no_warn') draft.noWarnings = true
  else draft.noInfos = true
}

function equal(want: string): Text {
  return (text) => text === want
}

function matching(pattern: string): Text {
  const regex = new RegExp(pattern)
  return (text) => regex.test(text)
}

function parseValue(line: string, draft: Draft): void {
  const scalar = /^[+-]?0x[0-9a-f]+$/i.test(line) ? Number(line) : parseFloatGo(line)
  if (scalar !== undefined) {
    draft.scalar ??= scalar
    return
  }
  const series = parseSeriesDescription(line)
  draft.series.push(series)
}

export function checkFailure(want: Text, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error)
  if (!want(text)) throw mismatch(`got error ${JSON.stringify(text)}, want another one`)
}

export function checkAnnotations(expectation: Expectation, { warnings, infos }: QueryResult): void {
  const { someWarning, someInfo, noWarnings, noInfos } = expectation
  if ((someWarning && warnings.length === 0) || (noWarnings && warnings.length > 0)) {
    throw mismatch(`got warnings ${JSON.stringify(warnings)}, want ${someWarning ? 'some' : 'none'}`)
  }
  if ((someInfo && infos.length === 0) || (noInfos && infos.length > 0)) {
    throw mismatch(`got infos ${JSON.stringify(infos)}, want ${someInfo ? 'some' : 'none'}`)
  }
  checkTexts(expectation.warnings, warnings)
  checkTexts(expectation.infos, infos)
}

function checkTexts(want: readonly Text[], got: readonly string[]): void {
  if (want.length === 0) return
  if (!want.every((matches) => got.some(matches)) || !got.every((text) => want.some((matches) => matches(text)))) {
    throw mismatch(`got annotations ${JSON.stringify(got)}, want others`)
  }
}

export function checkValue(expectation: Expectation, result: QueryResult, times: Times): void {
  switch (result.type) {
    case 'scalar':
      if (expectation.scalar === undefined) throw mismatch(`got scalar ${result.value}, want none`)
      checkNumber(result.value, expectation.scalar, 'scalar')
      return
    case 'string':
      if (result.value !== expectation.string) throw mismatch(`got string ${result.value}, want ${expectation.string}`)
      return
    case 'vector':
      checkVector(expectation, result.samples)
      return
    case 'matrix':
      checkMatrix(expectation, result.series, times)
  }
}

function checkVector({ series, ordered }: Expectation, samples: readonly ResultSample[]): void {
  const byLabels = new Map(series.map((one, index) => [labelsKey(one.labels), { ...one, index }]))
  samples.forEach(({ labels, value, histogram }, index) => {
    const want = byLabels.get(labelsKey(labels))
    if (want === undefined) throw mismatch(`got ${formatLabels(labels)} ${value}, want no such series`)
    if (ordered && want.index !== index) throw mismatch(`got ${formatLabels(labels)} at ${index}, want ${want.index}`)
    const point = want.points[0]
    checkPoint(histogram ?? value, point, formatLabels(labels))
  })
  refuseMissing(series, samples)
}

function refuseMissing(want: readonly { labels: Labels }[], got: readonly { labels: Labels }[]): void {
  const keys = new Set(got.map(({ labels }) => labelsKey(labels)))
  const missing = want.find(({ labels }) => !keys.has(labelsKey(labels)))
  if (missing !== undefined) throw mismatch(`got no ${formatLabels(missing.labels)}, want it`)
}

function checkMatrix({ series }: Expectation, got: readonly ResultSeries[], { startMs, stepMs }: Times): void {
  const byLabels = new Map(series.map((one) => [labelsKey(one.labels), one]))
  for (const { labels, times, values, histograms = [] } of got) {
    const name = formatLabels(labels)
    const want = byLabels.get(labelsKey(labels))
    if (want === undefined) throw mismatch(`got ${name} ${values.join(' ')}, want no such series`)
    const wanted = want.points.flatMap((point, i) =>
      typeof point === 'string' ? [] : [{ timeMs: startMs + i * stepMs, point }],
    )
    const floats = Array.from(times, (timeMs, i) => ({ timeMs, value: values[i]! as number | Histogram }))
    const points = [...floats, ...histograms.map(({ timeMs, histogram }) => ({ timeMs, value: histogram }))]
    points.sort((a, b) => a.timeMs - b.timeMs)
    const shown = points.map(({ timeMs, value }) => `${shownPoint(value)}@${timeMs}`).join(' ')
    if (points.length !== wanted.length)
      throw mismatch(`got ${points.length} points of ${name}, want ${wanted.length}: ${shown}`)
    wanted.forEach(({ timeMs, point }, i) => {
      const found = points[i]!
      if (found.timeMs !== timeMs) throw mismatch(`got ${name} at ${found.timeMs}, want ${timeMs}: ${shown}`)
      checkPoint(found.value, point, `${name} at ${timeMs}`)
    })
  }
  refuseMissing(series, got)
}

function checkPoint(got: number | Histogram, want: Point | undefined, what: string): void {
  if (typeof got === 'number') {
    if (typeof want === 'object') throw mismatch(`got ${what} = ${got}, want ${formatHistogram(want.histogram)}`)
    checkNumber(got, typeof want === 'number' ? want : NaN, what)
    return
  }
  if (typeof want !== 'object') throw mismatch(`got ${what} = ${formatHistogram(got)}, want ${want}`)
  if (sameHistogram(got, want)) return
  const all = (h: Histogram) => JSON.stringify(h)
  throw mismatch(`got ${what} = ${all(got)}, want ${all(want.histogram)}`)
}

function shownPoint(value: number | Histogram): string {
  return typeof value === 'number' ? String(value) : formatHistogram(value)
}

function checkNumber(got: number, want: number, what: string): void {
  if (!almostEqual(got, want, 1e-6)) throw mismatch(`got ${what} = ${got}, want ${want}`)
}

/** What was got and what was wanted, of an evaluation that went otherwise than its script says. */
export function mismatch(message: string): MnemoError {
  return new MnemoError('execution', message)
}
