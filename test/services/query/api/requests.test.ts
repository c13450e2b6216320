// Times, steps, durations, limits and matchers as Prometheus 3.14 read them: its answers over an empty database to a table of requests.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { QueryRequest } from '../../../../services/query/api/backend.ts'
import { encodeQueryResult } from '../../../../services/query/api/encode.ts'
import { apiOver, fakeBackend, url } from './fake-backend.ts'

interface Golden {
  readonly path: string
  readonly params: Record<string, string | string[]>
  readonly status: number
  readonly answer: unknown
}

const file = new URL('../../../golden/api-requests.jsonl', import.meta.url)
const requests = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Golden)

/** What `1` and `time()` are, so that answers show which times were understood. */
function evaluate({ query, startMs, endMs, stepMs }: QueryRequest) {
  const valueAt = (timeMs: number) => (query === '1' ? 1 : timeMs / 1000)
  const annotations = { warnings: [], infos: [] }
  if (stepMs === 0)
    return encodeQueryResult({ type: 'scalar', timeMs: startMs, value: valueAt(startMs), ...annotations })
  const times: number[] = []
  for (let t = startMs; t <= endMs; t += stepMs) times.push(t)
  const series = [{ labels: [], times: Float64Array.from(times), values: Float64Array.from(times, valueAt) }]
  return encodeQueryResult({ type: 'matrix', series, ...annotations })
}

test.each(requests)('$path $params', async ({ path, params, status, answer }) => {
  const app = await apiOver({ ...fakeBackend(), query: async (request) => evaluate(request) })
  const response = await app.inject({ url: url(path, params) })
  const got = String(response.headers['content-type']).startsWith('text/') ? response.body : response.json()
  expect({ status: response.statusCode, answer: got }).toEqual({ status, answer })
})
