// Series as promqltest scripts and rule unit tests write them: `x{a="b"} 1+2x3 _ stale`.
// Specification: Prometheus 3.14, promql/parser (series descriptions).
// Owns the expansion of points.

import { parseDurationMs } from '../../../lib/kit/duration.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { type Labels, labelsOf } from '../../../lib/labels/labels.ts'
import { parseFloatGo } from '../../../lib/promql/functions/go-format.ts'
import { parseSelector } from '../../../lib/promql/parse/parser.ts'
import { parseHistograms, type WrittenHistogram } from './histograms.ts'

/** A point: a number, none, a stale marker, or a native histogram. */
export type Point = number | 'none' | 'stale' | WrittenHistogram

export interface SeriesDescription {
  readonly labels: Labels
  readonly points: readonly Point[]
}

/** Throws `bad_data` where the line is no series. */
export function parseSeriesDescription(line: string): SeriesDescription {
  const { metric, rest } = splitMetric(line)
  return { labels: parseMetric(metric), points: parsePoints(rest) }
}

/** Throws `bad_data` where the line does not begin with a series. */
export function parseLabels(line: string): Labels {
  return parseMetric(splitMetric(line).metric)
}

/** The metric's text, and what follows it. */
export function splitMetric(line: string): { metric: string; rest: string } {
  // The braces of labels may stand apart from the name; those of a native histogram are double.
  const name = /^[^\s{]*(?=\s*\{(?!\{))/.exec(line)
  if (name === null) {
    const end = line.search(/\s|$/)
    return { metric: line.slice(0, end), rest: line.slice(end).trim() }
  }
  const brace = line.indexOf('{')
  const end = closingBrace(line, brace) + 1
  return { metric: line.slice(0, end), rest: line.slice(end).trim() }
}

function closingBrace(line: string, open: number): number {
  let quote = ''
  for (let i = open; i < line.length; i++) {
    const char = line[i]!
    if (quote !== '') {
      if (char === '\\' && quote !== '`') i++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'" || char === '`') {
      quote = char
    } else if (char === '}') {
      return i
    }
  }
  throw new MnemoError('bad_data', `got "${line}", want a closing brace`)
}

function parseMetric(text: string): Labels {
  if (/^\{\s*\}$/.test(text)) return []
  return labelsOf(parseSelector(text).map(({ name, value }): [string, string] => [name, value]))
}

function parsePoints(text: string): Point[] {
  const points: Point[] = []
  for (const item of splitItems(text)) points.push(...expand(item))
  return points
}

/** Items by spaces, those within {{ }} being one. */
function splitItems(text: string): string[] {
  const items: string[] = []
  let depth = 0
  let item = ''
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith('{{', i)) depth++
    if (text.startsWith('}}', i - 1) && depth > 0) depth--
    if (depth === 0 && /\s/.test(text[i]!)) {
      if (item !== '') items.push(item)
      item = ''
    } else {
      item += text[i]!
    }
  }
  return item === '' ? items : [...items, item]
}

const repeated = /^(.*?)(?:([+-])((?:\d|\.|[eE](?=[-+\d])|(?<=[eE])[-+]|inf|nan)+))?x(\d+)$/i

function expand(item: string): Point[] {
  if (item.startsWith('{{')) return parseHistograms(item)
  const match = repeated.exec(item)
  if (match === null) return [parsePoint(item)]
  const [, first, sign, step, times] = match as unknown as [string, string, string?, string?, string?]
  const count = Number(times)
  if (first === '_') return Array.from({ length: count }, () => 'none')
  const start = parsePoint(first)
  if (typeof start !== 'number') return Array.from({ length: count + 1 }, () => start)
  const delta = step === undefined ? 0 : Number(step) * (sign === '-' ? -1 : 1)
  const points = [start]
  for (let i = 0; i < count; i++) points.push(points.at(-1)! + delta)
  return points
}

const startItem = /^([+-]?(?:\d+[smhdwy]*)+)(?:([+-])((?:\d+[smhdwy]*)+))?(?:x(\d+))?$/

/**
 * Start timestamps as a line `series@st …` has them: ms before (-) or after a sample's own time, undefined where there is none.
 * Items are `_`, `_xN`, durations, and runs of those: `-30s-1mx2`.
 */
export function parseStarts(text: string): (number | undefined)[] {
  return text.split(/\s+/).filter(Boolean).flatMap(expandStart)
}

function expandStart(item: string): (number | undefined)[] {
  const none = /^_(?:x(\d+))?$/.exec(item)
  if (none !== null) return new Array<undefined>(Number(none[1] ?? 1)).fill(undefined)
  const match = startItem.exec(item)
  if (match === null) throw new MnemoError('bad_data', `got "${item}", want a start timestamp's distance`)
  const [, first, sign, step, times] = match as unknown as [string, string, string?, string?, string?]
  const start = parseDistance(first)
  const delta = step === undefined ? 0 : parseDistance(sign + step)
  return Array.from({ length: Number(times ?? 0) + 1 }, (_, i) => start + i * delta)
}

function parseDistance(text: string): number {
  const durationMs = parseDurationMs(text.replace(/^[+-]/, ''))
  return text.startsWith('-') ? -durationMs : durationMs
}

function parsePoint(text: string): Point {
  if (text === '_') return 'none'
  if (text === 'stale') return 'stale'
  const value = /^[+-]?0x/i.test(text) ? Number(text) : parseFloatGo(text)
  if (value === undefined || (Number.isNaN(value) && !/nan/i.test(text)))
    throw new MnemoError('bad_data', `got "${text}", want a sample value`)
  return value
}
