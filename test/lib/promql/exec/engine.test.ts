// The engine's front: limits, cancelling, kernel memory, hints, what it refuses.
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../../lib/kernels/instance.ts'
import { MnemoError } from '../../../../lib/kit/errors.ts'
import { labelsOf } from '../../../../lib/labels/labels.ts'
import { type ExecuteOptions, execute, warmUp } from '../../../../lib/promql/exec/engine.ts'
import { parseExpr } from '../../../../lib/promql/parse/parser.ts'
import { histogramAt } from '../../../support/histogram-queryable.ts'
import { MemoryQueryable } from '../../../support/memory-queryable.ts'

const kernels = createKernels()
const minuteMs = 60_000

function counters(series: number): MemoryQueryable {
  const queryable = new MemoryQueryable()
  for (let s = 0; s < series; s++) {
    const samples = Array.from({ length: 60 }, (_, i) => ({ timeMs: i * 15_000, value: i * (s + 1) }))
    queryable.add(labelsOf({ __name__: 'x_total', host: `h${s}`, zone: `z${s % 3}` }), samples)
  }
  return queryable
}

function run(query: string, options: Partial<ExecuteOptions> = {}) {
  return execute({
    query,
    expr: parseExpr(query, { experimentalFunctions: true }),
    startMs: 0,
    endMs: 10 * minuteMs,
    stepMs: minuteMs,
    queryable: counters(9),
    kernels,
    signal: new AbortController().signal,
    ...options,
  })
}

describe('what a query is told', () => {
  test('a range query with an instant vector is a matrix by labels', async () => {
    const result = await run('sum by (zone) (x_total)', { endMs: minuteMs })
    expect(result).toMatchObject({ type: 'matrix', warnings: [], infos: [] })
    if (result.type !== 'matrix') throw new Error('no matrix')
    expect(result.series.map((s) => s.labels)).toEqual([
      ['zone', 'z0'],
      ['zone', 'z1'],
      ['zone', 'z2'],
    ])
    expect([...result.series[0]!.values]).toEqual([0, 48])
  })

  test('a range query of a range vector is refused', async () => {
    const message = 'invalid expression type "range vector" for range query, must be Scalar or instant Vector'
    await expect(run('x_total[5m]')).rejects.toMatchObject({ code: 'bad_data', message })
  })

  test('hints tell the window, the function and the grouping', async () => {
    const queryable = counters(1)
    await run('sum by (zone) (x_total offset 1m) / rate(x_total[5m])', { queryable })
    expect(queryable.selects.map(({ hints }) => hints)).toEqual([
      {
        minTime: -6 * minuteMs + 1,
        maxTime: 9 * minuteMs,
        stepMs: minuteMs,
        rangeMs: 0,
        func: 'sum',
        grouping: { labels: ['zone'], without: false },
        projection: { labels: ['__name__', '__type__', '__unit__', 'zone'], without: false },
      },
      { minTime: -5 * minuteMs + 1, maxTime: 10 * minuteMs, stepMs: minuteMs, rangeMs: 5 * minuteMs, func: 'rate' },
    ])
  })

  test('a native histogram fails by its name', async () => {
    const queryable = counters(1)
    queryable.addUnreadable(labelsOf({ __name__: 'x_total', kind: 'native' }), [minuteMs], 'histogram chunks')
    await expect(run('sum(x_total)', { queryable })).rejects.toMatchObject({
      code: 'unsupported',
      message: /histogram/,
    })
  })
})

test('with delayed name removal, labels that φ makes equal at one time are looked for at the end of the query', async () => {
  const queryable = new MemoryQueryable()
  for (const le of ['1', '+Inf']) queryable.add(labelsOf({ __name__: 'x_bucket', le }), [{ timeMs: 0, value: 9 }])
  const doubled = 'histogram_quantiles(x_bucket, "q", 1, 1)'
  const once = { queryable, endMs: 0, stepMs: 0 }
  const delayed = { queryable, delayedNameRemoval: true }
  expect(await run(`count(${doubled})`, { ...once, ...delayed })).toMatchObject({ samples: [{ value: 2 }] })
  const refusal = { code: 'execution', message: 'vector cannot contain metrics with the same labelset' }
  await expect(run(doubled, { ...once, ...delayed })).rejects.toMatchObject(refusal)
  await expect(run(`count(${doubled})`, once)).rejects.toMatchObject(refusal)
  await expect(run(`count(${doubled})`, delayed)).rejects.toMatchObject(refusal)
})

test('the time of a last sample before 1970 is that of a native histogram too', async () => {
  const before = { startMs: -minuteMs, endMs: -minuteMs, stepMs: 0, queryable: histogramAt(-2 * minuteMs) }
  expect(await run('ts_of_last_over_time(x[5m])', before)).toMatchObject({ samples: [{ value: -120 }] })
})

describe('limits', () => {
  const tooMany = 'query processing would load too many samples into memory in query execution'

  test.each(['x_total', 'topk(3, x_total)', 'x_total + x_total'])(
    '%s holds more samples than it may',
    async (query) => {
      await expect(run(query, { maxSamples: 70 })).rejects.toMatchObject({ code: 'execution', message: tooMany })
    },
  )

  test('an aggregation holds its groups alone', async () => {
    const result = await run('sum(rate(x_total[5m]))', { maxSamples: 70 })
    expect(result.type).toBe('matrix')
  })

  test('kernel memory follows groups, and is as it was afterwards', async () => {
    const before = kernels.mark()
    await run('sum by (zone) (rate(x_total[5m]))', { queryable: counters(50) })
    const { byteLength } = kernels.memory.buffer
    await run('sum by (zone) (rate(x_total[5m]))', { queryable: counters(2000) })
    expect(kernels.memory.buffer.byteLength).toBe(byteLength)
    expect(kernels.mark()).toBe(before)
  })

  test('kernels belong to one query at a time, and come free after a failure', async () => {
    const first = run('x_total')
    await expect(run('x_total')).rejects.toMatchObject({ code: 'internal' })
    await first
    await expect(run('x_total', { maxSamples: 1 })).rejects.toBeInstanceOf(MnemoError)
    await run('x_total')
  })
})

describe('cancelling', () => {
  test('an abort ends the query between two series', async () => {
    const controller = new AbortController()
    const queryable = counters(9)
    const select = queryable.select.bind(queryable)
    queryable.select = (...args) => {
      controller.abort()
      return select(...args)
    }
    await expect(run('sum(x_total)', { queryable, signal: controller.signal })).rejects.toThrow()
  })

  test('a deadline keeps its own code', async () => {
    const signal = AbortSignal.abort(new MnemoError('timeout', 'query timed out in query execution'))
    await expect(run('sum(x_total)', { signal })).rejects.toMatchObject({ code: 'timeout' })
  })
})

test('warming up leaves the kernels as they were', () => {
  const before = kernels.mark()
  warmUp(kernels)
  expect(kernels.mark()).toBe(before)
})
