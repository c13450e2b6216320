// The parser against Prometheus's own: its messages for wrong queries, its text for right ones, and both forms read back.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MnemoError } from '../../../../lib/kit/errors.ts'
import { formatExpr, prettifyExpr } from '../../../../lib/promql/parse/format.ts'
import { parseExpr } from '../../../../lib/promql/parse/parser.ts'

interface Case {
  readonly query: string
  readonly error?: string
  readonly string?: string
  readonly pretty?: string
}

function cases(name: string): Case[] {
  const url = new URL(`../../../golden/promql-parse/${name}.jsonl`, import.meta.url)
  const lines = readFileSync(url, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Case)
}

test.each(cases('errors'))('$query', ({ query, error }) => {
  let thrown: unknown
  try {
    parseExpr(query)
  } catch (e) {
    thrown = e
  }
  expect(thrown).toBeInstanceOf(MnemoError)
  expect({ code: (thrown as MnemoError).code, error: (thrown as MnemoError).message }).toEqual({
    code: 'bad_data',
    error,
  })
})

test.each(cases('accepted'))('$query', ({ query, string, pretty }) => {
  const expr = parseExpr(query)
  expect(formatExpr(expr)).toBe(string)
  expect(prettifyExpr(expr)).toBe(pretty ?? string)
  expect(formatExpr(parseExpr(prettifyExpr(expr)))).toBe(string)
})
