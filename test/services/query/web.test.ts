// Page and API below prefixes, redirects, CORS, and the lines of logged requests.
// Subject: services/query/web.ts, config-web.ts, lib/kit/request-logging.ts. Owns no state: each test has its server.
import { type FastifyInstance, fastify } from 'fastify'
import { describe, expect, test } from 'vitest'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { parseRequestLogging } from '../../../lib/kit/request-logging.ts'
import type { QueryBackend } from '../../../services/query/api/backend.ts'
import { checkFlags, flags } from '../../../services/query/config.ts'
import { registerWeb } from '../../../services/query/web.ts'

const backend = { stores: () => ({}), flags: () => ({ a: 'b' }) } as unknown as QueryBackend

/** A server with these flags, and the lines that it logs. */
async function serve(
  args: readonly string[],
  loggingYaml = '',
  storesAsked = Promise.resolve(),
): Promise<{ app: FastifyInstance; lines: string[] }> {
  const values = checkFlags(parseFlags('query', '', flags, args))
  const lines: string[] = []
  const logger = createLogger({ level: 'debug', sink: { write: (line) => lines.push(line) } })
  const app = fastify()
  const logging = parseRequestLogging(loggingYaml)
  app.register(async (scope) => registerWeb(scope, backend, { values, api: values, logging, logger, storesAsked }))
  await app.ready()
  return { app, lines }
}

const get = async (app: FastifyInstance, url: string, headers: Record<string, string> = {}) => {
  const { statusCode, headers: said, body } = await app.inject({ url, headers })
  return { status: statusCode, location: said.location, cors: said['access-control-allow-origin'], body }
}

test('without a prefix all is at the root', async () => {
  const { app } = await serve([])
  expect(await get(app, '/')).toMatchObject({ status: 200, body: expect.stringContaining('href="metrics"') })
  expect(await get(app, '/graph')).toMatchObject({ status: 200 })
  expect(await get(app, '/api/v1/status/flags')).toMatchObject({ status: 200, cors: '*' })
})

test('what is asked before the stores have been asked waits for them', async () => {
  const asked = Promise.withResolvers<void>()
  const { app } = await serve([], '', asked.promise)
  let answered = false
  const answer = get(app, '/api/v1/status/flags').finally(() => {
    answered = true
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(answered).toBe(false)
  asked.resolve()
  expect(await answer).toMatchObject({ status: 200 })
})

describe('prefixes', () => {
  test('API and page are below --web.route-prefix, and nowhere else; both of its spellings lead to the page', async () => {
    const { app } = await serve(['--web.route-prefix=mnemo/q/'])
    const page = await get(app, '/mnemo/q/')
    expect(page.status).toBe(200)
    // A link is relative to the page's folder; probes and metrics are not below it.
    expect(page.body).toContain('href="api/v1/stores"')
    expect(page.body).not.toMatch(/href="(?:\/|metrics|-)/)
    expect(await get(app, '/mnemo/q/api/v1/status/flags')).toMatchObject({ status: 200 })
    expect(await get(app, '/api/v1/status/flags')).toMatchObject({ status: 404 })
    for (const url of ['/', '/mnemo/q'])
      expect(await get(app, url)).toMatchObject({ status: 302, location: '/mnemo/q/' })
  })

  test('--web.external-prefix is the route prefix too, and where redirects lead', async () => {
    const { app } = await serve(['--web.external-prefix=/outside'])
    expect(await get(app, '/outside/api/v1/status/flags')).toMatchObject({ status: 200 })
    const stripped = await serve(['--web.external-prefix=/outside', '--web.route-prefix=/inside'])
    expect(await get(stripped.app, '/inside/')).toMatchObject({ status: 200 })
    expect(await get(stripped.app, '/')).toMatchObject({ location: '/outside/' })
  })

  test('--web.prefix-header says it where it is a path, and never leads elsewhere', async () => {
    const { app } = await serve(['--web.route-prefix=/in', '--web.prefix-header=X-Forwarded-Prefix'])
    const location = async (prefix: string) => (await get(app, '/', { 'x-forwarded-prefix': prefix })).location
    expect(await location('/proxied/')).toBe('/proxied/')
    for (const bad of ['https://evil.example', '//evil.example/\\', 'a?b', 'a b'])
      expect(await location(bad)).toBe('/in/')
    expect(await location('//evil.example')).toBe('/evil.example/')
  })

  test.each(['https://x/', '/a b', '/a?b'])('%s is none', async (prefix) => {
    await expect(serve([`--web.route-prefix=${prefix}`])).rejects.toMatchObject({ code: 'config' })
  })
})

test('--web.disable-cors', async () => {
  const { app } = await serve(['--web.disable-cors'])
  expect(await get(app, '/api/v1/status/flags')).toMatchObject({ status: 200, cors: undefined })
})

describe('requests are logged', () => {
  const both = '{log_start: true, log_end: true}'
  const ask = async (yaml: string, ...urls: string[]) => {
    const { app, lines } = await serve([], yaml)
    for (const url of urls) await get(app, url, { host: 'mnemo:10902', 'x-request-id': 'r1' })
    return lines
  }

  test('at start and end, with method, status, time and who asked', async () => {
    const lines = await ask(`options: {level: DEBUG, decision: ${both}}`, '/api/v1/status/flags?a=b')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(
      /level=debug msg="started call" .*http\.method="GET \/api\/v1\/status\/flags\?a=b" http\.request_id=r1/,
    )
    expect(lines[1]).toMatch(
      /msg="finished call" .*http\.status_code=200 http\.time_ms=[\d.]+ http\.remote_addr=127\.0\.0\.1/,
    )
    expect(lines[1]).toContain('thanos.method_name=status/flags')
  })

  test('the end alone, where the level lets it pass; errors always', async () => {
    expect(await ask('options: {level: DEBUG, decision: {log_end: true}}', '/')).toHaveLength(1)
    expect(await ask(`options: {level: ERROR, decision: ${both}}`, '/')).toEqual([])
    const [line] = await ask(`options: {level: ERROR, decision: ${both}}`, '/api/v1/status/runtimeinfo', '/api/v1/stores?x', '/api/v1/status/active_queries') // biome-ignore format: one line
    expect(line).toMatch(/level=error msg="finished call" .*http\.status_code=500/)
  })

  test('of the paths and ports that are named; options of http come first', async () => {
    const yaml = `
http:
  config: [{path: /api/v1/status/flags, port: 10902}, {path: /, port: 1}]
  options: {level: DEBUG, decision: {log_end: true}}
options: {level: ERROR, decision: {log_end: false}}`
    expect(await ask(yaml, '/', '/api/v1/status/flags?x=y')).toHaveLength(1)
  })

  test('nothing without a configuration; a wrong one is named', async () => {
    expect(await ask('', '/')).toEqual([])
    expect(await ask('options: {level: DEBUG}', '/')).toEqual([])
    for (const wrong of ['options: {level: LOUD}', 'http: {config: 5}', 'unknown: 1', 'a: [', `options: {level: INFO, decision: {log_start: true}}`]) // biome-ignore format: one line
      expect(() => parseRequestLogging(wrong)).toThrow(/^cannot use the request logging configuration/)
  })
})
