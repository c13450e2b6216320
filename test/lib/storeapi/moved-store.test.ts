// A store that comes back under another address, as a container or a pod does: its name leads there, and the connection follows,
// also where nothing answers at the old one, not even to refuse.
// Subjects: openChannel() of lib/kit/grpc-channel.ts, channelOptions() of lib/kit/grpc.ts. Owns its servers; the name is one that
// this process alone resolves.
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { createStoreClient, type StoreClient } from '../../../lib/storeapi/client.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import type { StoreApi } from '../../../lib/storeapi/types.ts'
import { openBlackHole } from '../../support/black-hole.ts'
import { freePort, portOf } from '../../support/free-port.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  vi.restoreAllMocks()
})

interface RunningStore {
  close(): Promise<void>
  /** Its series streams say a word at the start, and one when this is called. */
  endStreams(): void
}

async function startStore(address: string, graceMs = 0): Promise<RunningStore> {
  const { promise, resolve: endStreams } = Promise.withResolvers<void>()
  const api: StoreApi = {
    info: async () => ({ labelSets: [], componentType: address }),
    labelNames: async () => ({ values: [], warnings: [] }),
    labelValues: async () => ({ values: [], warnings: [] }),
    async *series() {
      yield { kind: 'warning', warning: 'first' }
      await promise
      yield { kind: 'warning', warning: 'last' }
    },
  }
  const { signal } = new AbortController()
  const common = { registry: new Registry(), probe: new Probe(), logger: createLogger({ level: 'silent' }) }
  const server = await startGrpc({ address, signal, graceMs, ...common }, storeService(api))
  cleanups.push(() => server.close())
  return { close: () => server.close(), endStreams }
}

/** A name of this process: it leads to `host`, and is unknown where there is none. */
function nameStore(host: string): { host: string | undefined } {
  const name: { host: string | undefined } = { host }
  const realLookup = dns.promises.lookup
  vi.spyOn(dns.promises, 'lookup').mockImplementation((async (asked: string, options: dns.LookupOptions) => {
    if (asked !== 'moving.test') return realLookup(asked, options)
    if (name.host === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${asked}`), { code: 'ENOTFOUND' })
    return [{ address: name.host, family: 4 }]
  }) as typeof realLookup)
  return name
}

function openClient(port: number): StoreClient {
  const client = createStoreClient(`moving.test:${port}`)
  cleanups.push(() => client.close())
  return client
}

/** A client that has been answered by a store at 127.0.0.2. */
async function connected() {
  const port = await freePort()
  const name = nameStore('127.0.0.2')
  const before = await startStore(`127.0.0.2:${port}`)
  const client = openClient(port)
  expect(await askWithin(client, 5_000)).toBe(`127.0.0.2:${port}`)
  return { port, name, before, client }
}

/** Asks again and again, as a querier does, until it is answered or the time is over. */
async function askWithin(client: StoreClient, limitMs: number): Promise<string | undefined> {
  const deadlineMs = Date.now() + limitMs
  for (;;) {
    const found = await client.info(AbortSignal.timeout(1_000)).catch(() => undefined)
    if (found !== undefined || Date.now() > deadlineMs) return found?.componentType
    await sleep(100)
  }
}

async function blackHole(host: string, port: number): Promise<void> {
  const hole = await openBlackHole(host, port)
  cleanups.push(() => hole.close())
}

test('a store whose name leads to another address is found there within seconds', { timeout: 60_000 }, async () => {
  const { port, name, before, client } = await connected()

  await before.close()
  name.host = '127.0.0.3'
  await startStore(`127.0.0.3:${port}`)
  // Less than the half minute for which grpc-js would go on with what the name meant before.
  expect(await askWithin(client, 20_000)).toBe(`127.0.0.3:${port}`)
})

test('a store that is gone, its name with it, fails at once and is found again', { timeout: 60_000 }, async () => {
  const { port, name, before, client } = await connected()

  await before.close()
  await blackHole('127.0.0.2', port)
  name.host = undefined
  await expect(client.info(AbortSignal.timeout(2_000))).rejects.toMatchObject({ code: 'unavailable' })
  await sleep(1_000)
  name.host = '127.0.0.3'
  await startStore(`127.0.0.3:${port}`)
  expect(await askWithin(client, 10_000)).toBe(`127.0.0.3:${port}`)
})

test('an address where nothing answers is given up, and the name looked up again', { timeout: 60_000 }, async () => {
  const port = await freePort()
  const name = nameStore('127.0.0.2')
  await blackHole('127.0.0.2', port)
  const client = openClient(port)
  await expect(client.info(AbortSignal.timeout(10_000))).rejects.toMatchObject({
    code: 'unavailable',
    message: `cannot call Info of moving.test:${port}: no connection within 4 s`,
  })

  const asked = client.info(AbortSignal.timeout(10_000))
  await sleep(500)
  name.host = '127.0.0.3'
  await startStore(`127.0.0.3:${port}`)
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' })
  expect(await askWithin(client, 2_000)).toBe(`127.0.0.3:${port}`)
})

test('a peer that takes connections and says nothing is given up, its connection closed', async () => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  cleanups.push(() => silent.close())
  const client = createStoreClient(`127.0.0.1:${portOf(silent)}`)
  cleanups.push(() => client.close())
  await expect(client.info(AbortSignal.timeout(10_000))).rejects.toMatchObject({ code: 'unavailable' })
  await vi.waitFor(() => expect(sockets.map(({ closed }) => closed)).toEqual([true]))
})

test('a stream goes on that a store still ends while calls go to its new address', { timeout: 30_000 }, async () => {
  const port = await freePort()
  const name = nameStore('127.0.0.2')
  const before = await startStore(`127.0.0.2:${port}`, 20_000)
  const client = openClient(port)
  const responses = client.series({ minTime: 0, maxTime: 1, matchers: [] }, AbortSignal.timeout(20_000))
  const stream = responses[Symbol.asyncIterator]()
  expect(await stream.next()).toMatchObject({ value: { warning: 'first' } })

  const closed = before.close()
  name.host = '127.0.0.3'
  await startStore(`127.0.0.3:${port}`)
  expect(await askWithin(client, 10_000)).toBe(`127.0.0.3:${port}`)
  before.endStreams()
  expect(await stream.next()).toMatchObject({ value: { warning: 'last' } })
  expect(await stream.next()).toMatchObject({ done: true })
  await closed
})
