// Every query of Prometheus's conformance scripts parses, and its text reads back as the same tree.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatExpr } from '../../../../lib/promql/parse/format.ts'
import { parseExpr } from '../../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../../lib/promql/parse/token-stream.ts'

const folder = new URL('../../../../../shared/promqltest/', import.meta.url)
const evaluation = /^eval(?:_\w+)?\s+(?:instant\s+(?:at\s+\S+\s+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+\s+)(.*)$/

if (!existsSync(folder)) console.log('../shared/promqltest is missing: left out, whether each of its queries parses')

test.skipIf(!existsSync(folder))('queries of ../shared/promqltest', () => {
  let parsed = 0
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.test'))) {
    const lines = readFileSync(new URL(name, folder), 'utf8').split('\n')
    lines.forEach((line, i) => {
      const query = evaluation.exec(line.trim())?.[1]
      if (query === undefined || mayFail(lines, i)) return
      const text = formatExpr(parseExpr(query, everySyntax))
      expect(formatExpr(parseExpr(text, everySyntax)), `${name}:${i + 1}`).toBe(text)
      parsed++
    })
  }
  expect(parsed).toBeGreaterThan(1600)
})

function mayFail(lines: readonly string[], at: number): boolean {
  if (lines[at]!.trim().startsWith('eval_fail')) return true
  for (let i = at + 1; lines[i]?.startsWith('\t') || lines[i]?.startsWith(' '); i++)
    if (/^expect fail/.test(lines[i]!.trim())) return true
  return false
}

if (!existsSync(folder)) console.info('No ../shared/promqltest here: conformance queries were not parsed.')
