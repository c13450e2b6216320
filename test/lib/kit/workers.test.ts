// The worker pool: answers, errors with their codes, cancels, deaths and restarts, load.
import { afterEach, describe, expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { WorkerPool } from '../../../lib/kit/workers.ts'

export type Order =
  | { kind: 'double'; value: number }
  | { kind: 'fail' | 'bug' | 'die' | 'crash' }
  | { kind: 'wait' | 'spin'; seen: SharedArrayBuffer }
  | { kind: 'move'; bytes: ArrayBuffer }
  | { kind: 'count'; to: number; seen: SharedArrayBuffer; fails?: boolean }
  | { kind: 'notices' | 'port' }
export interface Answer {
  value: number
  data?: unknown
  bytes?: ArrayBuffer
}

let pool: WorkerPool<Order, Answer> | undefined

function start(size: number, workerData?: unknown): WorkerPool<Order, Answer> {
  pool = new WorkerPool(new URL('./double.worker.ts', import.meta.url), { size, workerData, name: 'doubler' })
  return pool
}

afterEach(() => pool?.close())

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('answers many requests at once, on every worker', async () => {
  const workers = start(2, { greeting: 'hello' })
  const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => workers.run({ kind: 'double', value })))
  expect(answers.map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, i) => i * 2))
  expect(answers[0]?.data).toEqual({ greeting: 'hello' })
  expect(await workers.runOnAll({ kind: 'double', value: 4 })).toMatchObject([{ value: 8 }, { value: 8 }])
  expect(workers.load).toBe(0)
})

test('errors keep their code and say their causes; a bug is internal', async () => {
  const workers = start(1)
  await expect(workers.run({ kind: 'fail' })).rejects.toMatchObject({
    name: 'MnemoError',
    code: 'corrupt',
    message: 'cannot read block: bad checksum',
  })
  await expect(workers.run({ kind: 'bug' })).rejects.toMatchObject({ code: 'internal' })
})

test.each(['wait', 'spin'] as const)('an abort rejects at once and reaches a worker that is in %s', async (kind) => {
  const workers = start(1)
  const seen = new SharedArrayBuffer(8)
  const cells = new Int32Array(seen)
  const abort = new AbortController()
  const run = workers.run({ kind, seen }, { signal: abort.signal })
  if (kind === 'spin') await until(() => Atomics.load(cells, 0) > 0)
  else await workers.run({ kind: 'double', value: 1 })
  abort.abort(new MnemoError('timeout', 'cannot finish: too slow'))
  await expect(run).rejects.toMatchObject({ code: 'timeout' })
  await until(() => Atomics.load(cells, kind === 'spin' ? 1 : 0) > 0)
  expect(await workers.run({ kind: 'double', value: 2 })).toMatchObject({ value: 4 })
})

test('what was aborted before never runs', async () => {
  const workers = start(1)
  await expect(workers.run({ kind: 'die' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'canceled',
  })
  expect(await workers.run({ kind: 'double', value: 2 })).toMatchObject({ value: 4 })
})

test.each(['die', 'crash'] as const)(
  'a worker that dies (%s) fails its own jobs alone, and is replaced',
  async (kind) => {
    const workers = start(2)
    const seen = new SharedArrayBuffer(8)
    const abort = new AbortController()
    const other = workers.run({ kind: 'wait', seen }, { signal: abort.signal })
    await expect(workers.run({ kind })).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('the doubler died'),
    })
    expect(workers.load).toBe(1)
    abort.abort()
    await expect(other).rejects.toMatchObject({ code: 'canceled' })
    await until(() =>
      workers.runOnAll({ kind: 'double', value: 1 }).then(
        (answers) => answers.length === 2,
        () => false,
      ),
    )
  },
)

test('no worker is up: unavailable, until one is', async () => {
  const workers = start(1)
  await expect(workers.run({ kind: 'die' })).rejects.toMatchObject({ code: 'internal' })
  await expect(workers.run({ kind: 'double', value: 1 })).rejects.toMatchObject({ code: 'unavailable' })
  await until(() =>
    workers.run({ kind: 'double', value: 1 }).then(
      () => true,
      () => false,
    ),
  )
})

test('buffers move both ways', async () => {
  const workers = start(1)
  const bytes = new ArrayBuffer(1000)
  const answer = await workers.run({ kind: 'move', bytes }, { transfer: [bytes] })
  expect(bytes.byteLength).toBe(0)
  expect(answer.bytes?.byteLength).toBe(1000)
})

test('a request that cannot be cloned is internal, and leaves nothing behind', async () => {
  const workers = start(1)
  const order = { kind: 'double', value: () => 1 } as unknown as Order
  await expect(workers.run(order)).rejects.toMatchObject({ code: 'internal' })
  expect(workers.load).toBe(0)
})

test('closing rejects what runs', async () => {
  const workers = start(1)
  const run = workers.run({ kind: 'wait', seen: new SharedArrayBuffer(8) })
  await Promise.all([expect(run).rejects.toMatchObject({ code: 'canceled' }), workers.close()])
  await expect(workers.run({ kind: 'double', value: 1 })).rejects.toMatchObject({ code: 'unavailable' })
})

describe('a stream', () => {
  const order = (to: number, fails = false) => ({ kind: 'count', to, seen: new SharedArrayBuffer(8), fails }) as const

  test('comes part by part, each moved, and ends', async () => {
    const workers = start(1)
    const parts = await Array.fromAsync(workers.stream(order(20)))
    expect(parts.map(({ value, bytes }) => [value, new Uint8Array(bytes!)[0]])).toEqual(
      Array.from({ length: 20 }, (_, i) => [i, i]),
    )
    expect(workers.load).toBe(0)
  })

  test('is no further ahead than a few parts, and is canceled where its reader leaves', async () => {
    const workers = start(1)
    const { seen } = order(0)
    const cells = new Int32Array(seen)
    const parts = workers.stream({ kind: 'count', to: 1000, seen })
    expect((await parts.next()).value?.value).toBe(0)
    // Another answer of the same worker comes behind what it has sent.
    await workers.run({ kind: 'double', value: 1 })
    expect(Atomics.load(cells, 0)).toBeLessThan(10)
    await parts.return(undefined)
    await until(() => Atomics.load(cells, 1) === 2)
    expect(workers.load).toBe(0)
  })

  test('that fails gives its parts, then the error', async () => {
    const workers = start(1)
    const got: number[] = []
    const read = async () => {
      for await (const { value } of workers.stream(order(3, true))) got.push(value)
    }
    await expect(read()).rejects.toMatchObject({ code: 'corrupt', message: 'cannot count on' })
    expect(got).toEqual([0, 1, 2])
  })

  test('ends with the cancel of its reader, and with the worker', async () => {
    const workers = start(1)
    const abort = new AbortController()
    const canceled = workers.stream(order(1000), { signal: abort.signal })
    await canceled.next()
    abort.abort(new MnemoError('canceled', 'enough'))
    await expect(Array.fromAsync(canceled)).rejects.toMatchObject({ code: 'canceled' })
    const cut = workers.stream(order(1000))
    await cut.next()
    await expect(workers.run({ kind: 'die' })).rejects.toMatchObject({ code: 'internal' })
    await expect(Array.fromAsync(cut)).rejects.toMatchObject({ code: 'internal' })
    const refused = workers.stream(order(1), { signal: abort.signal })
    await expect(Array.fromAsync(refused)).rejects.toThrow()
  })
})

test('notices reach every worker in order, one that starts later first what it is greeted with; events come back', async () => {
  const events: unknown[] = []
  pool = new WorkerPool<Order, Answer>(new URL('./double.worker.ts', import.meta.url), {
    size: 2,
    greeting: () => ['hello', 'you'],
    onEvent: (event) => events.push(event),
  })
  pool.tell(1)
  pool.tell(2)
  const heard = await pool.runOnAll({ kind: 'notices' })
  expect(heard.map(({ data }) => data)).toEqual([
    ['hello', 'you', 1, 2],
    ['hello', 'you', 1, 2],
  ])
  expect(events).toEqual([{ asked: 4 }, { asked: 4 }])
  await expect(pool.run({ kind: 'die' })).rejects.toThrow()
  const workers = pool
  await until(async () => (await workers.runOnEach({ kind: 'notices' })).every(({ status }) => status === 'fulfilled'))
  const again = await workers.runOnAll({ kind: 'notices' })
  expect(again.map(({ value }) => value).sort()).toEqual([2, 4])
})

test('each worker has a port of its own, one that replaces another a new one, beside what it is given', async () => {
  const heard: string[] = []
  let closed = 0
  let ports = 0
  pool = new WorkerPool<Order, Answer>(new URL('./double.worker.ts', import.meta.url), {
    size: 2,
    workerData: { greeting: 'hello' },
    onPort: (port) => {
      const number = ++ports
      port.on('message', (message) => heard.push(`${message}, port ${number}`))
      port.on('close', () => closed++)
    },
  })
  const workers = pool
  await workers.runOnAll({ kind: 'port' })
  await until(() => heard.length === 2)
  expect(heard.toSorted()).toEqual(['from a worker, port 1', 'from a worker, port 2'])
  await expect(workers.run({ kind: 'die' })).rejects.toThrow()
  await until(async () => (await workers.runOnEach({ kind: 'port' })).every(({ status }) => status === 'fulfilled'))
  await until(() => heard.includes('from a worker, port 3'))
  expect({ ports, closed }).toEqual({ ports: 3, closed: 1 })
})
