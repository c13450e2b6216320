// Samples by step as Prometheus counts them: what a step looks at, and what it is the first to read.
import { expect, test } from 'vitest'
import { createKernels } from '../../../../lib/kernels/instance.ts'
import { labelsOf } from '../../../../lib/labels/labels.ts'
import { execute } from '../../../../lib/promql/exec/engine.ts'
import { parseExpr } from '../../../../lib/promql/parse/parser.ts'
import type { Queryable } from '../../../../lib/promql/queryable.ts'
import { histogramAt } from '../../../support/histogram-queryable.ts'
import { MemoryQueryable } from '../../../support/memory-queryable.ts'

const kernels = createKernels()

async function counts(query: string, queryable: Queryable = floats()) {
  const times = { startMs: 60_000, endMs: 120_000, stepMs: 30_000 }
  const signal = new AbortController().signal
  const options = { ...times, queryable, kernels, signal, countSamples: true }
  const expr = parseExpr(query, { experimentalFunctions: true })
  const { total, read } = (await execute({ query, expr, ...options })).sampleCounts!
  return { total: [...total], read: [...read] }
}

function floats(): Queryable {
  const queryable = new MemoryQueryable()
  for (const job of ['a', 'b']) {
    const samples = Array.from({ length: 20 }, (_, i) => ({ timeMs: i * 10_000 + 500, value: i }))
    queryable.add(labelsOf({ __name__: 'x_total', job }), samples)
  }
  return queryable
}

test.each([
  ['x_total', [2, 2, 2], [2, 2, 2]],
  ['x_total + x_total', [4, 4, 4], [4, 4, 4]],
  ['rate(x_total[1m])', [12, 12, 12], [12, 6, 6]],
  ['sum(rate(x_total{job="a"}[20s]))', [2, 2, 2], [2, 2, 2]],
  ['x_total @ 60', [2, 2, 2], [2, 0, 0]],
  ['rate(x_total[1m] @ 60)', [12, 12, 12], [12, 0, 0]],
  ['max_over_time(x_total[1m:30s])', [4, 4, 4], [4, 2, 2]],
  ['1', [0, 0, 0], [0, 0, 0]],
])('%s looks at %j and reads %j', async (query, total, read) => {
  expect(await counts(query)).toEqual({ total, read })
})

test.each([
  ['x', [12, 12, 12]],
  ['timestamp(x)', [1, 1, 1]],
  ['start_timestamp(x)', [1, 1, 1]],
])('a histogram weighs more, but not where its time alone matters: %s', async (query, total) => {
  expect(await counts(query, histogramAt(50_000))).toEqual({ total, read: total })
})
