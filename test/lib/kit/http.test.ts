// The HTTP server: probes, metrics, errors, an address that is taken, and draining.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { startHttp } from '../../../lib/kit/http.ts'
import type { HttpOptions, HttpServer } from '../../../lib/kit/http-listening.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())))

interface Running {
  server: HttpServer
  probe: Probe
  abort: AbortController
  get: (path: string) => Promise<{ status: number; text: string }>
}

async function start(configure: Parameters<typeof startHttp>[1], options: Partial<HttpOptions> = {}): Promise<Running> {
  const probe = new Probe()
  const abort = new AbortController()
  const server = await startHttp(
    {
      address: '127.0.0.1:0',
      registry: createRegistry(),
      probe,
      logger: createLogger({ level: 'silent' }),
      signal: abort.signal,
      graceMs: 2000,
      ...options,
    },
    configure,
  )
  stops.push(() => server.close())
  const get = async (path: string) => {
    const response = await fetch(`http://${server.address}${path}`)
    return { status: response.status, text: await response.text() }
  }
  return { server, probe, abort, get }
}

test('healthy from the start, ready when told', async () => {
  const { probe, get } = await start(() => {})
  expect(await get('/-/healthy')).toEqual({ status: 200, text: 'OK' })
  expect(await get('/-/ready')).toEqual({ status: 503, text: 'NOT OK: starting' })
  probe.ready()
  expect(await get('/-/ready')).toEqual({ status: 200, text: 'OK' })
  probe.notHealthy('the disk is full')
  expect(await get('/-/healthy')).toEqual({ status: 503, text: 'NOT OK: the disk is full' })
})

test('metrics of the process and of requests', async () => {
  const { get } = await start((app) => {
    app.get('/api/v1/query', { config: { handler: 'query' } }, async () => 'x')
    app.get('/labels/:name', async () => 'x')
  })
  await get('/api/v1/query?query=up')
  await get('/labels/a')
  await get('/nothing')
  const { text } = await get('/metrics')
  expect(text).toMatch(/^mnemo_build_info\{version="[\d.]+",/m)
  expect(text).toMatch(/^process_resident_memory_bytes \d/m)
  expect(text).toContain('http_requests_total{code="200",handler="query",method="get"} 1')
  expect(text).toContain('http_requests_total{code="200",handler="/labels/:name",method="get"} 1')
  expect(text).toContain('http_requests_total{code="404",handler="none",method="get"} 1')
  expect(text).toContain('http_request_duration_seconds_count{code="200",handler="query",method="get"} 1')
})

test('an error with a code has its status; a service may answer errors itself', async () => {
  const { get } = await start((app) => {
    app.get('/known', async () => {
      throw new MnemoError('not_found', 'cannot find block')
    })
    app.get('/bug', async () => {
      throw new TypeError('x')
    })
    app.register(async (scope) => {
      scope.setErrorHandler((_error, _request, reply) => reply.code(418).send('own'))
      scope.get('/own', async () => {
        throw new Error('x')
      })
    })
  })
  expect(await get('/known')).toEqual({ status: 404, text: 'cannot find block' })
  expect((await get('/bug')).status).toBe(500)
  expect(await get('/own')).toEqual({ status: 418, text: 'own' })
})

test('an address that is taken or none is a configuration error', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : 0
  await expect(start(() => {}, { address: `127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'config' })
  await expect(start(() => {}, { address: 'localhost' })).rejects.toMatchObject({ code: 'config' })
  await expect(start(() => {}, { address: '1.2.3.4:99999' })).rejects.toMatchObject({ code: 'config' })
  await new Promise((resolve) => taken.close(resolve))
})

test('running requests end after the signal, new ones are refused', async () => {
  const reached = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const { get, abort, server } = await start((app) => {
    app.get('/slow', async () => {
      reached.resolve()
      await release.promise
      return 'done'
    })
  })
  const slow = get('/slow')
  await reached.promise
  abort.abort()
  await expect(get('/-/healthy')).rejects.toThrow()
  release.resolve()
  expect(await slow).toEqual({ status: 200, text: 'done' })
  await server.close()
})

test('requests that outlive the grace period are cut', async () => {
  const reached = Promise.withResolvers<void>()
  const { get, server } = await start(
    (app) => {
      app.get('/stuck', () => {
        reached.resolve()
        return new Promise(() => {})
      })
    },
    { graceMs: 50 },
  )
  const stuck = get('/stuck')
  await reached.promise
  await Promise.all([expect(stuck).rejects.toThrow(), server.close()])
})

test('a connection that a browser opened ahead does not hold up the end', async () => {
  const { server } = await start(() => {}, { graceMs: 60_000 })
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket.resume(), 'close')
  await server.close()
  await closed
})
