// A highly available pair on S3, end to end: two real Prometheus replicas, their sidecars, store, compactor and querier over
// a real S3 server. One replica is stopped for a while, then the other is killed; the deduplicated series has no hole,
// equals Prometheus's own where only one has data, and outlives the sidecars.
// Owns every process, ended in afterAll.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { labelValue } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { type Matrix, prometheusApi, whyNoPrometheus } from '../support/prometheus.ts'
import { type ReplicaName, type ReplicaPair, startReplicaPair } from '../support/replica-pair.ts'

const reason = whyNoCeph() ?? whyNoPrometheus('replicas on S3')
if (reason !== undefined) console.log(reason)

const scrapeMs = 1000
/** Three scrapes, what the penalty of a change of sides may leave out, and some patience with a busy machine. */
const maxHoleMs = 3 * scrapeMs + 700
const outageMs = 25_000
/** As replica-pair.ts has it; a chunk ends with its block. */
const blockMs = 20_000
/**
 * When replicas go away, after a block has begun: a chunk of the other that ends within some scrapes makes a second change of sides,
 * which leaves out twice what the first one did (docs/faults.md).
 */
const goneAfterMs = 8_000
const selectors = ['ticks_total', 'up{job="test"}']

interface Outage {
  readonly alone: ReplicaName
  readonly fromMs: number
  readonly toMs: number
}

describe.skipIf(reason !== undefined)('two replicas on S3', () => {
  let folder: string
  let ceph: Ceph
  let bucket: Bucket
  let pair: ReplicaPair
  let fromMs: number
  const outages: Outage[] = []

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'replicas-'))
    ceph = await startCeph()
    await ceph.createBucket('blocks')
    bucket = await createBucket(ceph.config('blocks'))
    pair = await startReplicaPair(folder, ceph, 'blocks')
    // From here on both have data.
    await vi.waitUntil(
      async () => (await raw(pair.url, 'up{job="test"}', Date.now(), { dedup: 'false' })).length === 2,
      {
        timeout: 20_000,
        interval: 200,
      },
    )
    fromMs = Date.now()
  }, 90_000)
  afterAll(async () => {
    await pair?.stop()
    await bucket?.close()
    await ceph?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  type Series = Matrix['result'][number]

  /** Raw samples of the last minutes, as a matrix selector answers them. */
  async function raw(
    url: string,
    selector: string,
    atMs: number,
    params: Record<string, string> = {},
  ): Promise<readonly Series[]> {
    const query = `${selector}[10m]`
    return (await prometheusApi<Matrix>(url, 'query', { query, time: String(atMs / 1000), ...params })).result
  }

  const timesOf = ({ values }: Series) => values.map(([seconds]) => Math.round(seconds * 1000))

  /** The one deduplicated series, without a hole in [since, until]; every sample is one that a replica has scraped. */
  async function expectWhole(selector: string, since: number, until: number): Promise<Series> {
    const [series, ...others] = await raw(pair.url, selector, Date.now())
    expect(others).toEqual([])
    expect(series!.metric).toMatchObject({ cluster: 'e2e', job: 'test' })
    expect(series!.metric).not.toHaveProperty('replica')
    const times = [since, ...timesOf(series!).filter((time) => time > since && time < until), until]
    const holes = times.slice(1).flatMap((time, i) => (time - times[i]! > maxHoleMs ? [[times[i], time]] : []))
    expect(holes, selector).toEqual([])
    const values = series!.values.map(([, value]) => Number(value))
    expect(
      values.every((value, i) => i === 0 || value >= values[i - 1]!),
      `${selector} ascends`,
    ).toBe(true)
    return series!
  }

  async function metas(): Promise<BlockMeta[]> {
    return [...(await new MetaFetcher({ bucket, filters: [] }).fetch()).metas.values()]
  }

  /** Until when each replica's blocks in the bucket reach. */
  async function shippedUntilMs(): Promise<number> {
    const all = await metas()
    const ends = ['a', 'b'].map((replica) =>
      Math.max(
        0,
        ...all.filter(({ thanos }) => labelValue(thanos.labels, 'replica') === replica).map(({ maxTime }) => maxTime),
      ),
    )
    return Math.min(...ends)
  }

  test('one is stopped for a while, then the other is killed for a while: the series goes on', async () => {
    await sleep(20_000)
    for (const away of ['b', 'a'] as const) {
      const alone = away === 'a' ? 'b' : 'a'
      await sleep(blockMs - ((Date.now() - goneAfterMs) % blockMs))
      const { prometheus } = pair.replicas[away]
      if (away === 'b') await prometheus.stop()
      else await prometheus.process.kill()
      const goneMs = Date.now()
      await sleep(outageMs)
      // While it is away the other one is enough: for the fresh samples, and the querier says what it misses.
      for (const selector of selectors) await expectWhole(selector, goneMs - 5_000, Date.now() - scrapeMs)
      outages.push({ alone, fromMs: goneMs, toMs: Date.now() })
      await pair.replicas[away].restart()
      await sleep(20_000)
    }
    const untilMs = Date.now() - 2 * scrapeMs
    for (const selector of selectors) await expectWhole(selector, fromMs, untilMs)
  }, 240_000)

  test('each sample is one that a replica has scraped', async () => {
    for (const selector of selectors) {
      const own = await Promise.all(
        (['a', 'b'] as const).map((name) => raw(pair.replicas[name].prometheus.url, selector, Date.now())),
      )
      const scraped = new Set(own.flat().flatMap(({ values }) => values.map(String)))
      const series = await expectWhole(selector, fromMs, Date.now() - 2 * scrapeMs)
      const until = Date.now() / 1000 - 3
      expect(series.values.filter(([time, value]) => time < until && !scraped.has(`${time},${value}`))).toEqual([])
    }
  })

  test('where only one replica has data the answers equal its own', async () => {
    for (const { alone, fromMs, toMs } of outages) {
      const { url } = pair.replicas[alone].prometheus
      const [series] = await raw(url, 'ticks_total', toMs)
      // Steps half way between scrapes: 2.42 and 3 differ at the edge of a window.
      const first = timesOf(series!).find((time) => time > fromMs + 4 * scrapeMs)! + scrapeMs / 2
      const ask = async (at: string, query: string, settleMs: number) => {
        const startMs = first + settleMs
        const params = { query, start: String(startMs / 1000), end: String((toMs - scrapeMs) / 1000), step: '1' }
        const { result } = await prometheusApi<Matrix>(at, 'query_range', params)
        expect(result[0]!.values.length).toBeGreaterThan(8)
        return result.map(({ values }) => values)
      }
      // All that these select is of one replica: equal to the last bit.
      for (const query of [
        'last_over_time(ticks_total[6s])',
        'rate(ticks_total[6s])',
        'increase(ticks_total[5s]) - on (job) resets(ticks_total[5s])',
        'sum(count_over_time(up{job="test"}[5s]))',
      ])
        expect(await ask(pair.url, query, 6 * scrapeMs), `${query} on ${alone}`).toEqual(
          await ask(url, query, 6 * scrapeMs),
        )
      expect(await ask(pair.url, 'up{job="test"}', 0)).toEqual(await ask(url, 'up{job="test"}', 0))
      // The lookback reaches to where both have data, and what overlaps is parted by chunks, not by replicas: where a chunk
      // ends the sides may change, once, and the penalty leaves out as much as elsewhere.
      const [got] = await ask(pair.url, 'ticks_total', 0)
      const [want] = await ask(url, 'ticks_total', 0)
      const behind = got!.filter(([, value], i) => value !== want![i]![1])
      expect(behind.length).toBeLessThanOrEqual(3)
      expect(got!.length).toBe(want!.length)
    }
  })

  test('without deduplication both are there, each with its own hole', async () => {
    const series = await raw(pair.url, 'ticks_total', Date.now(), { dedup: 'false' })
    expect(series.map(({ metric }) => metric.replica).sort()).toEqual(['a', 'b'])
    for (const { alone, fromMs, toMs } of outages) {
      const away = series.find(({ metric }) => metric.replica !== alone)!
      expect(timesOf(away).filter((time) => time > fromMs + scrapeMs && time < toMs)).toEqual([])
    }
  })

  test('blocks land in S3 and are merged there; without the sidecars the store alone answers for what was shipped', async () => {
    await vi.waitUntil(async () => (await metas()).some(({ compaction }) => compaction.level > 1), {
      timeout: 70_000,
      interval: 500,
    })
    await vi.waitUntil(async () => (await shippedUntilMs()) > outages[0]!.toMs + 5_000, {
      timeout: 60_000,
      interval: 500,
    })
    const untilMs = (await shippedUntilMs()) - 2 * scrapeMs
    await sleep(5_000) // the store looks every 2 s
    for (const name of ['a', 'b'] as const) expect(await pair.replicas[name].sidecar.stop()).toBe(0)
    const [series] = await raw(pair.url, 'ticks_total', Date.now())
    expect(timesOf(series!).at(-1)!).toBeLessThan(Date.now() - 10_000)
    for (const selector of selectors) await expectWhole(selector, fromMs, untilMs)
    // What is missing is said: a warning, or an error where no partial response is wanted.
    const answer = async (params: string) =>
      (await (await fetch(`${pair.url}/api/v1/query?query=up&${params}`)).json()) as {
        status: string
        warnings?: string[]
      }
    expect(await answer('partial_response=true')).toMatchObject({ status: 'success', warnings: expect.anything() })
    expect(await answer('partial_response=false')).toMatchObject({ status: 'error' })
  }, 150_000)
})
