// A compactor that is killed (SIGKILL) at each request to its bucket, before the S3 server sees it or with the answer on
// its way: a store and a querier see every sample once, at every moment; the next run, for which the killed one's lease has
// to expire, ends as an undisturbed one. Real S3 server, real compactors; the proxy between holds the k-th request.
// CI takes a spread of the requests, NIGHTLY=1 each of them, both ways.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forEachBounded } from '../../lib/kit/bounded.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { MemoryBucket } from '../../lib/objstore/memory.ts'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { startMnemo } from '../support/cluster.ts'
import { hourMs, twoHours } from '../support/crash-scenarios.ts'
import { HoldProxy, type ProxiedRequest } from '../support/hold-proxy.ts'
import { putMadeBlock } from '../support/made-blocks.ts'
import { isNightly } from '../support/nightly.ts'
import type { TestProcess } from '../support/process.ts'
import { openStoreReader } from '../support/store-reader.ts'

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)

/** In CI, of about 200. */
const spread = 8
const sideBySide = 2
/** For a run of a process on a machine that has much to do. */
const processMs = 120_000

describe.skipIf(reason !== undefined)('a compactor killed with SIGKILL', () => {
  let folder: string
  let ceph: Ceph
  /** What each bucket begins with. */
  const template = new MemoryBucket()
  const running = new Set<TestProcess>()

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'killed-compactor-'))
    ceph = await startCeph()
    // A range to fill with an overlap in it, a pair of replicas, a long block to downsample.
    for (const hour of [0, 2, 4, 8, 16])
      await putMadeBlock(template, twoHours(hour, { externalLabels: ['cluster', 'x'] }))
    const later = { series: [twoHours(2).series[1]!], externalLabels: ['cluster', 'x'] }
    await putMadeBlock(template, twoHours(2, later))
    for (const replica of ['a', 'b'])
      await putMadeBlock(template, twoHours(0, { externalLabels: ['cluster', 'y', 'replica', replica] }))
    await putMadeBlock(template, twoHours(0, { maxTime: 48 * hourMs, externalLabels: ['cluster', 'z'] }))
  })
  afterAll(async () => {
    for (const process of running) await process.kill()
    await ceph?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  async function filledBucket(name: string): Promise<Bucket> {
    await ceph.createBucket(name)
    const bucket = await createBucket(ceph.config(name))
    for await (const object of template.list('', { recursive: true }))
      await bucket.upload(object.name, await template.getRange(object.name, 0, object.sizeBytes!))
    return bucket
  }

  async function start(name: string, endpoint: string): Promise<TestProcess> {
    const process = await startMnemo([
      'compact',
      `--objstore.config=${ceph.config(name, { endpoint })}`,
      `--data-dir=${path.join(folder, name)}`,
      '--http-address=127.0.0.1:0',
      '--consistency-delay=0s',
      '--deduplication.replica-label=replica',
      '--compact.lease=1s',
    ])
    running.add(process)
    return process
  }

  /** Runs until one ends with all done: until then the killed one's lease has to expire. */
  async function finish(name: string): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      const process = await start(name, ceph.endpoint)
      expect([await process.waitForExit(processMs), process.output]).toEqual([0, expect.any(String)])
      running.delete(process)
      if (process.output.includes('all done')) return
      await sleep(200)
    }
    expect.unreachable('the lease of the killed one does not expire')
  }

  async function look(bucket: Bucket, ignoreMarksAfterMs?: number) {
    const reader = await openStoreReader(bucket, ignoreMarksAfterMs)
    try {
      return { samples: await reader.samples(['replica']), counted: await reader.counted() }
    } finally {
      await reader.close()
    }
  }

  test('at each request: no sample is lost or doubled', async () => {
    const undisturbed = await filledBucket('undisturbed')
    const before = await look(undisturbed)
    const proxy = await HoldProxy.start(ceph.port)
    const whole = await start('undisturbed', proxy.address)
    expect([await whole.waitForExit(processMs), whole.output]).toEqual([0, expect.stringContaining('all done')])
    const requests = proxy.requests.length
    await proxy.close()
    const after = await look(undisturbed)
    const end = await look(undisturbed, -1)
    expect(end.samples).toEqual(before.samples)
    await undisturbed.close()

    const points = Array.from({ length: requests }, (_, i) => i + 1).flatMap((k) =>
      isNightly
        ? [
            { k, at: 'request' as const },
            { k, at: 'answer' as const },
          ]
        : k % Math.ceil(requests / spread) === 0
          ? [{ k, at: k % 2 === 0 ? ('request' as const) : ('answer' as const) }]
          : [],
    )
    await forEachBounded(points, sideBySide, async ({ k, at }) => {
      const name = `killed-${at}-${k}`
      const bucket = await filledBucket(name)
      const proxy = await HoldProxy.start(ceph.port)
      const held = proxy.hold(() => true, { nth: k, at })
      const killed = await start(name, proxy.address)
      const first = await Promise.race([held.then(() => 'held'), killed.waitForExit(processMs)])
      await killed.kill()
      running.delete(killed)
      await proxy.close()
      const when = `${name}: ${first}\n${killed.output}`
      const seen = await look(bucket)
      expect(seen.samples, when).toEqual(before.samples)
      expect([before.counted, after.counted], when).toContain(seen.counted)
      await finish(name)
      expect(await look(bucket, -1), `${when}, once more`).toEqual(end)
      await bucket.close()
    })
  }, 3_600_000)

  test('two at once by mistake, the lease switched off: no sample is lost or doubled', async () => {
    const bucket = await filledBucket('two')
    const before = await look(bucket)
    const processes = await Promise.all(
      ['one', 'other'].map((data) =>
        startMnemo([
          'compact',
          `--objstore.config=${ceph.config('two')}`,
          `--data-dir=${path.join(folder, data)}`,
          '--http-address=127.0.0.1:0',
          '--consistency-delay=0s',
          '--deduplication.replica-label=replica',
          '--compact.lease=0s',
        ]),
      ),
    )
    for (const process of processes) running.add(process)
    while (processes.some(({ outcome }) => outcome === undefined))
      expect((await look(bucket)).samples).toEqual(before.samples)
    await finish('two')
    const end = await look(bucket, -1)
    expect(end.samples).toEqual(before.samples)
    await bucket.close()
  }, 120_000)

  test.each([
    [500, 'PUT'],
    [503, 'GET'],
    [503, 'HEAD'],
    ['half of the body', 'GET'],
  ] as const)(
    'a bucket that answers %s to every %s for a while: nothing is set aside, and the next run ends as any other',
    async (status, method) => {
      const name = `status-${String(status).replaceAll(' ', '-')}-${method.toLowerCase()}`
      const bucket = await filledBucket(name)
      const before = await look(bucket)
      const proxy = await HoldProxy.start(ceph.port)
      // After some of them have gone through.
      let through = 0
      const match = (request: ProxiedRequest) => request.method === method && ++through > 12
      if (status === 'half of the body') proxy.spoil(match, 'cut')
      else proxy.fail(match, { status })
      const failing = await start(name, proxy.address)
      expect(await failing.waitForExit(processMs), failing.output).toBe(1)
      expect(failing.output).not.toContain('set aside')
      await proxy.close()
      expect((await look(bucket)).samples).toEqual(before.samples)
      await finish(name)
      expect((await look(bucket, -1)).samples).toEqual(before.samples)
      await bucket.close()
    },
    180_000,
  )
})
