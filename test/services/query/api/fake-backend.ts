// A backend that answers what it is told to, and remembers what it was asked: for tests of the API alone.
import { type FastifyInstance, fastify } from 'fastify'
import { MnemoError } from '../../../../lib/kit/errors.ts'
import type { Labels } from '../../../../lib/labels/labels.ts'
import type { QueryResult } from '../../../../lib/promql/exec/result.ts'
import type { LookupRequest, QueryBackend, QueryRequest } from '../../../../services/query/api/backend.ts'
import { encodeQueryResult } from '../../../../services/query/api/encode.ts'
import { type ApiOptions, registerApi } from '../../../../services/query/api/routes.ts'

export interface FakeBackend extends QueryBackend {
  queries: QueryRequest[]
  ended: string[]
  lookups: (LookupRequest & { label?: string })[]
  result: QueryResult | MnemoError
  names: readonly string[]
  labelSets: readonly Labels[]
  warnings: readonly string[]
}

export function fakeBackend(): FakeBackend {
  const fake: FakeBackend = {
    queries: [],
    ended: [],
    lookups: [],
    result: { type: 'vector', samples: [], warnings: [], infos: [] },
    names: [],
    labelSets: [],
    warnings: [],
    async query(request) {
      fake.queries.push(request)
      if (fake.result instanceof MnemoError) throw fake.result
      return encodeQueryResult(fake.result, request.limit)
    },
    async labelNames(request) {
      fake.lookups.push(request)
      return { values: fake.names, warnings: fake.warnings }
    },
    async labelValues(label, request) {
      fake.lookups.push({ ...request, label })
      return { values: fake.names, warnings: fake.warnings }
    },
    async series(request) {
      fake.lookups.push(request)
      return { values: fake.labelSets, warnings: fake.warnings }
    },
    activeQueries: () => [
      {
        id: '7',
        state: 'running',
        query: 'up',
        startMs: 0,
        endMs: 60_000,
        stepMs: 15_000,
        ageMs: 1500,
        series: 3,
        bytes: 999,
      },
    ],
    endQuery(id) {
      if (id !== '7') throw new MnemoError('not_found', `cannot end query: got id ${id}, want one that is active`)
      fake.ended.push(id)
    },
    stores: () => ({
      store: [
        {
          name: 'store:10901',
          lastCheck: '2023-11-14T22:13:20.000Z',
          lastError: null,
          labelSets: [['replica', 'a']],
          minTime: 0,
          maxTime: 1,
        },
      ],
    }),
    flags: () => ({ 'query.timeout': '2m' }),
  }
  return fake
}

export const nowMs = 1_700_010_003_500

/** A server with the API over the backend, for inject(). */
export async function apiOver(backend: QueryBackend, options: Partial<ApiOptions> = {}): Promise<FastifyInstance> {
  const app = fastify()
  registerApi(app, backend, { replicaLabels: ['replica'], partialResponse: true, now: () => nowMs, ...options })
  await app.ready()
  return app
}

export function url(path: string, params: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    for (const one of typeof value === 'string' ? [value] : value) search.append(name, one)
  return `${path}?${search}`
}
