// A store that comes back under another address, as a container or a pod does: its name leads there, and the connection follows.
// Subject: channelOptions() of lib/kit/grpc.ts. Owns its servers; the name is one that this process alone resolves.
import dns from 'node:dns'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { createStoreClient } from '../../../lib/storeapi/client.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import type { StoreApi } from '../../../lib/storeapi/types.ts'
import { freePort } from '../../support/free-port.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  vi.restoreAllMocks()
})

async function startStore(address: string): Promise<{ close(): Promise<void> }> {
  const api: StoreApi = {
    info: async () => ({ labelSets: [], componentType: address }),
    labelNames: async () => ({ values: [], warnings: [] }),
    labelValues: async () => ({ values: [], warnings: [] }),
    async *series() {},
  }
  const { signal } = new AbortController()
  const common = { registry: new Registry(), probe: new Probe(), logger: createLogger({ level: 'silent' }) }
  const server = await startGrpc({ address, signal, graceMs: 0, ...common }, storeService(api))
  cleanups.push(() => server.close())
  return { close: () => server.close() }
}

test('a store whose name leads to another address is found there within seconds', { timeout: 60_000 }, async () => {
  const port = await freePort()
  let host = '127.0.0.2'
  const realLookup = dns.promises.lookup
  vi.spyOn(dns.promises, 'lookup').mockImplementation((async (name: string, options: dns.LookupOptions) =>
    name === 'moving.test' ? [{ address: host, family: 4 }] : realLookup(name, options)) as typeof realLookup)
  const before = await startStore(`${host}:${port}`)
  const client = createStoreClient(`moving.test:${port}`)
  cleanups.push(() => client.close())
  expect(await client.info(AbortSignal.timeout(5_000))).toMatchObject({ componentType: `127.0.0.2:${port}` })

  await before.close()
  host = '127.0.0.3'
  await startStore(`${host}:${port}`)
  // Less than the half minute for which grpc-js would go on with what the name meant before.
  const deadlineMs = Date.now() + 20_000
  const ask = () => client.info(AbortSignal.timeout(1_000)).catch(() => undefined)
  let found = await ask()
  for (; found === undefined && Date.now() < deadlineMs; found = await ask()) await sleep(100)
  expect(found).toMatchObject({ componentType: `127.0.0.3:${port}` })
})
