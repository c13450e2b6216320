// docs/http-api.md lists routes that there are, each by the methods that it takes.
// Subject: the page, against the routes that the querier registers. Owns nothing.
import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import type { QueryBackend } from '../../services/query/api/backend.ts'
import type { PeerSource } from '../../services/query/api/peers.ts'
import { registerApi } from '../../services/query/api/routes.ts'

const page = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8')

/** `GET /query` … of the page's table. */
function documented(): string[] {
  return [...page.matchAll(/^\| (`\/[^|]+) \| ([A-Z, ]+) \|/gm)].flatMap(([, paths, methods]) =>
    [...paths!.matchAll(/`([^`]+)`/g)].flatMap(([, path]) => methods!.split(', ').map((method) => `${method} ${path}`)),
  )
}

test('each route is on the page, and each on the page is there', async () => {
  const served: string[] = []
  const app = fastify()
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat())
      if (one !== 'HEAD' && one !== 'OPTIONS') served.push(`${one} ${url.replace('/api/v1', '')}`)
  })
  registerApi(app, {} as QueryBackend, { replicaLabels: [], partialResponse: true, peers: {} as PeerSource })
  await app.ready()
  expect(documented().length).toBeGreaterThan(20)
  expect(documented().sort()).toEqual(served.sort())
})
