// The parser under wrong queries: a tree whose text reads back, or a bad_data with a position; never anything else, and at once.
// By hand with PROMETHEUS=/path of a version 3, QUERIES=100000: accepted and refused in its very words, and its syntax trees.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { asMnemoError } from '../../../../lib/kit/errors.ts'
import { formatExpr, prettifyExpr } from '../../../../lib/promql/parse/format.ts'
import { parseExpr } from '../../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../../lib/promql/parse/token-stream.ts'
import { translateExpr } from '../../../../services/query/api/syntax-tree.ts'
import { type ApiServer, startPrometheus } from '../../../support/cluster.ts'
import { Random, seed } from '../../../support/random.ts'
import { QueryGenerator } from '../../../support/random-queries.ts'
import { wrongQuery } from '../../../support/wrong-queries.ts'

const prometheus = process.env.PROMETHEUS
const queries = Number(process.env.QUERIES ?? 5000)
const conformance = new URL('../../../../../shared/promqltest/', import.meta.url)
const evaluation = /^eval(?:_\w+)?\s+(?:instant\s+(?:at\s+\S+\s+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+\s+)(.*)$/
const features = [
  ...['promql-experimental-functions', 'promql-duration-expr', 'promql-extended-range-selectors'],
  'promql-binop-fill-modifiers',
]

function rightQueries(random: Random): string[] {
  const generator = new QueryGenerator(random, { modern: true })
  return [...Array.from({ length: 300 }, () => generator.query()), ...conformanceQueries()]
}

function conformanceQueries(): string[] {
  if (!existsSync(conformance)) return []
  const lines = readdirSync(conformance).flatMap((name) => readFileSync(new URL(name, conformance), 'utf8').split('\n'))
  return lines.flatMap((line) => evaluation.exec(line.trim())?.[1] ?? [])
}

interface Outcome {
  readonly error?: string
  readonly pretty?: string
  readonly tree?: unknown
}

function own(query: string): Outcome {
  try {
    const expr = parseExpr(query, everySyntax)
    return { pretty: prettifyExpr(expr), tree: translateExpr(expr) }
  } catch (error) {
    const { code, message } = asMnemoError(error)
    expect({ code, query }).toEqual({ code: 'bad_data', query })
    return { error: message }
  }
}

test(`${queries} wrong queries, seed ${seed}`, { timeout: 300_000 }, () => {
  const random = new Random(seed)
  const right = rightQueries(random)
  let refused = 0
  for (let i = 0; i < queries; i++) {
    const query = wrongQuery(random, right)
    const { error } = own(query)
    if (error === undefined) {
      const text = formatExpr(parseExpr(query, everySyntax))
      // An infinite base gets a sign at every writing, in Prometheus too.
      if (!/inf/i.test(text)) expect(formatExpr(parseExpr(text, everySyntax))).toBe(text)
    } else {
      expect(error).toMatch(/^\d+:\d+: |^unknown position|duration/)
      refused++
    }
  }
  expect(refused).toBeGreaterThan(queries / 2)
})

test('a query of a million parentheses, signs or operators is refused or read at once', () => {
  for (const piece of ['(', '-', '[', '{', '1+', 'a or ', '((a)', 'sum(', '!', '"'])
    own(piece.repeat(1_000_000 / piece.length))
})

async function ask(server: ApiServer, endpoint: string, query: string): Promise<{ data?: unknown; error?: string }> {
  const response = await fetch(`${server.url}/api/v1/${endpoint}`, {
    method: 'POST',
    body: new URLSearchParams({ query }),
  })
  return (await response.json()) as { data?: unknown; error?: string }
}

const isModern =
  prometheus !== undefined && !/version [12]\./.test(execFileSync(prometheus, ['--version'], { encoding: 'utf8' }))
if (!isModern)
  console.log('left out: the words of a real Prometheus for wrong queries (PROMETHEUS names none of version 3)')

test.skipIf(!isModern)('the words of a real Prometheus', { timeout: 3_600_000 }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-parse-'))
  const server = await startPrometheus(folder, prometheus, [`--enable-feature=${features.join(',')}`])
  try {
    const random = new Random(seed)
    const right = rightQueries(random)
    const asked = [...right, ...Array.from({ length: queries }, () => wrongQuery(random, right))]
    const differences: unknown[] = []
    // Half a character is none by the time it gets there.
    for (const query of asked.filter((text) => text.isWellFormed())) {
      const got = own(query)
      const { data, error } = await ask(server, 'format_query', query)
      const want: Outcome =
        error === undefined
          ? { pretty: data as string, tree: (await ask(server, 'parse_query', query)).data }
          : { error: error.replace(/^invalid parameter "query": /, '') }
      if (JSON.stringify(sorted(got)) !== JSON.stringify(sorted(want))) differences.push({ query, got, want })
    }
    expect(differences).toEqual([])
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}
