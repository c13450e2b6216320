// The HTTP server that is loaded when somebody connects: the same answers, the same end, whether it was asked or not.
// Subject: startHttpWhenAsked() of lib/kit/http-when-asked.ts. Owns its servers.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startHttpWhenAsked } from '../../../lib/kit/http-when-asked.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())))

async function start(address = '127.0.0.1:0') {
  const probe = new Probe()
  const abort = new AbortController()
  const logger = createLogger({ level: 'silent' })
  const options = { address, registry: createRegistry(), probe, logger, signal: abort.signal, graceMs: 60_000 }
  const server = await startHttpWhenAsked(options)
  stops.push(() => server.close())
  return { server, probe, abort }
}

async function get(address: string, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${address}${path}`)
  return { status: response.status, text: await response.text() }
}

test('the first connections are answered, all of them, and those that follow', async () => {
  const { server, probe } = await start()
  const first = await Promise.all(['/-/healthy', '/-/ready', '/metrics'].map((path) => get(server.address, path)))
  expect(first.map(({ status }) => status)).toEqual([200, 503, 200])
  expect(first[2]!.text).toMatch(/^process_resident_memory_bytes \d/m)
  probe.ready()
  expect(await get(server.address, '/-/ready')).toEqual({ status: 200, text: 'OK' })
  expect((await get(server.address, '/metrics')).text).toContain(
    'http_requests_total{code="200",handler="/-/ready",method="get"} 1',
  )
})

test('nobody has asked: it ends at once, and the port is free', async () => {
  const { server, abort } = await start()
  abort.abort()
  await server.close()
  await expect(get(server.address, '/-/healthy')).rejects.toThrow()
  await start(server.address)
})

test('connections that have asked nothing, one from before and one from after it was loaded, do not hold up the end', async () => {
  const { server } = await start()
  const sockets = [connect(server.port, '127.0.0.1')]
  await once(sockets[0]!, 'connect')
  await get(server.address, '/-/healthy')
  sockets.push(connect(server.port, '127.0.0.1'))
  await once(sockets[1]!, 'connect')
  const closed = sockets.map((socket) => once(socket.resume(), 'close'))
  await server.close()
  await Promise.all(closed)
  await expect(get(server.address, '/-/healthy')).rejects.toThrow()
})

test('an address that is taken is a configuration error', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  stops.push(async () => taken.close())
  const { port } = taken.address() as { port: number }
  await expect(start(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'config' })
})
