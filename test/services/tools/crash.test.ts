// A client killed at each request of an upload to a real S3 server: the bucket never shows half a block,
// and the next upload makes it whole.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { createBucket } from '../../../lib/objstore/config.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'
import { startCeph, whyNoCeph } from '../../support/ceph.ts'
import { HoldProxy, type ProxiedRequest } from '../../support/hold-proxy.ts'
import { TestProcess } from '../../support/process.ts'

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)

describe.skipIf(reason !== undefined)('an upload that is killed', async () => {
  if (reason !== undefined) return
  const ceph = await startCeph()
  const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-crash-'))
  const ulid = ulidOf(1)
  const segmentBytes = 9 * 1024 * 1024
  await fs.mkdir(path.join(root, ulid, 'chunks'), { recursive: true })
  await fs.writeFile(path.join(root, ulid, 'chunks/000001'), Buffer.alloc(segmentBytes, 'chunk'))
  await fs.writeFile(path.join(root, ulid, 'index'), 'index')
  await fs.writeFile(path.join(root, ulid, 'meta.json'), formatMeta(metaOf({ ulid })))
  const proxy = await HoldProxy.start(ceph.port)
  afterAll(async () => {
    await proxy.close()
    await ceph.stop()
    await fs.rm(root, { recursive: true })
  })

  const upload = (bucket: string) => {
    const executable = fileURLToPath(new URL('../../../services/mnemo.ts', import.meta.url))
    const config = ceph.config(bucket, { endpoint: proxy.address })
    const flags = [`--path=${root}`, '--label=replica="a"', `--objstore.config=${config}`]
    const args = [executable, 'tools', 'bucket', 'upload-blocks', ...flags]
    return TestProcess.start({ command: process.execPath, args })
  }
  const isWrite = ({ method }: ProxiedRequest) => method === 'PUT' || method === 'POST'

  // Begin of the segment's parts, two parts, their end, the index, meta.json.
  test.each([
    [1, 'request', false],
    [2, 'request', false],
    [3, 'request', false],
    [4, 'request', false],
    [4, 'answer', false],
    [5, 'request', false],
    [6, 'request', false],
    [6, 'answer', true],
  ] as const)('at write %i, %s: whole is %s', async (nth, at, isWhole) => {
    const name = `crash-${nth}-${at}`
    await ceph.createBucket(name)
    const held = proxy.hold(isWrite, { nth, at })
    const killed = await upload(name)
    await Promise.race([held, killed.waitForExit().then(() => expect.unreachable(killed.output))])
    await killed.kill()
    const bucket = await createBucket(ceph.config(name))
    const { metas, partial } = await new MetaFetcher({ bucket }).fetch()
    expect(metas.has(ulid)).toBe(isWhole)
    for (const block of partial.values()) expect(block.reason.code).toBe('not_found')

    const again = await upload(name)
    expect([await again.waitForExit(), again.output]).toEqual([0, expect.stringContaining('synced blocks')])
    const fetched = await new MetaFetcher({ bucket }).fetch()
    expect([...fetched.metas.keys()]).toEqual([ulid])
    expect((await bucket.attributes(`${ulid}/chunks/000001`)).sizeBytes).toBe(segmentBytes)
    await bucket.close()
  })
})
