// A sidecar that is killed (SIGKILL) at each request of an upload, before the S3 server sees it and with the answer on its
// way: after a restart every block of its Prometheus is in the bucket, whole, once, and no sample is lost or doubled.
// Real Prometheus, real S3 server, real sidecars; the proxy between holds the k-th request while the sidecar is killed.
// Owns them, the data folder and the copy of the bucket.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isUlid } from '../../lib/blocks/block-name.ts'
import { parseMeta } from '../../lib/blocks/meta-parse.ts'
import { labelsOf } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { startMnemo } from '../support/cluster.ts'
import { HoldProxy } from '../support/hold-proxy.ts'
import { writeMadeBlock } from '../support/made-blocks.ts'
import { run, type TestProcess } from '../support/process.ts'
import { type Prometheus, startPrometheusOver, whyNoPrometheus } from '../support/prometheus.ts'
import { Random } from '../support/random.ts'

const reason = whyNoCeph() ?? whyNoPrometheus('the killed sidecar', ['prometheus', 'promtool'])
if (reason !== undefined) console.log(reason)

const rangeMs = 7_200_000
const firstMs = (Math.floor(Date.now() / rangeMs) - 48) * rangeMs
/** S3's smallest: the large block's chunks take three parts. */
const partLine = 'part_size: 5242880'
const largeSamples = 1_250_000
/** More requests than any upload here makes. */
const maxRequests = 40

describe.skipIf(reason !== undefined)('a sidecar killed with SIGKILL', () => {
  let folder: string
  let data: string
  let ceph: Ceph
  let bucket: Bucket
  let prometheus: Prometheus
  const running = new Set<TestProcess>()
  let blocks = 0

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'killed-sidecar-'))
    data = path.join(folder, 'data')
    ceph = await startCeph()
    await ceph.createBucket('blocks')
    bucket = await createBucket(ceph.config('blocks'))
    prometheus = await startPrometheusOver({ data, externalLabels: { cluster: 'x', replica: 'a' } })
  })
  afterAll(async () => {
    for (const process of running) await process.kill()
    await prometheus?.stop()
    await bucket?.close()
    await ceph?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  async function startSidecar(endpoint: string): Promise<TestProcess> {
    const process = await startMnemo([
      'sidecar',
      `--prometheus.url=${prometheus.url}`,
      `--tsdb.path=${data}`,
      `--objstore.config=${ceph.config('blocks', { endpoint, lines: [partLine] })}`,
      '--http-address=127.0.0.1:0',
      '--grpc-address=127.0.0.1:0',
    ])
    running.add(process)
    return process
  }

  async function kill(process: TestProcess): Promise<void> {
    await process.kill()
    running.delete(process)
  }

  /** The next block as Prometheus would have written it: two series, or one too large for a single request. */
  async function writeBlock({ isLarge = false } = {}): Promise<string> {
    const minTime = firstMs + blocks++ * rangeMs
    const random = new Random(blocks)
    const samples = Array.from(
      { length: isLarge ? largeSamples : 300 },
      (_, i) => [minTime + i * 5, random.float()] as const,
    )
    const series = (isLarge ? ['large'] : ['one', 'two']).map((name) => ({
      labels: labelsOf({ __name__: name }),
      samples,
    }))
    return (await writeMadeBlock(data, { minTime, maxTime: minTime + rangeMs, series, externalLabels: [] })).ulid
  }

  const shipped = async () => {
    try {
      const { uploaded } = JSON.parse(await readFile(path.join(data, 'thanos.shipper.json'), 'utf8')) as {
        uploaded: string[]
      }
      return new Set(uploaded)
    } catch {
      // Not written yet.
      return new Set<string>()
    }
  }

  async function untilShipped(ulid: string, process: TestProcess): Promise<'shipped'> {
    while (!(await shipped()).has(ulid)) {
      if (process.outcome !== undefined) return new Promise(() => {}) // killed meanwhile
      await sleep(20)
    }
    return 'shipped'
  }

  /** Starts a sidecar and kills it at its k-th request; false where it has shipped the block with fewer. */
  async function killAt(k: number, at: 'request' | 'answer', ulid: string): Promise<boolean> {
    const proxy = await HoldProxy.start(ceph.port)
    try {
      const held = proxy.hold(() => true, { nth: k, at })
      const sidecar = await startSidecar(proxy.address)
      const first = await Promise.race([held.then(() => 'held'), untilShipped(ulid, sidecar)])
      await kill(sidecar)
      return first === 'held'
    } finally {
      await proxy.close()
    }
  }

  async function shipWithoutHold(ulid: string): Promise<void> {
    const sidecar = await startSidecar(ceph.endpoint)
    await untilShipped(ulid, sidecar)
    await kill(sidecar)
  }

  /** A block with a meta.json is whole, at any moment. */
  async function checkBucket(): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of bucket.list('')) {
      const metaName = `${name}meta.json`
      if (!(await bucket.exists(metaName))) continue
      const meta = parseMeta(await text(await bucket.get(metaName)), metaName)
      expect(meta.thanos.labels).toEqual(['cluster', 'x', 'replica', 'a'])
      for (const { relPath, sizeBytes } of meta.thanos.files)
        if (sizeBytes !== undefined) expect(await bucket.attributes(name + relPath)).toMatchObject({ sizeBytes })
      found.push(meta.ulid)
    }
    return found
  }

  test.each(['request', 'answer'] as const)(
    'at each request of a block of small files, held at its %s',
    async (at) => {
      for (let k = 1; ; k++) {
        const ulid = await writeBlock()
        const wasKilled = await killAt(k, at, ulid)
        await checkBucket()
        await shipWithoutHold(ulid)
        expect(await checkBucket()).toContain(ulid)
        if (!wasKilled) {
          // meta.json looked for, chunks, index, meta.json.
          expect(k).toBeGreaterThan(4)
          return
        }
        expect(k).toBeLessThan(maxRequests)
      }
    },
    80_000,
  )

  test('at each request of a block whose chunks take several parts', async () => {
    const ulid = await writeBlock({ isLarge: true })
    for (let k = 1; await killAt(k, 'request', ulid); k++) {
      expect(k).toBeLessThan(maxRequests)
      expect(await checkBucket()).not.toContain(ulid)
    }
    expect(await checkBucket()).toContain(ulid)
  }, 80_000)

  test("then the bucket's blocks hold the samples of Prometheus's, and nothing else is left", async () => {
    const local = (await readdir(data)).filter(isUlid).sort()
    expect(local).toHaveLength(blocks)
    const copy = path.join(folder, 'copy')
    const names: string[] = []
    for await (const { name } of bucket.list('', { recursive: true })) {
      names.push(name)
      await mkdir(path.join(copy, path.dirname(name)), { recursive: true })
      await writeFile(path.join(copy, name), await bucket.get(name))
    }
    expect(names).toEqual(
      local.flatMap((ulid) => ['chunks/000001', 'index', 'meta.json'].map((file) => `${ulid}/${file}`)),
    )
    expect(await readdir(path.join(data, 'thanos', 'upload')).catch(() => [])).toEqual([])
    const own = path.join(folder, 'own')
    for (const ulid of local) await cp(path.join(data, ulid), path.join(own, ulid), { recursive: true })
    const want = await dump(own)
    expect(want.lines).toBe((blocks - 1) * 600 + largeSamples)
    expect(await dump(copy)).toEqual(want)
  }, 60_000)
})

/** How many samples `promtool tsdb dump` prints, and the checksum of its lines, sorted. */
async function dump(folder: string): Promise<{ lines: number; checksum: string }> {
  // promtool wants the folders of a whole TSDB.
  for (const name of ['wal', 'chunks_head']) await mkdir(path.join(folder, name))
  const script = 'promtool tsdb dump "$1" | LC_ALL=C sort > "$1.dump" && wc -l < "$1.dump" && sha256sum < "$1.dump"'
  const [lines, checksum] = (await run('sh', ['-c', script, 'sh', folder], 50_000)).trim().split('\n')
  return { lines: Number(lines), checksum: checksum! }
}
