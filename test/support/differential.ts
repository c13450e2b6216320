// One query asked of a real Prometheus and of our engine over the same block, and what differs between the two answers.
// Owns the times that queries are asked at: on no sample, and on no multiple of a subquery's step.
import type { Kernels } from '../../lib/kernels/kernels.ts'
import { asMnemoError } from '../../lib/kit/errors.ts'
import { execute } from '../../lib/promql/exec/engine.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../lib/promql/parse/token-stream.ts'
import type { Queryable } from '../../lib/promql/queryable.ts'
import { encodeQueryResult } from '../../services/query/api/encode.ts'
import type { Random } from './random.ts'
import { blockStartMs } from './random-block.ts'

export interface Asked {
  readonly query: string
  readonly startMs: number
  readonly endMs: number
  /** 0: instant. */
  readonly stepMs: number
}

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
  readonly histogram?: unknown
  readonly histograms?: readonly unknown[]
}

export interface Answer {
  readonly errorType?: string
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
  readonly data?: { readonly resultType: string; readonly result: readonly Series[] | readonly [number, string] }
}

/** Times for a query: seven seconds behind a multiple of 15 s, from so many such multiples after the block's start on. */
export function randomTimes(random: Random, query: string, from = 0): Asked {
  const startMs = blockStartMs + (from + random.below(420 - from)) * 15_000 + 7000
  if (random.chance(0.4)) return { query, startMs, endMs: startMs, stepMs: 0 }
  const stepMs = random.pick([15_000, 30_000, 60_000, 300_000])
  return { query, startMs, endMs: startMs + random.below(30) * stepMs + random.below(15_000), stepMs }
}

/** Of a Prometheus at `url`. */
export async function askPrometheus(url: string, { query, startMs, endMs, stepMs }: Asked): Promise<Answer> {
  const times =
    stepMs > 0 ? { start: startMs / 1000, end: endMs / 1000, step: stepMs / 1000 } : { time: startMs / 1000 }
  const params = Object.entries({ query, ...times }).map(([name, value]): [string, string] => [name, String(value)])
  const response = await fetch(`${url}/api/v1/query${stepMs > 0 ? '_range' : ''}`, {
    method: 'POST',
    body: new URLSearchParams(params),
  })
  return (await response.json()) as Answer
}

export interface OwnEngine {
  readonly queryable: Queryable
  readonly kernels: Kernels
  readonly options?: Partial<Parameters<typeof execute>[0]>
}

/** Of our engine, through the encoding of the HTTP API. */
export async function askOwn({ queryable, kernels, options }: OwnEngine, asked: Asked): Promise<Answer> {
  try {
    const expr = parseExpr(asked.query, everySyntax)
    const signal = new AbortController().signal
    const result = await execute({ ...asked, expr, queryable, kernels, signal, ...options })
    const { fields, warnings, infos } = encodeQueryResult(result)
    return { data: JSON.parse(`{${Buffer.concat(fields).toString()}}`), warnings, infos }
  } catch (error) {
    const { code, message } = asMnemoError(error)
    return { errorType: code, error: message }
  }
}

export interface Comparison {
  /** Values may differ by so much, relatively; 0: every digit is the same. */
  readonly tolerance: number
  /** Warnings, infos and error texts are compared too. */
  readonly texts: boolean
}

/** In a line what differs, undefined where nothing does. */
export function differenceOf(own: Answer, other: Answer, compare: Comparison): string | undefined {
  if (own.errorType !== other.errorType || (compare.texts && textOf(own.error) !== textOf(other.error))) {
    return `got error ${own.errorType} ${own.error}, want ${other.errorType} ${other.error}`
  }
  const [got, want] = [shapeOf(own), shapeOf(other)]
  for (const key of new Set([...got.keys(), ...want.keys()])) {
    const [a, b] = [got.get(key), want.get(key)]
    if (a === undefined || b === undefined) return `got ${a ? '' : 'no '}${key}, want ${b ? 'it' : 'none'}`
    if (a.length !== b.length || !a.every((text, i) => sameText(text, b[i]!, compare.tolerance))) {
      const at = a.findIndex((text, i) => !sameText(text, b[i] ?? '', compare.tolerance))
      return `got ${key} ${a[at] ?? 'no more'} at ${at} of ${a.length}, want ${b[at] ?? b.slice(a.length)} of ${b.length}`
    }
  }
  if (!compare.texts) return undefined
  const notes = ({ warnings = [], infos = [] }: Answer) => [...warnings, ...infos].map(counted).sort().join(' | ')
  // Prometheus's API shows ten.
  if (notes(own) === notes(other) || notes(other).includes('annotations omitted')) return undefined
  return `got annotations ${notes(own)}, want ${notes(other)}`
}

// Prometheus adds up the same samples again and again where annotations are merged: of five it makes dozens or millions.
function counted(note: string): string {
  return note.replace(/over -?\d+ samples/, 'over some samples')
}

/** Without what the API puts before it. */
function textOf(error: string | undefined): string | undefined {
  // Which of several groups is named depends on the order in a map.
  return error
    ?.replace(/^invalid parameter "query": /, '')
    .replace(/(found duplicate series for the match group).*/, '$1')
}

/** Points by series, as texts. */
function shapeOf({ data }: Answer): Map<string, string[]> {
  const shape = new Map<string, string[]>()
  if (data === undefined) return shape
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    return new Map([[data.resultType, (data.result as readonly unknown[]).map(String)]])
  }
  for (const { metric, value, values, histogram, histograms } of data.result as readonly Series[]) {
    const key = `${data.resultType} ${JSON.stringify(Object.entries(metric).sort())}`
    const points = [...(values ?? []), ...(value ? [value] : [])].flat().map(String)
    const others = [...(histograms ?? []), ...(histogram === undefined ? [] : [histogram])]
    shape.set(key, [...(shape.get(key) ?? []), ...points, ...others.flatMap(leaves)])
  }
  return shape
}

function leaves(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)]
  return Object.entries(value).flatMap(([name, inner]) =>
    Array.isArray(value) ? leaves(inner) : [name, ...leaves(inner)],
  )
}

function sameText(a: string, b: string, tolerance: number): boolean {
  if (a === b) return true
  if (tolerance === 0) return false
  const [x, y] = [Number(a), Number(b)]
  return Math.abs(x - y) <= tolerance * Math.max(Math.abs(x), Math.abs(y), 1e-3)
}
