// The bucket on S3, against a real Ceph RADOS Gateway: the contract, broken connections, encryption, what is left of parts.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import * as fs from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { createBucket } from '../../../lib/objstore/config.ts'
import { type Ceph, startCeph, whyNoCeph } from '../../support/ceph.ts'
import { portOf } from '../../support/free-port.ts'
import { HoldProxy, type ProxiedRequest } from '../../support/hold-proxy.ts'
import { bucketContract, fails, pieces, pseudoRandom } from './bucket-contract.ts'

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)
const mebibyte = 1024 * 1024

describe.skipIf(reason !== undefined)('S3', async () => {
  if (reason !== undefined) return
  const ceph: Ceph = await startCeph({ rgwConfig: ['rgw crypt require ssl = false'] })
  const s3 = ceph.client()
  const folder = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-s3-'))
  const closing: (() => Promise<unknown>)[] = []
  afterAll(async () => {
    for (const close of closing) await close()
    s3.destroy()
    await ceph.stop()
    await fs.rm(folder, { recursive: true })
  })

  let count = 0
  const freshName = async () => {
    const name = `bucket-${count++}`
    await ceph.createBucket(name)
    return name
  }
  const open = async (name: string, options: Parameters<Ceph['config']>[1] = {}): Promise<Bucket> => {
    const bucket = await createBucket(ceph.config(name, options), { registry: createRegistry() })
    closing.push(() => bucket.close())
    return bucket
  }
  const openProxied = async (lines: readonly string[] = []) => {
    const proxy = await HoldProxy.start(ceph.port)
    closing.push(() => proxy.close())
    const name = await freshName()
    return { proxy, name, bucket: await open(name, { endpoint: proxy.address, lines }) }
  }
  const openParts = async (name: string) =>
    (await s3.send(new ListMultipartUploadsCommand({ Bucket: name }))).Uploads ?? []

  bucketContract({ name: 'S3', open: async () => open(await freshName()), largeBytes: 18 * mebibyte + 17 })
  bucketContract({
    name: 'S3 with ListObjects version 1, below a prefix',
    open: async () =>
      createBucket(`${ceph.config(await freshName(), { lines: ['list_objects_version: v1'] })}prefix: a/b`),
    largeBytes: 0,
  })

  test('listings go on over pages', async () => {
    for (const version of ['v1', 'v2']) {
      const bucket = await open(await freshName(), { lines: [`list_objects_version: ${version}`] })
      const names = Array.from({ length: 1100 }, (_, i) => `folder-${String(i).padStart(4, '0')}/x`)
      for (let i = 0; i < names.length; i += 50)
        await Promise.all(names.slice(i, i + 50).map((name) => bucket.upload(name, Buffer.from('x'))))
      const listed = async (recursive: boolean) => {
        const found: string[] = []
        for await (const object of bucket.list('', { recursive })) found.push(object.name)
        return found
      }
      expect(await listed(true)).toEqual(names)
      expect(await listed(false)).toEqual(names.map((name) => name.slice(0, -1)))
    }
  })

  test('an upload that is aborted or fails leaves no parts behind', async () => {
    const name = await freshName()
    const bucket = await open(name)
    const controller = new AbortController()
    async function* endless(): AsyncGenerator<Buffer> {
      yield pseudoRandom(20 * mebibyte)
      controller.abort()
      await new Promise(() => {})
    }
    await fails('canceled', () => bucket.upload('aborted', Readable.from(endless()), controller.signal))
    async function* failing(): AsyncGenerator<Buffer> {
      yield pseudoRandom(20 * mebibyte)
      throw new Error('the source broke')
    }
    await expect(bucket.upload('failed', Readable.from(failing()))).rejects.toThrow()
    expect(await openParts(name)).toEqual([])
  })

  const isPart = (request: ProxiedRequest) => request.method === 'PUT' && request.url.includes('partNumber=')
  const isGet = (request: ProxiedRequest) => request.method === 'GET' && request.url.includes('/object')

  test('a part is on its way alone: nothing is there before the last request', async () => {
    const { proxy, bucket } = await openProxied()
    const held = proxy.hold((request) => request.method === 'POST' && request.url.includes('uploadId='))
    const upload = bucket.upload('object', Readable.from([pseudoRandom(17 * mebibyte)]))
    const complete = await held
    expect(proxy.count(isPart)).toBe(3)
    expect(await bucket.exists('object')).toBe(false)
    complete.release()
    await upload
    expect((await bucket.attributes('object')).sizeBytes).toBe(17 * mebibyte)
  })

  test.each([
    { partBytes: 5 * mebibyte, size: 5 * mebibyte, parts: 0 },
    { partBytes: 5 * mebibyte, size: 5 * mebibyte + 1, parts: 2 },
    { partBytes: 5 * mebibyte, size: 10 * mebibyte, parts: 2 },
    { partBytes: 20 * mebibyte, size: 41 * mebibyte, parts: 3 },
  ])('$size bytes in parts of $partBytes: $parts, in order', async ({ partBytes, size, parts }) => {
    const { proxy, bucket } = await openProxied([`part_size: ${partBytes}`])
    const bytes = pseudoRandom(size)
    await bucket.upload('object', Readable.from(pieces(bytes, 1_000_003)))
    expect(proxy.count(isPart)).toBe(parts)
    expect(Buffer.compare(await buffer(await bucket.get('object')), bytes)).toBe(0)
  })

  test('passing failures are tried again', async () => {
    const { proxy, bucket } = await openProxied()
    proxy.fail(isPart, { times: 2, status: 503 })
    proxy.fail(isPart, { times: 1 })
    await bucket.upload('object', Readable.from([pseudoRandom(17 * mebibyte)]))
    proxy.fail(isGet, { times: 1, status: 500 })
    proxy.fail(isGet, { times: 1 })
    expect(await bucket.getRange('object', 5, 3)).toHaveLength(3)
  })

  test('what does not pass is unavailable, after as many attempts as configured', async () => {
    const { proxy, bucket } = await openProxied(['max_retries: 2'])
    proxy.fail(isGet, { status: 503 })
    await fails('unavailable', () => bucket.getRange('object', 0, 1))
    expect(proxy.count(isGet)).toBe(3)
  })

  test('a body whose connection breaks is read on from there', async () => {
    const { proxy, bucket } = await openProxied()
    const bytes = pseudoRandom(6 * mebibyte)
    await bucket.upload('object', bytes)
    const held = proxy.hold(isGet, { at: 'answer' })
    const reading = bucket.get('object').then((stream) => buffer(stream))
    const answer = await held
    answer.drop()
    expect(Buffer.compare(await reading, bytes)).toBe(0)
  })

  test('a stream that is not read to its end lets its connection go', async () => {
    const bucket = await open(await freshName(), { lines: ['http_config: {max_conns_per_host: 1}'] })
    await bucket.upload('object', pseudoRandom(6 * mebibyte))
    for (let i = 0; i < 3; i++) {
      const stream = await bucket.get('object')
      for await (const _ of stream) break
    }
    expect(await bucket.getRange('object', 0, 1)).toHaveLength(1)
  })

  test('an abort ends a read that hangs', async () => {
    const { proxy, bucket } = await openProxied()
    const held = proxy.hold(isGet)
    const controller = new AbortController()
    const reading = bucket.getRange('object', 0, 1, controller.signal)
    await held
    controller.abort()
    await fails('canceled', () => reading)
  })

  test('a conditional put whose first answer was lost is known as our own', async () => {
    const { proxy, bucket } = await openProxied()
    const held = proxy.hold((request) => request.method === 'PUT', { at: 'answer' })
    const put = bucket.putIfAbsent('mark', Buffer.from('ours'))
    const answer = await held
    answer.drop()
    await put
    expect(await buffer(await bucket.get('mark'))).toEqual(Buffer.from('ours'))
  })

  test('a conditional put that somebody else won meanwhile is already_exists', async () => {
    const { proxy, bucket } = await openProxied()
    const held = proxy.hold((request) => request.method === 'PUT')
    const put = bucket.putIfAbsent('mark', Buffer.from('ours'))
    const request = await held
    await bucket.upload('mark', Buffer.from('theirs'))
    request.release()
    await fails('already_exists', () => put)
    expect(await buffer(await bucket.get('mark'))).toEqual(Buffer.from('theirs'))
  })

  test('a server that knows no conditional put gets a plain one', async () => {
    const { proxy, bucket } = await openProxied()
    proxy.fail(({ headers }) => headers['if-none-match'] !== undefined, { status: 501 })
    await bucket.putIfAbsent('mark', Buffer.from('ours'))
    await fails('already_exists', () => bucket.putIfAbsent('mark', Buffer.from('theirs')))
    expect(await buffer(await bucket.get('mark'))).toEqual(Buffer.from('ours'))
  })

  test('a wrong key, bucket or address', async () => {
    const name = await freshName()
    const wrongKey = await createBucket(ceph.config(name).replace(ceph.secretKey, 'wrong'))
    await fails('config', () => wrongKey.getRange('object', 0, 1))
    const noBucket = await open('no-such-bucket')
    await fails('config', async () => {
      for await (const _ of noBucket.list(''));
    })
    const nobody = await open(name, { endpoint: '127.0.0.1:1', lines: ['max_retries: 1'] })
    await fails('unavailable', () => nobody.exists('object'))
    await wrongKey.close()
  })

  test('objects are encrypted with the key of the configuration', async () => {
    const keyFile = path.join(folder, 'key')
    await fs.writeFile(keyFile, randomBytes(32))
    const name = await freshName()
    const bucket = await open(name, { lines: [`sse_config: {type: SSE-C, encryption_key: ${keyFile}}`] })
    const bytes = pseudoRandom(9 * mebibyte)
    await bucket.upload('large', Readable.from([bytes]))
    await bucket.putIfAbsent('small', Buffer.from('secret'))
    expect(Buffer.compare(await buffer(await bucket.get('large')), bytes)).toBe(0)
    expect(Buffer.from(await bucket.getRange('small', 0, 10)).toString()).toBe('secret')
    expect((await bucket.attributes('large')).sizeBytes).toBe(bytes.length)
    await expect(s3.send(new GetObjectCommand({ Bucket: name, Key: 'small' }))).rejects.toThrow()
  })

  test('Content-MD5 goes with each body, metadata with each object', async () => {
    const lines = ['put_user_metadata: {Owner: sre, X-Amz-Meta-Team: night}']
    const { proxy, name, bucket } = await openProxied(lines)
    await bucket.upload('small', Buffer.from('x'))
    await bucket.upload('large', Readable.from([pseudoRandom(9 * mebibyte)]))
    const bodies = proxy.requests.filter((request) => request.method === 'PUT')
    expect(bodies).toHaveLength(3)
    for (const { headers } of bodies) {
      expect(headers['content-md5']).toMatch(/^.{22}==$/)
      expect(headers.authorization).toMatch(/SignedHeaders=[^,]*content-md5/)
      expect(headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
    }
    for (const key of ['small', 'large']) {
      const head = await s3.send(new HeadObjectCommand({ Bucket: name, Key: key }))
      expect(head.Metadata).toEqual({ owner: 'sre', team: 'night' })
    }
  })

  test.each(['true', 'false'])(
    'bytes that change on their way to the server are refused (send_content_md5: %s)',
    async (md5) => {
      const relay = createServer((client) => {
        const upstream = connect(ceph.port, '127.0.0.1')
        client.on('data', (bytes) =>
          upstream.write(bytes.toString('latin1').replace('as it was', 'as it is!'), 'latin1'),
        )
        upstream.on('data', (bytes) => client.write(bytes))
        for (const [one, other] of [
          [client, upstream],
          [upstream, client],
        ] as const)
          one.on('close', () => other.destroy()).on('error', () => {})
      })
      await once(relay.listen(0, '127.0.0.1'), 'listening')
      onTestFinished(() => void relay.close())
      const name = await freshName()
      const lines = [`send_content_md5: ${md5}`, 'max_retries: 1']
      const config = ceph.config(name, { lines, endpoint: `127.0.0.1:${portOf(relay)}` })
      const bucket = await createBucket(config)
      await expect(bucket.upload('object', Buffer.from('as it was'))).rejects.toBeInstanceOf(MnemoError)
      await bucket.upload('other', Buffer.from('as it should be'))
      await bucket.close()
      const direct = await open(name)
      expect(await direct.exists('object')).toBe(false)
      expect(await direct.exists('other')).toBe(true)
    },
  )

  test('without Content-MD5 the SHA-256 of a body is signed', async () => {
    const { proxy, bucket } = await openProxied(['send_content_md5: false'])
    await bucket.upload('small', Buffer.from('x'))
    const [put] = proxy.requests.filter((request) => request.method === 'PUT')
    expect(put!.headers['content-md5']).toBeUndefined()
    expect(put!.headers['x-amz-content-sha256']).toBe(createHash('sha256').update('x').digest('hex'))
  })
})
