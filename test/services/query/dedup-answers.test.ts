// Two replicas' blocks, as a Thanos querier over a Thanos store answered: what each selector gives with and without deduplication.
// A new case is a new file raw-*.json in test/golden/dedup/answers.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import type { Endpoint } from '../../../lib/storeapi/endpoints.ts'
import { Fetched } from '../../../services/query/fetched.ts'
import { FanoutQueryable } from '../../../services/query/queryable.ts'
import { type BlockStore, openBlockStore } from '../../support/block-store-api.ts'
import { anyTime } from '../../support/fake-store.ts'

const golden = new URL('../../golden/dedup/', import.meta.url)
const staleBits = 0x7ff0000000000002n

interface Answer {
  readonly query: string
  readonly params: readonly string[]
  readonly answer: {
    readonly data: { readonly result: { metric: Record<string, string>; values: [number, string][] }[] }
  }
}

const answers = readdirSync(new URL('answers', golden))
  .filter((name) => name.startsWith('raw-'))
  .map((name) => ({ name, ...(JSON.parse(readFileSync(new URL(`answers/${name}`, golden), 'utf8')) as Answer) }))

function folders(replica: string): string[] {
  return readdirSync(new URL('bucket', golden))
    .map((name) => new URL(`bucket/${name}`, golden).pathname)
    .filter((folder) => JSON.parse(readFileSync(`${folder}/meta.json`, 'utf8')).thanos.labels.replica === replica)
}

/** `name[2h]` or `{__name__=~"…"}[4h]`. */
function selectorOf(query: string): { matcher: LabelMatcher; rangeMs: number } {
  const [, name, pattern, hours] = /^(?:(\w+)|\{__name__=~"(.*)"\})\[(\d+)h\]$/.exec(query)!
  const matcher: LabelMatcher =
    pattern === undefined
      ? { name: '__name__', type: '=', value: name! }
      : { name: '__name__', type: '=~', value: pattern }
  return { matcher, rangeMs: Number(hours) * 3_600_000 }
}

describe.each([true, false])('stores that take replica labels off themselves: %s', (supports) => {
  const stores = new Map<string, BlockStore>()
  beforeAll(async () => {
    for (const replica of ['a', 'b'])
      stores.set(replica, await openBlockStore(folders(replica), { supportsWithoutReplicaLabels: supports }))
  })
  afterAll(() => Promise.all([...stores.values()].map((store) => store.close())))

  test.each(answers)('$name', async ({ query, params, answer }) => {
    const endpoints = ['a', 'b'].map(
      (address): Endpoint => ({
        ...anyTime,
        address,
        componentType: 'store',
        labelSets: [],
        hasStore: true,
        supportsWithoutReplicaLabels: supports,
      }),
    )
    const kernels = createKernels()
    const queryable = new FanoutQueryable({
      stores: {
        endpoints,
        client: ({ address }) => stores.get(address)!,
        partialResponse: false,
        responseTimeoutMs: 0,
        storeMatchers: [],
      },
      kernels,
      replicaLabels: params.includes('dedup=true') ? ['replica'] : [],
      dedupFunction: 'penalty',
      maxResolutionMs: 0,
      lookbackMs: 300_000,
      fetched: new Fetched(),
      fetchLimits: { maxSeries: 0, maxBytes: 0 },
    })
    const { matcher, rangeMs } = selectorOf(query)
    const timeMs = Number(params.find((param) => param.startsWith('time='))!.slice(5)) * 1000
    const hints = { minTime: timeMs - rangeMs + 1, maxTime: timeMs, stepMs: 0, rangeMs, func: '' }
    const columns = kernels.columns()
    const got: Answer['answer']['data']['result'] = []
    const { batches } = queryable.select([matcher], hints, new AbortController().signal)
    for (const series of (await Array.fromAsync(batches)).flat()) {
      columns.clear()
      series.read(columns, [])
      const [values, bits] = [columns.values(), columns.valueBits()]
      const samples = Array.from(columns.times(), (time, i): [number, string] => [time / 1000, String(values[i])])
      got.push({ metric: labelsToObject(series.labels), values: samples.filter((_, i) => bits[i] !== staleBits) })
    }
    expect(got).toEqual(answer.data.result)
    queryable.close()
  })
})
