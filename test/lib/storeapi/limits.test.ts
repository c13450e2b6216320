// What a limited Series call answers, and how one over its limit ends.
// Subject: lib/storeapi/limits.ts. Owns nothing.
import { expect, test } from 'vitest'
import { Registry } from '../../../lib/kit/metrics.ts'
import { checkLimits, limitSeries, type SeriesLimits } from '../../../lib/storeapi/limits.ts'
import type { AggrChunk, SeriesResponse } from '../../../lib/storeapi/types.ts'
import { fakeStore, series } from '../../support/fake-store.ts'

/** A chunk that says it has so many samples. */
function chunkOf(samples: number): AggrChunk {
  return { minTime: 0, maxTime: 1, raw: { type: 0, data: Uint8Array.of(samples >> 8, samples & 0xff, 9), hash: 0n } }
}

const responses: SeriesResponse[] = [
  series({ a: '1' }, chunkOf(300), chunkOf(20)),
  { kind: 'warning', warning: 'w' },
  series({ a: '2' }, chunkOf(1)),
]
const request = { minTime: 0, maxTime: 1, matchers: [] }

async function answered(limits: Partial<SeriesLimits>) {
  const registry = new Registry()
  const all = { maxRequestSeries: 0, maxRequestSamples: 0, ...limits }
  const kinds: string[] = []
  let error: unknown
  try {
    const api = limitSeries(fakeStore(responses), all, registry)
    for await (const { kind } of api.series(request, new AbortController().signal)) kinds.push(kind)
  } catch (cause) {
    error = cause
  }
  return { kinds, error, metric: await registry.getSingleMetricAsString('thanos_store_selects_dropped_total') }
}

test.each<Partial<SeriesLimits>>([{}, { maxRequestSeries: 2 }, { maxRequestSamples: 321 }])(
  '%j: all is answered',
  async (limits) => {
    expect(await answered(limits)).toMatchObject({ kinds: ['series', 'warning', 'series'], error: undefined })
  },
)

test.each([
  [{ maxRequestSeries: 1 }, 'series', 2, 1],
  [{ maxRequestSamples: 320 }, 'samples', 321, 320],
] as const)('%j: ends with resource_exhausted, which names the flag', async (limits, what, got, max) => {
  const { kinds, error, metric } = await answered(limits)
  expect(kinds).toEqual(['series', 'warning'])
  const message = `cannot send ${what}: got ${got} or more, want at most ${max} (--store.limits.request-${what})`
  expect(error).toMatchObject({ code: 'resource_exhausted', grpcStatus: 8, message })
  expect(metric).toContain(`{reason="${what}"} 1`)
})

test('a negative limit is a wrong flag', () => {
  expect(() => checkLimits({ maxRequestSeries: 0, maxRequestSamples: -1 })).toThrow(
    'flag --store.limits.request-samples: got -1, want at least 0',
  )
})
