// Results as JSON: values and timestamps in Prometheus's spelling, the limit, and its own answers encoded again.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatTimestamp, formatValue } from '../../../../lib/promql/format-number.ts'
import { encodeQueryResult } from '../../../../services/query/api/encode.ts'

const none = { warnings: [], infos: [] }
const text = (pieces: readonly Uint8Array[]) => Buffer.concat(pieces).toString()

test('values', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [123456789.125, '123456789.125'],
    [0.000001, '0.000001'],
    [9.9e-7, '9.9e-07'],
    [1.5e-7, '1.5e-07'],
    [-1e-10, '-1e-10'],
    [5e-324, '5e-324'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ]
  for (const [value, want] of cases) expect(formatValue(value)).toBe(want)
})

test('timestamps', () => {
  const cases: [number, string][] = [
    [1_700_006_400_000, '1700006400'],
    [1_700_006_400_123, '1700006400.123'],
    [1_700_006_400_050, '1700006400.050'],
    [5, '0.005'],
    [-1500, '-1.500'],
    [-5, '-0.005'],
    [0, '0'],
  ]
  for (const [timeMs, want] of cases) expect(formatTimestamp(timeMs)).toBe(want)
})

test('each type of result', () => {
  const matrix = {
    type: 'matrix',
    series: [
      { labels: ['a', 'é"'], times: Float64Array.of(1000, 2500), values: Float64Array.of(1, Number.NaN) },
      { labels: [], times: Float64Array.of(2500), values: Float64Array.of(-0) },
      { labels: ['b', 'c'], times: Float64Array.of(1000, 2500, 4000), values: Float64Array.of(1, 2, 3) },
      { labels: ['d', 'e'], times: new Float64Array(0), values: new Float64Array(0) },
    ],
    ...none,
  } as const
  expect(text(encodeQueryResult(matrix).fields)).toBe(
    '"resultType":"matrix","result":[{"metric":{"a":"é\\""},"values":[[1,"1"],[2.500,"NaN"]]},' +
      '{"metric":{},"values":[[2.500,"-0"]]},{"metric":{"b":"c"},"values":[[1,"1"],[2.500,"2"],[4,"3"]]},' +
      '{"metric":{"d":"e"}}]',
  )
  expect(text(encodeQueryResult({ type: 'string', timeMs: 1500, value: 'a\n', ...none }).fields)).toBe(
    '"resultType":"string","result":[1.5,"a\\n"]',
  )
  expect(text(encodeQueryResult({ type: 'matrix', series: [], ...none }).fields)).toBe(
    '"resultType":"matrix","result":[]',
  )
})

test('a limit cuts, and says so', () => {
  const samples = ['a', 'b', 'c'].map((name) => ({ labels: ['__name__', name], timeMs: 1000, value: 1 }))
  const result = { type: 'vector', samples, warnings: ['w'], infos: [] } as const
  const cut = encodeQueryResult(result, 2)
  expect(JSON.parse(`{${text(cut.fields)}}`).result).toHaveLength(2)
  expect(cut.warnings).toEqual(['w', 'results truncated due to limit'])
  expect(encodeQueryResult(result, 3).warnings).toEqual(['w'])
})

test('a large answer comes in pieces whose buffers may be transferred', () => {
  const values = new Float64Array(20_000).map((_, i) => i / 7)
  const times = values.map((_, i) => i * 15_000)
  const { fields } = encodeQueryResult({
    type: 'matrix',
    series: [{ labels: ['a', '日'.repeat(50_000)], times, values }],
    ...none,
  })
  expect(fields.length).toBeGreaterThan(1)
  expect(new Set(fields.map(({ buffer }) => buffer)).size).toBe(fields.length)
  const [series] = JSON.parse(`{${text(fields)}}`).result
  expect(series.values).toHaveLength(20_000)
  expect(series.values[19_999]).toEqual([299_985, String(19_999 / 7)])
})

test.each(['float-format', 'scalar-range', 'neg-zero'])("Prometheus's answer %s, encoded again", (name) => {
  const url = new URL(`../../../golden/answers/default/${name}.json`, import.meta.url)
  const { data } = JSON.parse(readFileSync(url, 'utf8')).answer
  type Point = [number, string]
  type Entry = { metric: Record<string, string>; values?: Point[]; value?: Point }
  const series = (data.result as Entry[]).map(({ metric, values, value }) => {
    const points = values ?? [value!]
    return {
      labels: Object.entries(metric).flat(),
      times: Float64Array.from(points, ([t]) => Math.round(t * 1000)),
      values: Float64Array.from(points, ([, v]) => Number(v.replace('Inf', 'Infinity'))),
    }
  })
  const samples = series.map(({ labels, times, values }) => ({ labels, timeMs: times[0]!, value: values[0]! }))
  const result =
    data.resultType === 'matrix' ? { type: 'matrix' as const, series } : { type: 'vector' as const, samples }
  expect(JSON.parse(`{${text(encodeQueryResult({ ...result, ...none }).fields)}}`)).toEqual(data)
})
