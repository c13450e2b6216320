// The sidecar's StoreAPI beside a real Prometheus: what it answers is what Prometheus's own API says, under the external labels.
// Old samples stand in a block, fresh ones in the head; frames are so small that series are split over several.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { xxhash64 } from '../../../lib/kernels/xxhash.ts'
import {
  compareLabels,
  type Labels,
  labelsKey,
  labelsOf,
  labelsToObject,
  overlayLabels,
  withoutLabels,
} from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { createStoreClient, type StoreClient } from '../../../lib/storeapi/client.ts'
import { mergeMetadata, metadataCall } from '../../../lib/storeapi/metadata.ts'
import { shardPredicate } from '../../../lib/storeapi/shard.ts'
import { noBoundMs, type SeriesRequest, type StoreSeries } from '../../../lib/storeapi/types.ts'
import { asValues, samplesOf } from '../../support/chunk-samples.ts'
import { startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { type MadeSeries, writeMadeBlock } from '../../support/made-blocks.ts'
import type { TestProcess } from '../../support/process.ts'
import {
  type Exposition,
  type Matrix,
  type Prometheus,
  startExposition,
  startPrometheusOver,
  whyNoPrometheus,
} from '../../support/prometheus.ts'

const reason = whyNoPrometheus("the sidecar's StoreAPI")
if (reason !== undefined) console.log(reason)

const hourMs = 3_600_000
const signal = new AbortController().signal
const external = labelsOf({ cluster: 'x', replica: 'a' })
const externalNames = new Set(['cluster', 'replica'])
const blockMinTime = Math.floor(Date.now() / (2 * hourMs)) * 2 * hourMs - 4 * hourMs

/** Names before, between and after the external ones; prefixes of each other; labels of their own that are external elsewhere. */
const labelSets: readonly Labels[] = [
  { __name__: 'm' },
  { __name__: 'm', a: '1' },
  { __name__: 'm', a: '1', b: '2' },
  { __name__: 'm', a: '1', d: '2' },
  { __name__: 'm', a: '1', z: '2' },
  { __name__: 'm', d: '1' },
  { __name__: 'm', d: '1', zone: 'é' },
  { __name__: 'm', zone: '\u{1f600}' },
  { __name__: 'm', zone: '\uffee' },
  { __name__: 'inner', cluster: 'w', job: '2' },
  { __name__: 'inner', cluster: 'z', job: '1' },
  { __name__: 'inner', job: '0' },
  { __name__: 'inner', job: '3', replica: 'q' },
  { __name__: 'inner', pod: 'p1' },
  { __name__: 'inner', pod: 'p2' },
]
  .map(labelsOf)
  .sort(compareLabels)

describe.skipIf(reason !== undefined)('the StoreAPI of a sidecar', () => {
  let folder: string
  let target: Exposition
  let prometheus: Prometheus
  let sidecar: TestProcess
  let client: StoreClient

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sidecar-'))
    const data = path.join(folder, 'data')
    const series: MadeSeries[] = labelSets.map((labels, i) => ({
      labels,
      samples: Array.from(
        { length: 400 },
        (_, at) => [blockMinTime + at * 15_000 + i, i * 1000 + Math.sin(at)] as const,
      ),
    }))
    await writeMadeBlock(data, { minTime: blockMinTime, maxTime: blockMinTime + 2 * hourMs, series })
    let scrapes = 0
    target = await startExposition(() => `m{a="1"} ${++scrapes}\nm{a="1",b="2"} ${-scrapes}\n`)
    prometheus = await startPrometheusOver({
      data,
      externalLabels: labelsToObject(external),
      targets: [target.address],
      args: ['--storage.remote.read-max-bytes-in-frame=2000', '--storage.tsdb.retention.time=1d'],
    })
    const [grpc, http] = (await freePorts(2)) as [number, number]
    sidecar = await startMnemo([
      'sidecar',
      `--prometheus.url=${prometheus.url}`,
      `--grpc-address=127.0.0.1:${grpc}`,
      `--http-address=127.0.0.1:${http}`,
    ])
    await sidecar.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
    client = createStoreClient(`127.0.0.1:${grpc}`)
    await vi.waitUntil(() => scrapes > 3, { timeout: 20_000 })
    await sleep(200)
  })
  afterAll(async () => {
    client?.close()
    await sidecar?.stop()
    await prometheus?.stop()
    await target?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  const matcher = (name: string, value: string, type: LabelMatcher['type'] = '='): LabelMatcher => ({
    name,
    type,
    value,
  })
  const requestOf = (matchers: readonly LabelMatcher[], more: Partial<SeriesRequest> = {}): SeriesRequest => ({
    minTime: blockMinTime,
    maxTime: noBoundMs,
    matchers,
    ...more,
  })
  const made = matcher('__name__', 'm|inner', '=~')

  /** The answer's frames, which must ascend. */
  async function frames(request: SeriesRequest): Promise<StoreSeries[]> {
    const answered: StoreSeries[] = []
    for await (const response of client.series(request, signal)) {
      if (response.kind !== 'series') throw new Error(`got ${response.kind}`)
      const last = answered.at(-1)
      if (last) expect(compareLabels(last.labels, response.series.labels)).toBeLessThanOrEqual(0)
      answered.push(response.series)
    }
    return answered
  }

  /** Parts put together. */
  async function series(request: SeriesRequest): Promise<StoreSeries[]> {
    const whole = new Map<string, StoreSeries>()
    for (const { labels, chunks } of await frames(request)) {
      const known = whole.get(labelsKey(labels))
      if (known) known.chunks.push(...chunks)
      else whole.set(labelsKey(labels), { labels, chunks: [...chunks] })
    }
    return [...whole.values()]
  }

  const labelsAnswered = (labels: Labels, removed: ReadonlySet<string> = new Set()) =>
    withoutLabels(overlayLabels(labels, external), removed)
  const sortedUnique = (sets: readonly Labels[]) =>
    [...new Map(sets.map((set) => [labelsKey(set), set])).values()].sort(compareLabels)

  test('Info: the external labels, from the oldest sample on', async () => {
    const info = await client.info(signal)
    expect(info.labelSets).toEqual([external])
    expect(info.apis).toEqual(['rules', 'metadata', 'targets', 'exemplars', 'status'])
    expect(info.componentType).toBe('sidecar')
    expect(info.store).toMatchObject({ maxTime: noBoundMs, supportsSharding: true, supportsWithoutReplicaLabels: true })
    expect(info.store!.minTime).toBe(blockMinTime)
    expect(info.store!.tsdbInfos).toEqual([{ labels: external, minTime: blockMinTime, maxTime: noBoundMs }])
  })

  test('Metadata: as the HTTP API has it', async () => {
    const { items } = await client.ask(metadataCall, { metric: '', limit: -1, strategy: 0 }, signal)
    expect(Object.fromEntries(mergeMetadata(items, -1))).toEqual(await prometheus.api('metadata', {}))
  })

  test('Series: the samples that the HTTP API has, chunks with their hashes', async () => {
    const toMs = Date.now() - 500
    const { result } = await prometheus.api<Matrix>('query', {
      query: '{__name__=~"m|inner"}[5h]',
      time: String(toMs / 1000),
    })
    expect(result).toHaveLength(labelSets.length + 2)
    const want = new Map(
      result.map(({ metric, values }) => [
        labelsKey(labelsAnswered(labelsOf(metric))),
        values.map(([seconds, value]) => [seconds, Number(value)]),
      ]),
    )
    const got = await series(requestOf([made], { maxTime: toMs }))
    expect(got).toHaveLength(want.size)
    for (const { labels, chunks } of got) {
      expect(asValues(samplesOf(chunks), toMs - 5 * hourMs, toMs)).toEqual(want.get(labelsKey(labels)))
      for (const { raw } of chunks) expect(raw!.hash).toBe(xxhash64(raw!.data))
    }
    // The frames of Prometheus were small: long series came in parts.
    expect((await frames(requestOf([made]))).length).toBeGreaterThan(got.length)
  })

  test('a time range: chunks that touch it, none for a range without samples', async () => {
    const from = blockMinTime + hourMs
    const got = await series(requestOf([made], { minTime: from, maxTime: from + 59_999 }))
    expect(got).toHaveLength(labelSets.length)
    for (const { chunks } of got) expect(asValues(samplesOf(chunks), from, from + 59_999)).toHaveLength(4)
    expect(await series(requestOf([made], { minTime: 0, maxTime: blockMinTime - 1 }))).toEqual([])
  })

  test('external labels win, and decide matchers', async () => {
    const all = sortedUnique(labelSets.map((labels) => labelsAnswered(labels)))
    const old = { maxTime: blockMinTime + 2 * hourMs }
    const labelsFor = async (...matchers: LabelMatcher[]) =>
      (await series(requestOf(matchers, old))).map(({ labels }) => labels)
    expect(await labelsFor(made)).toEqual(all)
    expect(await labelsFor(made, matcher('cluster', 'x'), matcher('replica', 'a|b', '=~'))).toEqual(all)
    expect(await labelsFor(made, matcher('cluster', 'w'))).toEqual([])
    expect(await labelsFor(made, matcher('replica', '', '!='), matcher('cluster', 'y', '!='))).toEqual(all)
    // On external labels alone, or with what else matches the empty string too: Prometheus itself would refuse it.
    expect(await labelsFor(matcher('cluster', 'x'))).toEqual(all)
    expect(await labelsFor(matcher('cluster', 'x'), matcher('a', '', '='))).toEqual(
      all.filter((labels) => !labels.includes('a') || labels[labels.indexOf('a') - 1] === 'replica'),
    )
    await expect(labelsFor()).rejects.toMatchObject({ code: 'bad_data' })
    await expect(labelsFor(matcher('cluster', '(', '=~'))).rejects.toMatchObject({ code: 'bad_data' })
  })

  test.each([[['replica']], [['cluster', 'replica']], [['pod']], [['a', 'replica']], [['job', 'unknown']]])(
    'without_replica_labels %j',
    async (removed) => {
      const want = sortedUnique(labelSets.map((labels) => labelsAnswered(labels, new Set(removed))))
      for (const skipChunks of [false, true]) {
        const request = requestOf([made], {
          withoutReplicaLabels: removed,
          maxTime: blockMinTime + 2 * hourMs,
          skipChunks,
        })
        expect((await series(request)).map(({ labels }) => labels)).toEqual(want)
      }
    },
  )

  test('skip_chunks: labels alone', async () => {
    const got = await frames(
      requestOf([made, matcher('cluster', 'x')], { skipChunks: true, maxTime: blockMinTime + 60_000 }),
    )
    expect(got).toEqual(
      sortedUnique(labelSets.map((labels) => labelsAnswered(labels))).map((labels) => ({ labels, chunks: [] })),
    )
  })

  test('shards part the series', async () => {
    for (const skipChunks of [false, true]) {
      const whole = await series(requestOf([made], { maxTime: blockMinTime + 2 * hourMs, skipChunks }))
      const shards = await Promise.all(
        [0, 1, 2].map(async (index) => {
          const shard = { index, total: 3, by: true, labels: ['a', 'job', 'zone', 'pod', 'cluster'] }
          const got = await series(requestOf([made], { maxTime: blockMinTime + 2 * hourMs, skipChunks, shard }))
          const accepts = shardPredicate(shard)!
          expect(got.every(({ labels }) => accepts(labels))).toBe(true)
          return got
        }),
      )
      expect(shards.flat().sort((a, b) => compareLabels(a.labels, b.labels))).toEqual(whole)
      expect(shards.filter((shard) => shard.length > 0).length).toBeGreaterThan(1)
    }
  })

  test('a limit counts series, not their parts', async () => {
    const limited = await series(requestOf([made], { limit: 3, maxTime: blockMinTime + 2 * hourMs }))
    expect(limited).toEqual((await series(requestOf([made], { maxTime: blockMinTime + 2 * hourMs }))).slice(0, 3))
    expect(await frames(requestOf([made], { limit: 3, skipChunks: true }))).toHaveLength(3)
  })

  const labelsRequest = (matchers: readonly LabelMatcher[] = [], more: object = {}) => ({
    minTime: -noBoundMs,
    maxTime: noBoundMs,
    matchers,
    ...more,
  })
  const names = async (...args: Parameters<typeof labelsRequest>) =>
    (await client.labelNames(labelsRequest(...args), signal)).values
  const values = async (label: string, ...args: Parameters<typeof labelsRequest>) =>
    (await client.labelValues(label, labelsRequest(...args), signal)).values

  test('label names', async () => {
    const own = await prometheus.api<string[]>('labels')
    expect(await names()).toEqual([...new Set([...own, ...externalNames])].sort())
    expect(await names([matcher('pod', 'p1')])).toEqual(['__name__', 'cluster', 'pod', 'replica'])
    expect(await names([matcher('pod', 'p1'), matcher('cluster', 'x')], { withoutReplicaLabels: ['replica'] })).toEqual(
      ['__name__', 'cluster', 'pod'],
    )
    expect(await names([matcher('pod', 'none')])).toEqual([])
    expect(await names([matcher('cluster', 'none')])).toEqual([])
    expect(await names([matcher('pod', 'p1')], { limit: 2 })).toEqual(['__name__', 'cluster'])
    expect(await names([], { maxTime: blockMinTime - 1 })).toEqual([])
  })

  test('label values', async () => {
    expect(await values('pod')).toEqual(['p1', 'p2'])
    expect(await values('zone')).toEqual(['é', '\uffee', '\u{1f600}'])
    expect(await values('job', [matcher('__name__', 'inner'), matcher('replica', 'a')])).toEqual(['0', '1', '2', '3'])
    expect(await values('job', [matcher('cluster', 'none')])).toEqual([])
    expect(await values('job', [matcher('__name__', 'inner')], { limit: 2 })).toEqual(['0', '1'])
    expect(await values('cluster')).toEqual(['x'])
    expect(await values('cluster', [matcher('pod', 'p1')])).toEqual(['x'])
    expect(await values('cluster', [matcher('replica', 'a')])).toEqual(['x'])
    expect(await values('cluster', [matcher('pod', 'none')])).toEqual([])
    expect(await values('replica', [], { withoutReplicaLabels: ['replica'] })).toEqual([])
    await expect(values('')).rejects.toMatchObject({ code: 'bad_data' })
  })

  test('a caller that goes away ends the read', async () => {
    const stop = new AbortController()
    const reading = (async () => {
      for await (const _ of client.series(requestOf([made]), stop.signal)) stop.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'canceled' })
    expect(await series(requestOf([made]))).not.toEqual([])
  })
})
