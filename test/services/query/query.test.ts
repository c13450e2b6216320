// The querier as it runs: a real process over HTTP, its two stores served over gRPC by this test from golden blocks.
// Golden answers are a Thanos querier's over the same blocks, with and without deduplication.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { goldenPath } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'
import { atEnd, count, get, grpcAddress, type Served, serve, startQuerier } from '../../support/querier.ts'

describe('over two replicas', () => {
  let a: Served
  let b: Served
  let querier: Awaited<ReturnType<typeof startQuerier>>

  beforeAll(async () => {
    a = await serve('a')
    b = await serve('b', undefined, 'sidecar')
    querier = await startQuerier(`--endpoint=${a.address}`, `--endpoint=${b.address}`)
  })
  afterAll(async () => {
    await querier.process.stop()
    await Promise.all([a.cut(), b.cut()])
  })

  const answers = readdirSync(goldenPath('dedup', 'answers'))
  test.each(answers)('%s', async (name) => {
    const golden = JSON.parse(readFileSync(goldenPath('dedup', 'answers', name), 'utf8'))
    const params = [`query=${encodeURIComponent(golden.query)}`, ...golden.params].filter((param) => param !== '-d')
    const { data, warnings } = await get(querier.url, golden.path, params.join('&'))
    expect(data.resultType).toBe(golden.answer.data.resultType)
    expect(data.result).toEqual(golden.answer.data.result)
    expect(warnings).toBeUndefined()
  })

  test('label names, values and series, replica labels taken off where deduplicated', async () => {
    const range = 'start=1700006400&end=1700020800'
    const names = await get(querier.url, 'labels', range)
    expect(names.data).toEqual(['__name__', 'cluster', 'instance', 'replica'])
    expect((await get(querier.url, 'label/replica/values', range)).data).toEqual(['a', 'b'])
    expect((await get(querier.url, 'label/__name__/values', `${range}&match[]=r_only_a`)).data).toEqual(['r_only_a'])
    const series = await get(querier.url, 'series', `${range}&match[]=r_equal&match[]=r_only_a`)
    expect(series.data).toEqual([
      { __name__: 'r_equal', cluster: 'gold' },
      { __name__: 'r_only_a', cluster: 'gold' },
    ])
    const all = await get(querier.url, 'series', `${range}&match[]=r_equal&dedup=false`)
    expect(all.data.map(({ replica }: { replica: string }) => replica)).toEqual(['a', 'b'])
  })

  test('storeMatch[] chooses stores by address', async () => {
    const match = `storeMatch[]=${encodeURIComponent(`{__address__="${a.address}"}`)}`
    const { data } = await get(querier.url, 'query', `query=count by (replica) (r_gauge)&${atEnd}&dedup=false&${match}`)
    expect(data.result.map(({ metric }: { metric: { replica: string } }) => metric.replica)).toEqual(['a'])
  })

  test('a store is not asked for what its labels or times exclude', async () => {
    a.store.stats.requests.length = 0
    await get(querier.url, 'query', `query=r_gauge{cluster="other"}&${atEnd}`)
    await get(querier.url, 'query', 'query=r_gauge&time=1600000000')
    expect(a.store.stats.requests).toEqual([])
    await get(querier.url, 'query', `query=rate(r_counter_total[2m])&${atEnd}`)
    expect(a.store.stats.requests).toMatchObject([
      {
        minTime: 1_700_020_680_001,
        maxTime: 1_700_020_800_000,
        withoutReplicaLabels: ['replica'],
        responseBatchSize: 64,
        range: 120_000,
      },
    ])
  })

  test('stores page, metrics and front page', async () => {
    const { data } = await get(querier.url, 'stores')
    expect(data).toMatchObject({
      store: [{ name: a.address, lastError: null, minTime: 1_700_006_400_000, maxTime: 1_700_020_800_000 }],
      sidecar: [
        {
          name: b.address,
          labelSets: [
            { cluster: 'gold', replica: 'b' },
            { cluster: 'gold', replica: 'b' },
          ],
        },
      ],
    })
    const metrics = await (await fetch(`${querier.url}/metrics`)).text()
    expect(metrics).toMatch(/^thanos_store_nodes_grpc_connections\{external_labels=".*",store_type="sidecar"\} 1$/m)
    const page = await (await fetch(querier.url)).text()
    expect(page).toContain(a.address)
  })

  test('a client that leaves ends the streams at the stores', async () => {
    a.store.delayMs = 2_000
    const abort = new AbortController()
    const before = a.store.stats.canceledStreams
    const asked = fetch(`${querier.url}/api/v1/query?${count}`, { signal: abort.signal })
    await expect.poll(() => a.store.stats.openStreams).toBe(1)
    abort.abort()
    await expect(asked).rejects.toThrow()
    await expect.poll(() => a.store.stats.canceledStreams).toBe(before + 1)
    a.store.delayMs = 0
  })

  test('a running query is listed; DELETE ends it and its streams', async () => {
    a.store.delayMs = 2_000
    const before = a.store.stats.canceledStreams
    const asked = get(querier.url, 'query', count)
    const active = async () => (await get(querier.url, 'status/active_queries')).data
    await expect.poll(() => a.store.stats.openStreams).toBe(1)
    const [one, ...others] = await active()
    expect(others).toEqual([])
    expect(one).toMatchObject({ query: 'count(r_gauge)', start: 1_700_020_800, end: 1_700_020_800, step: 0 })
    expect(one).toMatchObject({ series: 0, bytes: 0 })
    expect(one.ageSeconds).toBeGreaterThan(0)
    const end = async () =>
      (await fetch(`${querier.url}/api/v1/status/active_queries/${one.id}`, { method: 'DELETE' })).status
    expect(await end()).toBe(200)
    expect(await asked).toMatchObject({
      httpStatus: 499,
      errorType: 'canceled',
      error: 'query was ended by an operator',
    })
    await expect.poll(() => a.store.stats.canceledStreams).toBe(before + 1)
    expect(await active()).toEqual([])
    expect(await end()).toBe(404)
    a.store.delayMs = 0
  })

  test('a timeout is an error, and ends the streams', async () => {
    a.store.delayMs = 2_000
    const before = a.store.stats.canceledStreams
    const reply = await get(querier.url, 'query', `${count}&timeout=100ms`)
    expect(reply).toMatchObject({
      httpStatus: 503,
      errorType: 'timeout',
      error: 'query timed out in expression evaluation',
    })
    await expect.poll(() => a.store.stats.canceledStreams).toBe(before + 1)
    a.store.delayMs = 0
  })
})

describe('limits of one query', () => {
  test.each([
    ['--query.max-series=2', 'query would fetch too much: got 3 or more, want at most 2 series (--query.max-series)'],
    ['--query.max-fetched-bytes=100', /^query would fetch too much: got \d+ or more, want at most 100 bytes of chunks/],
    ['--query.max-samples=10', 'query processing would load too many samples into memory in query execution'],
  ])('%s', async (flag, error) => {
    const a = await serve('a')
    const querier = await startQuerier(`--endpoint=${a.address}`, flag)
    try {
      const reply = await get(querier.url, 'query', `query=sum(count_over_time(r_gauge[10m]))&${atEnd}`)
      expect(reply).toMatchObject({ httpStatus: 422, errorType: 'execution' })
      expect(reply.error).toMatch(error)
      expect(await get(querier.url, 'query', 'query=1')).toMatchObject({ httpStatus: 200 })
    } finally {
      await querier.process.stop()
      await a.cut()
    }
  })
})

describe('a store and a sidecar that hold the same hours', () => {
  test('count once, with and without deduplication', async () => {
    const [store, sidecar] = [await serve('a'), await serve('a', undefined, 'sidecar')]
    const querier = await startQuerier(`--endpoint=${store.address}`, `--endpoint=${sidecar.address}`)
    try {
      for (const dedup of ['true', 'false']) {
        const query = `query=sum(count_over_time(r_equal[1h]))&${atEnd}&dedup=${dedup}`
        const match = `storeMatch[]=${encodeURIComponent(`{__address__="${store.address}"}`)}`
        const alone = await get(querier.url, 'query', `${query}&${match}`)
        const both = await get(querier.url, 'query', query)
        expect(Number(alone.data.result[0].value[1])).toBeGreaterThan(100)
        expect(both.data).toEqual(alone.data)
        // The store holds what the sidecar ships: that they announce the same labels is no fault.
        expect(both.warnings).toBeUndefined()
      }
    } finally {
      await querier.process.stop()
      await Promise.all([store.cut(), sidecar.cut()])
    }
  })
})

describe('two sidecars with identical external labels', () => {
  test('are both named, also where a part of an answer would be an error', async () => {
    const [one, other] = [await serve('a', undefined, 'sidecar'), await serve('a', undefined, 'sidecar')]
    const querier = await startQuerier(`--endpoint=${one.address}`, `--endpoint=${other.address}`)
    try {
      const reply = await get(querier.url, 'query', `${count}&partial_response=false`)
      expect(reply.status).toBe('success')
      const named = [one.address, other.address].sort().join(' and ')
      const labels = '\\{cluster="gold", replica="a"\\}'
      expect(reply.warnings).toEqual([
        expect.stringMatching(`^stores ${named} have the same external labels ${labels}`),
      ])
    } finally {
      await querier.process.stop()
      await Promise.all([one.cut(), other.cut()])
    }
  })
})

describe('a querier above another one', () => {
  test('answers as the one below, whose warnings it passes on', async () => {
    const [a, b] = [await serve('a'), await serve('b')]
    const lower = await startQuerier(`--endpoint=${a.address}`, `--endpoint=${b.address}`)
    const address = await grpcAddress(lower)
    const upper = await startQuerier(`--endpoint=${address}`)
    try {
      const { data } = await get(upper.url, 'stores')
      const times = { minTime: 1_700_006_400_000, maxTime: 1_700_020_800_000 }
      expect(data.query).toMatchObject([{ name: address, lastError: null, ...times }])
      const queries = [count, `query=sum(rate(r_counter_total[5m]))&${atEnd}`, `query=r_equal&${atEnd}&dedup=false`]
      for (const query of queries)
        expect((await get(upper.url, 'query', query)).data).toEqual((await get(lower.url, 'query', query)).data)
      await a.cut()
      const { warnings } = await get(upper.url, 'query', count)
      expect(warnings).toEqual([expect.stringMatching(`^store ${address}: store ${a.address} `)])
      const strict = await get(upper.url, 'query', `${count}&partial_response=false`)
      expect(strict).toMatchObject({ httpStatus: 503, errorType: 'unavailable' })
      expect(strict.error).toContain(a.address)
    } finally {
      await Promise.all([upper.process.stop(), lower.process.stop()])
      await b.cut()
    }
  })

  test('a limit ends in a warning that names it', async () => {
    const [a, b] = [await serve('a'), await serve('b')]
    const limited = await startQuerier(
      `--endpoint=${a.address}`,
      `--endpoint=${b.address}`,
      '--store.limits.request-series=1',
    )
    const upper = await startQuerier(`--endpoint=${await grpcAddress(limited)}`)
    try {
      const { warnings } = await get(upper.url, 'query', `query={__name__=~"r_.*"}&${atEnd}`)
      expect(warnings).toEqual([expect.stringContaining('want at most 1 (--store.limits.request-series)')])
    } finally {
      await Promise.all([upper.process.stop(), limited.process.stop()])
      await Promise.all([a.cut(), b.cut()])
    }
  })
})

describe('stores that fail', () => {
  test('a store that dies in the middle of a stream is named, and what the other has is answered', async () => {
    const [a, b] = [await serve('a'), await serve('b')]
    const querier = await startQuerier(`--endpoint=${a.address}`, `--endpoint=${b.address}`)
    try {
      a.store.delayMs = 200
      const asked = get(querier.url, 'query', `${count}&dedup=false`)
      const strict = get(querier.url, 'query', `${count}&partial_response=false`)
      await expect.poll(() => a.store.stats.series).toBeGreaterThan(0)
      await a.cut()
      const { data, warnings } = await asked
      expect(Number(data.result[0].value[1])).toBeGreaterThanOrEqual(3)
      expect(warnings).toEqual([expect.stringMatching(`^store ${a.address} failed: `)])
      const error = await strict
      expect(error).toMatchObject({ httpStatus: 503, errorType: 'unavailable' })
      expect(error.error).toContain(`store ${a.address} failed: `)
    } finally {
      await querier.process.stop()
      await b.cut()
    }
  })

  test('a store that is down is a warning, an error without partial response, and comes back', async () => {
    const b = await serve('b')
    const port = await freePort()
    const address = `127.0.0.1:${port}`
    const querier = await startQuerier(`--endpoint=${address}`, `--endpoint=${b.address}`)
    try {
      const reply = await get(querier.url, 'query', count)
      expect(reply.data.result).toHaveLength(1)
      expect(reply.warnings).toEqual([expect.stringContaining(`store ${address} is down: `)])
      const strict = await get(querier.url, 'query', `${count}&partial_response=false`)
      expect(strict).toMatchObject({ httpStatus: 503, errorType: 'unavailable' })
      expect(strict.error).toContain(`store ${address} is down`)
      expect((await get(querier.url, 'labels')).warnings).toEqual([expect.stringContaining(address)])
      const a = await serve('a', address)
      await expect
        .poll(async () => (await get(querier.url, 'query', count)).warnings, { timeout: 20_000 })
        .toBeUndefined()
      await a.cut()
    } finally {
      await querier.process.stop()
      await b.cut()
    }
  })
})

describe('the process', () => {
  test('ends with status 0 on SIGTERM', async () => {
    const { process } = await startQuerier()
    expect(await process.stop()).toBe(0)
  })

  test.each([
    ['--endpoint=dns+store', 'cannot read address: got "dns+store", want dns+host:port'],
    ['--endpoint-strict=dns+store:10901', 'what is found by DNS cannot be strict'],
    ['--endpoint.sd-config=endpoints: 5', 'flag --endpoint.sd-config: cannot read endpoints: got no list'],
    ['--grpc-client-tls-cert=/nowhere', 'want both of --grpc-client-tls-cert and --grpc-client-tls-key'],
    ['--no-such-flag', 'unknown flag --no-such-flag'],
  ])('%s: one line and status 2', async (flag, message) => {
    const bin = new URL('../../../bin/mnemo', import.meta.url).pathname
    const process = await TestProcess.start({ command: bin, args: ['query', flag] })
    expect(await process.waitForExit()).toBe(2)
    expect(process.output).toContain(message)
    expect(process.output.trim().split('\n')).toHaveLength(1)
  })
})
