// The gate: how many run at once, who is next, who leaves the queue.
import { expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { QueryGate } from '../../../services/query/gate.ts'

const never = new AbortController().signal

function started(gate: QueryGate, signal = never) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const state = { running: false, end: resolve, done: Promise.resolve() }
  state.done = gate.run(signal, () => {
    state.running = true
    return promise
  })
  return state
}

const tick = () => new Promise((resolve) => setImmediate(resolve))

test('no more than the maximum run, the others in their order', async () => {
  const gate = new QueryGate(2, createRegistry())
  const jobs = [started(gate), started(gate), started(gate), started(gate)]
  const running = () => jobs.map((job) => job.running)
  await tick()
  expect(running()).toEqual([true, true, false, false])
  jobs[1]!.end()
  await tick()
  expect(running()).toEqual([true, true, true, false])
  for (const job of jobs) job.end()
  await Promise.all(jobs.map((job) => job.done))
  expect(running()).toEqual([true, true, true, true])
})

test('who is aborted leaves the queue, and no one else does', async () => {
  const gate = new QueryGate(1, createRegistry())
  const abort = new AbortController()
  const first = started(gate)
  const second = started(gate, abort.signal)
  const third = started(gate)
  await tick()
  abort.abort(new MnemoError('timeout', 'too long'))
  await expect(second.done).rejects.toMatchObject({ code: 'timeout' })
  first.end()
  await tick()
  expect(third.running).toBe(true)
  third.end()
  await third.done
  await expect(started(gate, abort.signal).done).rejects.toMatchObject({ code: 'timeout' })
})

test('a failing job leaves its place; the metrics tell', async () => {
  const registry = createRegistry()
  const gate = new QueryGate(1, registry)
  await expect(gate.run(never, () => Promise.reject(new MnemoError('execution', 'no')))).rejects.toThrow('no')
  const job = started(gate)
  await tick()
  const waiting = started(gate)
  await tick()
  expect(await registry.metrics()).toMatch(/^thanos_query_concurrent_gate_queries_in_flight 1$/m)
  expect(await registry.metrics()).toMatch(/^mnemo_query_gate_queries_waiting 1$/m)
  job.end()
  await job.done
  waiting.end()
  await waiting.done
  const text = await registry.metrics()
  expect(text).toMatch(/^thanos_query_concurrent_gate_queries_in_flight 0$/m)
  expect(text).toMatch(/^mnemo_query_gate_queries_waiting 0$/m)
  expect(text).toMatch(/^thanos_query_concurrent_gate_queries_max 1$/m)
  expect(text).toMatch(/^thanos_query_concurrent_gate_queries_total 3$/m)
})
