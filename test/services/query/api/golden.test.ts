// Prometheus's own answers where the API layer alone decides them: wrong parameters, wrong queries, format_query, parse_query, unknown paths.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apiOver, fakeBackend, url } from './fake-backend.ts'

interface Golden {
  readonly path: string
  readonly params: Record<string, string | string[]>
  readonly status: number
  readonly contentType: string
  readonly answer: unknown
}

const folder = new URL('../../../golden/answers/default/', import.meta.url)
/** Of the folder's answers, those that need no data. */
const decidedHere = /^(err-(?!dup-series)|format-query|parse-query|not-found|timeout-bad|values-bad-name|series-none)/
const files = readdirSync(folder).filter((file) => decidedHere.test(file))

test('there are such answers', () => expect(files.length).toBeGreaterThan(15))

test.each(files)('%s', async (file) => {
  const golden = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Golden
  const backend = fakeBackend()
  const app = await apiOver(backend)
  for (const method of golden.path.includes('/label/') ? (['GET'] as const) : (['GET', 'POST'] as const)) {
    const form = new URLSearchParams(url('', golden.params).slice(1)).toString()
    const response =
      method === 'GET'
        ? await app.inject({ method, url: url(golden.path, golden.params) })
        : await app.inject({
            method,
            url: golden.path,
            payload: form,
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
          })
    const answer = golden.contentType.startsWith('text/') ? response.body : response.json()
    expect({ status: response.statusCode, contentType: response.headers['content-type'], answer }).toEqual({
      status: golden.status,
      contentType: golden.contentType,
      answer: golden.answer,
    })
  }
  expect(backend.queries).toEqual([])
})
