// Real processes with a proxy that spoils what passes, between querier and store and between store and bucket: whatever breaks,
// an answer is whole, or it says what it misses, or it is an error. The table that is printed is the one of docs/faults.md.
// Owns every process, ended in afterAll.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { bucketFlag, startMnemo } from '../support/cluster.ts'
import { type Fault, FaultProxy } from '../support/fault-proxy.ts'
import { type Answer, type Expected, FaultTable } from '../support/fault-table.ts'
import { freePort, freePorts } from '../support/free-port.ts'
import { HoldProxy, type ProxiedRequest } from '../support/hold-proxy.ts'
import { putMadeBlock } from '../support/made-blocks.ts'
import type { TestProcess } from '../support/process.ts'
import { Random } from '../support/random.ts'

const firstMs = 1_700_006_400_000
const rangeMs = 7_200_000
const seriesCount = 60
const stepMs = 15_000
/** What the querier waits for a silent store, and the store for a silent bucket. */
const silenceMs = 1_000
/** A store sends about 170 kB in all: in the middle of its stream. */
const midStream = 80_000

const table = new FaultTable()
const running: TestProcess[] = []
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'faults-'))
})
afterAll(async () => {
  console.log(table.toString())
  for (const process of running) await process.kill()
  if (folder) await rm(folder, { recursive: true })
})

/** A block of random values, which do not compress: its chunks are as large as chunks become. */
function putBlock(bucket: Bucket, replica: string, seed: number): Promise<BlockMeta> {
  const random = new Random(seed)
  const series = Array.from({ length: seriesCount }, (_, i) => ({
    labels: ['__name__', 'm', 'i', String(i).padStart(4, '0')],
    samples: Array.from({ length: rangeMs / stepMs }, (_, k) => [firstMs + k * stepMs, random.float()] as const),
  }))
  return putMadeBlock(bucket, {
    minTime: firstMs,
    maxTime: firstMs + rangeMs,
    externalLabels: ['replica', replica],
    series,
  })
}

async function startStore(
  name: string,
  objstore: string,
  port: number,
  flags: readonly string[] = [],
): Promise<TestProcess> {
  const [http] = await freePorts(1)
  const store = await startMnemo([
    'store',
    objstore,
    `--data-dir=${path.join(folder, name)}`,
    `--grpc-address=127.0.0.1:${port}`,
    `--http-address=127.0.0.1:${http}`,
    `--selector.relabel-config=[{action: keep, source_labels: [replica], regex: ${name}}]`,
    ...flags,
  ])
  running.push(store)
  await store.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
  return store
}

/** The querier's URL. */
async function startQuerier(endpoints: readonly string[], responseTimeoutMs: number): Promise<string> {
  const [http] = await freePorts(1)
  const querier = await startMnemo([
    'query',
    ...endpoints.map((endpoint) => `--endpoint=${endpoint}`),
    `--http-address=127.0.0.1:${http}`,
    '--grpc-address=127.0.0.1:0',
    `--store.response-timeout=${responseTimeoutMs}ms`,
    '--endpoint.info-timeout=2s',
    '--query.timeout=10s',
  ])
  running.push(querier)
  const url = `http://127.0.0.1:${http}`
  await querier.waitForHttp(`${url}/-/ready`)
  return url
}

/** Every sample of both stores, as they are. */
async function ask(url: string, partialResponse: boolean): Promise<Answer> {
  const params = new URLSearchParams({
    query: 'm[3h]',
    time: String((firstMs + rangeMs) / 1000),
    dedup: 'false',
    partial_response: String(partialResponse),
  })
  return (await (await fetch(`${url}/api/v1/query?${params}`)).json()) as Answer
}

/** Learns what a whole answer is, once both stores are known. */
async function expectWhole(url: string): Promise<void> {
  const isWhole = async () => {
    table.setWhole(await ask(url, false))
    return table.wholeSamples === (2 * seriesCount * rangeMs) / stepMs
  }
  await vi.waitUntil(isWhole, { timeout: 30_000, interval: 200 })
}

/** Until all is answered again. */
async function healed(url: string): Promise<void> {
  await expect.poll(async () => table.isWhole(await ask(url, false)), { timeout: 20_000, interval: 100 }).toBe(true)
}

describe('between querier and store', () => {
  let proxy: FaultProxy
  let url: string
  let port: number
  let objstore: string
  let store: TestProcess

  beforeAll(async () => {
    const directory = path.join(folder, 'bucket')
    objstore = bucketFlag(directory)
    const bucket = await createBucket(objstore.replace('--objstore.config=', ''))
    await Promise.all([putBlock(bucket, 'a', 1), putBlock(bucket, 'b', 2)])
    const other = await freePort()
    port = await freePort()
    const [spoilt] = await Promise.all([startStore('a', objstore, port), startStore('b', objstore, other)])
    store = spoilt
    proxy = await FaultProxy.start(port)
    url = await startQuerier([proxy.address, `127.0.0.1:${other}`], silenceMs)
    table.name(proxy.address, 'S')
    await expectWhole(url)
  }, 60_000)
  afterAll(() => proxy?.close())

  const everything = 2 ** 31 - 1
  const cases: readonly (readonly [name: string, fault: Fault, on: Expected, off: Expected])[] = [
    ['hangs from the start', { kind: 'hang', afterBytes: 0 }, 'part', 'error'],
    ['hangs in mid-stream', { kind: 'hang', afterBytes: midStream }, 'part', 'error'],
    ['resets the connection', { kind: 'reset', afterBytes: 0 }, 'part', 'error'],
    ['resets the connection in mid-stream', { kind: 'reset', afterBytes: midStream }, 'part', 'error'],
    ['ends the connection in mid-stream', { kind: 'cut', afterBytes: midStream }, 'part', 'error'],
    ['delays: never silent for 1 s, slower than that in all', { kind: 'drip', afterBytes: 0, pieceBytes: 40_000, silenceMs: 250 }, 'whole', 'whole'],
    ['delays: silent for longer than 1 s', { kind: 'drip', afterBytes: midStream, pieceBytes: 40_000, silenceMs: 2 * silenceMs }, 'part', 'error'],
    ['says GOAWAY in mid-stream, the stream goes on', { kind: 'goaway', afterBytes: midStream, lastStream: everything }, 'whole', 'whole'],
    ['says GOAWAY in mid-stream, the stream is refused', { kind: 'goaway', afterBytes: midStream, lastStream: 0 }, 'part', 'error'],
    ...[1_000, 20_000, 50_003, midStream].map((afterBytes): [string, Fault, Expected, Expected] => [`sends a wrong byte, the ${afterBytes}th`, { kind: 'corrupt', afterBytes }, 'part', 'error']),
  ] // biome-ignore format: a line each

  test.each(cases)('the store %s', async (name, fault, on, off) => {
    for (const [partialResponse, expected] of [
      [true, on],
      [false, off],
    ] as const) {
      void proxy.set(fault)
      const answer = await ask(url, partialResponse)
      proxy.heal()
      expect(table.add(`store ${name}`, partialResponse, answer), JSON.stringify(answer).slice(-500)).toBe(expected)
      await healed(url)
    }
  })

  test('a store that does not answer Info is named as long as it is configured', async () => {
    void proxy.set({ kind: 'hang', afterBytes: 0 })
    await expect
      .poll(async () => JSON.stringify(await (await fetch(`${url}/api/v1/stores`)).json()), { timeout: 15_000 })
      .toContain('got no answer to Info')
    expect(table.add('store answers no Info', true, await ask(url, true))).toBe('part')
    expect(table.add('store answers no Info', false, await ask(url, false))).toBe('error')
    proxy.heal()
    await healed(url)
  }, 60_000)

  test('a store killed in mid-stream', async () => {
    for (const [partialResponse, expected] of [
      [true, 'part'],
      [false, 'error'],
    ] as const) {
      const reached = proxy.set({ kind: 'hang', afterBytes: midStream })
      const asked = ask(url, partialResponse)
      await reached
      await store.kill()
      // What had been sent and not yet received is lost with the connection.
      proxy.heal()
      expect(table.add('store is killed in mid-stream', partialResponse, await asked)).toBe(expected)
      store = await startStore('a', objstore, port)
      await healed(url)
    }
  }, 60_000)
})

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)

describe.skipIf(reason !== undefined)('between store and bucket', () => {
  let ceph: Ceph
  let bucket: Bucket
  let proxy: HoldProxy
  let url: string
  let spoilt: BlockMeta

  beforeAll(async () => {
    ceph = await startCeph()
    await ceph.createBucket('blocks')
    bucket = await createBucket(ceph.config('blocks'))
    spoilt = await putBlock(bucket, 'a', 1)
    await putBlock(bucket, 'b', 2)
    proxy = await HoldProxy.start(ceph.port)
    const [port, other] = (await freePorts(2)) as [number, number]
    const lines = ['max_retries: 2', `http_config: {response_header_timeout: ${silenceMs}ms}`]
    await Promise.all([
      startStore('a', `--objstore.config=${ceph.config('blocks', { endpoint: proxy.address, lines })}`, port, [
        // Nothing is kept: each query goes to the bucket for all that it needs.
        '--index-cache-size=1B',
      ]),
      startStore('b', `--objstore.config=${ceph.config('blocks')}`, other),
    ])
    // The store tries again, and each time waits as long: it says more than the querier could.
    url = await startQuerier([`127.0.0.1:${port}`, `127.0.0.1:${other}`], 5_000)
    table.name(`127.0.0.1:${port}`, 'S')
    table.name(spoilt.ulid, 'BLOCK')
    await expectWhole(url)
  }, 90_000)
  afterAll(async () => {
    await proxy?.close()
    await bucket?.close()
    await ceph?.stop()
  })

  const ofChunks = ({ method, url: at }: ProxiedRequest) => method === 'GET' && at.includes('/chunks/')
  const ofIndex = ({ method, url: at }: ProxiedRequest) => method === 'GET' && at.includes('/index')

  const cases: readonly (readonly [name: string, spoil: (match: typeof ofChunks) => void, on: Expected, off: Expected])[] = [
    ['hangs', (match) => proxy.spoil(match, 'hang'), 'part', 'error'],
    ['hangs once', (match) => proxy.spoil(match, 'hang', 1), 'whole', 'whole'],
    ['resets connections', (match) => proxy.fail(match), 'part', 'error'],
    ['resets a connection once', (match) => proxy.fail(match, { times: 1 }), 'whole', 'whole'],
    ['ends answers half way', (match) => proxy.spoil(match, 'cut'), 'part', 'error'],
    ['ends an answer half way once', (match) => proxy.spoil(match, 'cut', 1), 'whole', 'whole'],
    ['answers late, by 0.3 s', (match) => proxy.spoil(match, 'late'), 'whole', 'whole'],
    ['answers with a wrong byte', (match) => proxy.spoil(match, 'corrupt'), 'part', 'error'],
    ['answers 500', (match) => proxy.fail(match, { status: 500, code: 'InternalError' }), 'part', 'error'],
    ['answers 500 once', (match) => proxy.fail(match, { status: 500, code: 'InternalError', times: 1 }), 'whole', 'whole'],
    ['answers 503 SlowDown', (match) => proxy.fail(match, { status: 503, code: 'SlowDown' }), 'part', 'error'],
    ['answers 503 SlowDown twice', (match) => proxy.fail(match, { status: 503, code: 'SlowDown', times: 2 }), 'whole', 'whole'],
    ['answers 403 AccessDenied', (match) => proxy.fail(match, { status: 403, code: 'AccessDenied' }), 'part', 'error'],
  ] // biome-ignore format: a line each

  async function check(
    name: string,
    spoil: (match: typeof ofChunks) => void,
    { on, off, onIndex }: { on: Expected; off: Expected; onIndex: Expected },
  ): Promise<void> {
    for (const [what, match, partialResponse, expected] of [
      ['chunks', ofChunks, true, on],
      ['chunks', ofChunks, false, off],
      ['index', ofIndex, true, onIndex],
    ] as const) {
      spoil(match)
      const answer = await ask(url, partialResponse)
      proxy.heal()
      const seen = table.add(`bucket ${name} (${what})`, partialResponse, answer)
      expect(seen, JSON.stringify(answer).slice(-500)).toBe(expected)
    }
    await healed(url)
  }

  test.each(cases)('the bucket %s', (name, spoil, on, off) => check(name, spoil, { on, off, onIndex: on }), 60_000)

  // Of the index, postings are read and then series entries, which have the byte: it is right when they are read once more.
  test('the bucket answers with a wrong byte twice', async () => {
    const spoil = (match: typeof ofChunks) => proxy.spoil(match, 'corrupt', 2)
    await check('answers with a wrong byte twice', spoil, { on: 'part', off: 'error', onIndex: 'whole' })
  }, 60_000)

  test('an object deleted in between: a warning; with what replaces the block, a whole answer', async () => {
    const s3 = ceph.client()
    await s3.send(new DeleteObjectCommand({ Bucket: 'blocks', Key: `${spoilt.ulid}/chunks/000001` }))
    expect(table.add('an object of the block is deleted', true, await ask(url, true))).toBe('part')
    expect(table.add('an object of the block is deleted', false, await ask(url, false))).toBe('error')
    // As the compactor does: what replaces it is there before it goes.
    await putBlock(bucket, 'a', 1)
    await s3.send(new DeleteObjectCommand({ Bucket: 'blocks', Key: `${spoilt.ulid}/meta.json` }))
    expect(table.add('the block is deleted, another has its data', true, await ask(url, true))).toBe('whole')
    expect(table.add('the block is deleted, another has its data', false, await ask(url, false))).toBe('whole')
    s3.destroy()
  }, 60_000)
})
