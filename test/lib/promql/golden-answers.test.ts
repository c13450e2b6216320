// The engine over golden blocks: Prometheus's own HTTP answers, bit for bit.
// A case is a file of test/golden/answers; those whose query the parser or the API refuses are the API's tests.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { parseDurationMs } from '../../../lib/kit/duration.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import { execute } from '../../../lib/promql/exec/engine.ts'
import type { QueryResult } from '../../../lib/promql/exec/result.ts'
import { parseFloatGo } from '../../../lib/promql/functions/go-format.ts'
import { parseExpr } from '../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../lib/promql/parse/token-stream.ts'
import { encodeHistogramPoint } from '../../../services/query/api/encode-histogram.ts'
import { BlockQueryable } from '../../support/block-queryable.ts'
import { goldenBlock, goldenPath } from '../../support/golden.ts'

type Point = readonly [number, string]

type HistogramAnswerPoint = readonly [number, unknown]

interface AnswerSeries {
  readonly metric: Record<string, string>
  readonly value?: Point
  readonly values?: readonly Point[]
  readonly histogram?: HistogramAnswerPoint
  readonly histograms?: readonly HistogramAnswerPoint[]
}

interface Answer {
  readonly status: 'success' | 'error'
  readonly errorType?: string
  readonly error?: string
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
  readonly data?: {
    readonly resultType: QueryResult['type']
    readonly result: readonly AnswerSeries[] | Point
  }
}

interface GoldenCase {
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly answer: Answer
}

let queryable: BlockQueryable
const kernels = createKernels()

beforeAll(async () => {
  queryable = await BlockQueryable.open([goldenBlock('blocks/floats').folder, goldenBlock('blocks/histograms').folder])
})

afterAll(() => queryable.close())

function seconds(text: string): number {
  return Math.round(Number(text) * 1000)
}

async function evaluate({ path, params }: GoldenCase, experimental: boolean): Promise<QueryResult> {
  const range = path.endsWith('_range')
  const query = params.query!
  const lookback = params.lookback_delta === undefined ? {} : { lookbackMs: parseDurationMs(params.lookback_delta) }
  return execute({
    query,
    expr: parseExpr(query, experimental ? everySyntax : {}),
    startMs: seconds(range ? params.start! : params.time!),
    endMs: seconds(range ? params.end! : params.time!),
    stepMs: range ? seconds(params.step!) : 0,
    queryable,
    kernels,
    signal: new AbortController().signal,
    delayedNameRemoval: experimental,
    typeAndUnitLabels: experimental,
    ...lookback,
  })
}

/** Both sides in one shape: times in ms, values as doubles (NaN is NaN, −0 is −0). */
function shapeOf(result: QueryResult): unknown {
  switch (result.type) {
    case 'matrix':
      return result.series.map(({ labels, times, values, histograms = [] }) => ({
        metric: labelsToObject(labels),
        points: Array.from(times, (t, i) => [t, values[i]]),
        histograms: histograms.map((point) => JSON.parse(encodeHistogramPoint(point))),
      }))
    case 'vector':
      return result.samples.map(({ labels, timeMs, value, histogram }) => ({
        metric: labelsToObject(labels),
        points: histogram === undefined ? [[timeMs, value]] : [],
        histograms: histogram === undefined ? [] : [JSON.parse(encodeHistogramPoint({ timeMs, histogram }))],
      }))
    default:
      return [result.timeMs, result.value]
  }
}

function shapeOfAnswer({ resultType, result }: NonNullable<Answer['data']>): unknown {
  const point = ([t, v]: Point) => [Math.round(t * 1000), resultType === 'string' ? v : parseFloatGo(v)]
  if (resultType === 'scalar' || resultType === 'string') return point(result as Point)
  const series = result as Exclude<typeof result, Point>
  return series.map(({ metric, value, values, histogram, histograms }) => ({
    metric,
    points: (values ?? (value === undefined ? [] : [value])).map(point),
    histograms: histograms ?? (histogram === undefined ? [] : [histogram]),
  }))
}

function isEngineCase({ path, params, answer }: GoldenCase): boolean {
  if (!/^\/api\/v1\/query(_range)?$/.test(path) || answer.errorType === 'bad_data') return false
  return params.limit === undefined
}

function runFolder(folder: string, experimental: boolean): void {
  for (const file of readdirSync(goldenPath('answers', folder))) {
    const golden = JSON.parse(readFileSync(goldenPath('answers', folder, file), 'utf8')) as GoldenCase
    if (!isEngineCase(golden)) continue
    test(`${file}: ${golden.params.query}`, async () => {
      const { answer } = golden
      if (answer.data === undefined) {
        const error = await evaluate(golden, experimental).catch((e: unknown) => e)
        expect(error).toBeInstanceOf(MnemoError)
        expect(error).toMatchObject({ code: answer.errorType, message: answer.error })
        return
      }
      const result = await evaluate(golden, experimental)
      expect(result.type).toBe(answer.data.resultType)
      expect(shapeOf(result)).toEqual(shapeOfAnswer(answer.data))
      // Their order is that of a map in Prometheus.
      expect([...result.warnings].sort()).toEqual([...(answer.warnings ?? [])].sort())
      expect([...result.infos].sort()).toEqual([...(answer.infos ?? [])].sort())
    })
  }
}

describe('answers of Prometheus with its defaults', () => runFolder('default', false))
describe('answers of Prometheus with every experimental feature', () => runFolder('experimental', true))
