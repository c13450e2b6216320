// An S3 server that comes back under another address while nothing answers at the old one, not even to refuse.
// Subject: connections of lib/objstore/s3-client.ts. Owns a server that knows one object; the name is one of this process.
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { createBucket } from '../../../lib/objstore/config.ts'
import { openBlackHole } from '../../support/black-hole.ts'
import { freePort } from '../../support/free-port.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  vi.restoreAllMocks()
})

test('a request finds the server at its new address within seconds', { timeout: 60_000 }, async () => {
  const port = await freePort()
  let host = '127.0.0.2'
  const realLookup = dns.lookup
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, options: dns.LookupOptions, done: LookupDone) => {
    if (name !== 'moving.test') return realLookup(name, options as dns.LookupAllOptions, done)
    done(null, [{ address: host, family: 4 }])
  }) as typeof realLookup)
  const hole = await openBlackHole(host, port)
  cleanups.push(() => hole.close())
  const server = createServer((_request, response) => response.writeHead(200, { etag: '"1"' }).end())
  server.listen(port, '127.0.0.3')
  await once(server, 'listening')
  cleanups.push(() => server.close())

  const bucket = await createBucket(`
    type: S3
    config: {bucket: metrics, endpoint: 'moving.test:${port}', insecure: true, access_key: a, secret_key: b}`)
  cleanups.push(() => bucket.close())
  const startMs = performance.now()
  const asked = bucket.exists('object')
  await sleep(1_000)
  host = '127.0.0.3'
  expect(await asked).toBe(true)
  // It went to the old address first, and gave up there in a sixth of the half minute that a connection may be waited for.
  expect(performance.now() - startMs).toBeGreaterThan(4_000)
  expect(performance.now() - startMs).toBeLessThan(15_000)
})

type LookupDone = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void
