// The lease in a bucket: one holder of many, renewed, given back, taken over after its time, whatever the clocks say.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLogger } from '../../../lib/kit/log.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { acquireLease, type HeldLease, heldLeases, isHeld, type Lease } from '../../../lib/objstore/lease.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'

const durationMs = 60_000
const logger = createLogger({ level: 'silent' })
const stop = new AbortController()
const acquire = (bucket: Bucket) => acquireLease({ bucket, name: 'compact', durationMs, logger, signal: stop.signal })

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

async function taken(bucket: Bucket): Promise<Lease> {
  const lease = await acquire(bucket)
  if (isHeld(lease)) return expect.unreachable(`held by ${lease.holder}`)
  return lease
}

/** Waits as long as a takeover does. */
async function acquireAfterWatch(bucket: Bucket): Promise<Lease | HeldLease> {
  const acquiring = acquire(bucket)
  await vi.advanceTimersByTimeAsync(durationMs / 2)
  return acquiring
}

async function names(bucket: Bucket): Promise<string[]> {
  const all: string[] = []
  for await (const { name } of bucket.list('', { recursive: true })) all.push(name)
  return all
}

test('of many at once one gets it, and the others are told', async () => {
  const bucket = new MemoryBucket()
  const leases = await Promise.all(Array.from({ length: 5 }, () => acquire(bucket)))
  expect(leases.filter((lease) => !isHeld(lease))).toHaveLength(1)
  for (const lease of leases) if (!isHeld(lease)) await lease.release()
})

test('it is renewed for as long as it is held, and free at once when it is given back', async () => {
  const bucket = new MemoryBucket()
  const lease = await taken(bucket)
  await vi.advanceTimersByTimeAsync(10 * durationMs)
  expect(lease.lost.aborted).toBe(false)
  expect(await acquire(bucket)).toMatchObject({ holder: expect.stringContaining(`pid ${process.pid}`) })
  await lease.release()
  const next = await taken(bucket)
  expect(await names(bucket)).toHaveLength(1)
  await next.release()
})

test('that of a process that was killed passes on after its time, not before', async () => {
  const bucket = new MemoryBucket()
  const killed = await taken(bucket)
  const copy = new MemoryBucket()
  const [name] = await names(bucket)
  await copy.upload(name!, await bucket.getRange(name!, 0, 1000))
  await killed.release()
  await vi.advanceTimersByTimeAsync(durationMs - 1)
  expect(isHeld(await acquire(copy))).toBe(true)
  await vi.advanceTimersByTimeAsync(2)
  const lease = await acquireAfterWatch(copy)
  expect(isHeld(lease)).toBe(false)
  if (!isHeld(lease)) await lease.release()
})

/** The bucket as one sees it whose clock is off by so much. */
function skewed(bucket: Bucket, skewMs: number): Bucket {
  return new Proxy(bucket, {
    get(target, key: keyof Bucket) {
      if (key !== 'list') return (target[key] as () => unknown).bind(target)
      return async function* (...args: Parameters<Bucket['list']>) {
        for await (const object of target.list(...args))
          yield { ...object, lastModifiedMs: object.lastModifiedMs! + skewMs }
      }
    },
  })
}

test.each([3600_000, -3600_000])('a clock that is %i ms off does not take a lease that is renewed', async (skewMs) => {
  const bucket = new MemoryBucket()
  const lease = await taken(bucket)
  expect(isHeld(await acquireAfterWatch(skewed(bucket, skewMs)))).toBe(true)
  await lease.release()
})

test.each([0, 3600_000, -3600_000])('who holds leases is told, also to a clock that is %i ms off', async (skewMs) => {
  const bucket = new MemoryBucket()
  const held = async () => {
    const asking = heldLeases({ bucket: skewed(bucket, skewMs), logger, signal: stop.signal })
    await vi.advanceTimersByTimeAsync(durationMs / 2)
    return asking
  }
  expect(await held()).toEqual([])
  const lease = await taken(bucket)
  expect(await held()).toEqual([expect.objectContaining({ holder: expect.stringContaining(`pid ${process.pid}`) })])
  await lease.release()
  expect(await held()).toEqual([])
})

test('a lease that nobody renews is not held once it has expired; one of a later version is, while it is renewed', async () => {
  const bucket = new MemoryBucket()
  const asking = async () => {
    const held = heldLeases({ bucket, logger, signal: stop.signal })
    await vi.advanceTimersByTimeAsync(durationMs / 2)
    return held
  }
  const put = (version: number, number: number) => {
    const content = JSON.stringify({ version, holder: 'another', durationMs, released: false })
    return bucket.upload(`mnemo/leases/shard/${String(number).padStart(12, '0')}`, Buffer.from(content))
  }
  await put(1, 1)
  expect(await asking()).toMatchObject([{ holder: 'another' }])
  await vi.advanceTimersByTimeAsync(durationMs)
  expect(await asking()).toEqual([])
  await put(2, 2)
  expect(await asking()).toMatchObject([{ holder: 'an unknown process' }])
})

test('a holder that slept while another one took over learns of it', async () => {
  const bucket = new MemoryBucket()
  const sleeper = await taken(bucket)
  const [name] = await names(bucket)
  // Another one took the next generations, renewed them and took the older ones away.
  await bucket.delete(name!)
  const content = { version: 1, holder: 'another', durationMs, released: false }
  await bucket.upload('mnemo/leases/compact/000000000007', Buffer.from(JSON.stringify(content)))
  await vi.advanceTimersByTimeAsync(durationMs / 3)
  expect(sleeper.lost.aborted).toBe(true)
  expect(await names(bucket)).toEqual(['mnemo/leases/compact/000000000007'])
  await sleeper.release()
  expect(await names(bucket)).toEqual(['mnemo/leases/compact/000000000007'])
})

test('a bucket that fails for a while costs no lease', async () => {
  const bucket = new MemoryBucket()
  const lease = await taken(bucket)
  const put = vi.spyOn(bucket, 'putIfAbsent').mockRejectedValue(new Error('503'))
  await vi.advanceTimersByTimeAsync(durationMs / 2)
  put.mockRestore()
  await vi.advanceTimersByTimeAsync(durationMs)
  expect(lease.lost.aborted).toBe(false)
  expect(isHeld(await acquire(bucket))).toBe(true)
  await lease.release()
})

test('a renewal whose answer is lost is still a renewal', async () => {
  const bucket = new MemoryBucket()
  const lease = await taken(bucket)
  const put = bucket.putIfAbsent.bind(bucket)
  const lossy = vi.spyOn(bucket, 'putIfAbsent').mockImplementation(async (...args) => {
    await put(...args)
    throw new Error('503')
  })
  await vi.advanceTimersByTimeAsync(durationMs / 2)
  lossy.mockRestore()
  await vi.advanceTimersByTimeAsync(durationMs)
  expect(lease.lost.aborted).toBe(false)
  await lease.release()
  expect(isHeld(await acquire(bucket))).toBe(false)
})

test('what cannot be read is watched, then replaced', async () => {
  const bucket = new MemoryBucket()
  await bucket.upload('mnemo/leases/compact/000000000003', Buffer.from('{'))
  expect(isHeld(await acquire(bucket))).toBe(true)
  await vi.advanceTimersByTimeAsync(durationMs + 1)
  const lease = await acquireAfterWatch(bucket)
  expect(isHeld(lease)).toBe(false)
  if (!isHeld(lease)) await lease.release()
})
