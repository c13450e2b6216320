// Active queries: listed with what their workers have fetched, ended by id, gone when they are done.
import { expect, test } from 'vitest'
import { ActiveQueries } from '../../../services/query/active-queries.ts'
import type { QueryRequest } from '../../../services/query/api/backend.ts'
import { Fetched } from '../../../services/query/fetched.ts'

const scope = { replicaLabels: [], partialResponse: true, storeMatchers: [] }
const request: QueryRequest = {
  scope,
  query: 'up',
  startMs: 0,
  endMs: 60_000,
  stepMs: 15_000,
  maxSourceResolutionMs: 0,
  limit: 0,
}
const noLimits = { maxSeries: 0, maxBytes: 0 }
const chunk = (bytes: number) => ({ minTime: 0, maxTime: 1, raw: { type: 0, data: new Uint8Array(bytes), hash: 0n } })

test('a query is listed with the counters that its worker shares', () => {
  const active = new ActiveQueries()
  const first = active.start(request)
  const second = active.start({ ...request, query: 'down' })
  first.run()
  new Fetched(first.fetched.shared).add([{ labels: [], chunks: [chunk(10), chunk(20)] }], noLimits)
  expect(active.list()).toMatchObject([
    { id: '1', state: 'running', query: 'up', stepMs: 15_000, series: 1, bytes: 30 },
    { id: '2', state: 'waiting', query: 'down', series: 0, bytes: 0 },
  ])
  first.done()
  expect(active.list().map(({ id }) => id)).toEqual(['2'])
  active.end('2')
  expect(second.signal.reason).toMatchObject({ code: 'canceled' })
  expect(() => active.end('1')).toThrow('cannot end query: got id 1, want one that is active')
})

test('limits hold the series and the bytes of chunks, aggregates included', () => {
  const aggregates = { minTime: 0, maxTime: 1, count: chunk(6).raw, counter: chunk(5).raw }
  const fetched = new Fetched()
  fetched.add([{ labels: [], chunks: [aggregates] }], { maxSeries: 1, maxBytes: 11 })
  expect(() => fetched.add([{ labels: [], chunks: [] }], { maxSeries: 1, maxBytes: 0 })).toThrow(
    'query would fetch too much: got 2 or more, want at most 1 series (--query.max-series)',
  )
  expect(() => fetched.add([{ labels: [], chunks: [chunk(1)] }], { maxSeries: 0, maxBytes: 11 })).toThrow(
    'got 12 or more, want at most 11 bytes',
  )
})
