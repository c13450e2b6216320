// Merging Series streams: order, equal label sets, duplicates, failures, silence, backpressure.
import { stat } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { xxhash64 } from '../../../lib/kernels/xxhash.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { formatLabels } from '../../../lib/labels/labels.ts'
import { type MergeOptions, mergeSeries, type SeriesSource } from '../../../lib/storeapi/merge.ts'
import { chunk, type FakeStore, fakeStore, type Step, series } from '../../support/fake-store.ts'

function options(over: Partial<MergeOptions> = {}): MergeOptions & { warnings: string[] } {
  const warnings: string[] = []
  return {
    partialResponse: true,
    responseTimeoutMs: 0,
    onWarning: (warning) => warnings.push(warning),
    signal: new AbortController().signal,
    warnings,
    ...over,
  }
}

function source(store: string, api: FakeStore, removeLabels?: ReadonlySet<string>): SeriesSource {
  const open = (signal: AbortSignal) => api.series({ minTime: 0, maxTime: 0, matchers: [] }, signal)
  return { store, open, ...(removeLabels && { removeLabels }) }
}

function sources(...streams: (readonly Step[])[]): SeriesSource[] {
  return streams.map((steps, i) => source(`s${i}`, fakeStore(steps)))
}

async function merged(from: readonly SeriesSource[], how = options()): Promise<string[]> {
  const lines: string[] = []
  for await (const { labels, chunks } of mergeSeries(from, how)) {
    const texts = chunks.map(({ minTime, maxTime, raw }) => {
      return `${minTime}-${maxTime}:${new TextDecoder().decode(raw!.data)}`
    })
    lines.push([formatLabels(labels), ...texts].join(' '))
  }
  return lines
}

describe('order', () => {
  test('streams are merged by labels, equal ones become one series', async () => {
    const from = sources(
      [series({ a: '1' }, chunk(0, 9)), series({ a: '3' }, chunk(0, 9))],
      [series({ a: '2' }, chunk(0, 9)), series({ a: '3' }, chunk(10, 19))],
      [],
      [series({ a: '1' }, chunk(20, 29))],
    )
    expect(await merged(from)).toEqual(['{a="1"} 0-9:0 20-29:20', '{a="2"} 0-9:0', '{a="3"} 0-9:0 10-19:10'])
  })

  test('a series may span frames', async () => {
    const from = sources([series({ a: '1' }, chunk(0, 9)), series({ a: '1' }, chunk(10, 19)), series({ a: '2' })])
    expect(await merged(from)).toEqual(['{a="1"} 0-9:0 10-19:10', '{a="2"}'])
  })

  test('many streams of many series', async () => {
    const numbers = Array.from({ length: 2000 }, (_, i) => String((i * 7919) % 2000).padStart(4, '0'))
    const streams = Array.from({ length: 7 }, (_, k) =>
      numbers
        .filter((_, i) => i % 7 === k || i % 11 === k)
        .sort()
        .map((a) => series({ a })),
    )
    expect(await merged(sources(...streams))).toEqual(numbers.toSorted().map((a) => `{a="${a}"}`))
  })

  test('order is by bytes, beyond the BMP too', async () => {
    const from = sources([series({ a: '\uffee' })], [series({ a: '😀' })])
    expect(await merged(from)).toEqual(['{a="\uffee"}', '{a="😀"}'])
  })

  test('a store that goes back is named, and what came before counts', async () => {
    const how = options()
    const from = sources([series({ a: '2' }), series({ a: '1' })], [series({ a: '3' })])
    expect(await merged(from, how)).toEqual(['{a="2"}', '{a="3"}'])
    expect(how.warnings).toEqual([
      'store s0 failed: got {a="1"} after {a="2"}, want series in ascending order of labels',
    ])
  })
})

describe('chunks', () => {
  test('equal ones are kept once; order is by min time, max time, bytes descending', async () => {
    const from = sources(
      [series({ a: '1' }, chunk(0, 9, 'x'), chunk(10, 30, 'y'))],
      [series({ a: '1' }, chunk(0, 9, 'x'), chunk(0, 9, 'z'), chunk(10, 19, 'y'), chunk(10, 30, 'y'))],
    )
    expect(await merged(from)).toEqual(['{a="1"} 0-9:z 0-9:x 10-19:y 10-30:y'])
  })

  test('of aggregates, one unseen field keeps the chunk', async () => {
    const field = (text: string) => ({ type: 0, data: new TextEncoder().encode(text), hash: 0n })
    const at = { minTime: 0, maxTime: 9 }
    const all = [
      { ...at, count: field('c'), sum: field('s') },
      { ...at, count: field('c'), sum: field('t') },
      { ...at, count: field('c') },
    ]
    const result = []
    for await (const { chunks } of mergeSeries(sources([series({ a: '1' }, ...all)]), options())) result.push(...chunks)
    expect(result).toEqual([all[1], all[0]])
  })
})

describe('replica labels', () => {
  test('are taken off and the series sorted anew for a store that cannot', async () => {
    const remove = new Set(['replica'])
    const able = fakeStore([series({ z: '1' }, chunk(0, 9)), series({ z: '2' }, chunk(0, 9))])
    const unable = fakeStore([
      series({ replica: 'a', z: '2' }, chunk(10, 19)),
      series({ replica: 'b', z: '1' }, chunk(10, 19)),
    ])
    const from = [source('able', able), source('unable', unable, remove)]
    expect(await merged(from)).toEqual(['{z="1"} 0-9:0 10-19:10', '{z="2"} 0-9:0 10-19:10'])
  })

  test('what was buffered before a failure counts', async () => {
    const how = options()
    const store = fakeStore([series({ r: 'a', z: '1' }), new Error('boom')])
    expect(await merged([source('x', store, new Set(['r']))], how)).toEqual(['{z="1"}'])
    expect(how.warnings).toEqual(['store x failed: boom'])
  })
})

describe('failure', () => {
  const failing: Step[] = [series({ a: '1' }), new MnemoError('unavailable', 'connection lost')]

  test('with partial response: a warning, the rest goes on', async () => {
    const how = options()
    expect(await merged(sources(failing, [series({ a: '2' })]), how)).toEqual(['{a="1"}', '{a="2"}'])
    expect(how.warnings).toEqual(['store s0 failed: connection lost'])
  })

  test('without: an error by the store, its other streams ended', async () => {
    const other = fakeStore([series({ a: '2' }), 60_000])
    const from = [...sources(failing), source('other', other)]
    const outcome = merged(from, options({ partialResponse: false }))
    await expect(outcome).rejects.toMatchObject({
      code: 'unavailable',
      message: 'store s0 failed',
      cause: { message: 'connection lost' },
    })
    await expect.poll(() => other.open).toBe(0)
  })

  test("a store's own warning is passed on by its name, or is an error", async () => {
    const warning: Step = { kind: 'warning', warning: 'block X is corrupt' }
    const how = options()
    expect(await merged(sources([warning, series({ a: '1' })]), how)).toEqual(['{a="1"}'])
    expect(how.warnings).toEqual(['store s0: block X is corrupt'])
    const strict = merged(sources([warning]), options({ partialResponse: false }))
    await expect(strict).rejects.toMatchObject({ code: 'unavailable', cause: { message: 'block X is corrupt' } })
  })

  test('a silent store is left behind after the response timeout', async () => {
    const how = options({ responseTimeoutMs: 30 })
    const silent = fakeStore([series({ a: '1' }), 60_000, series({ a: '2' })])
    expect(await merged([source('silent', silent), ...sources([series({ a: '3' })])], how)).toEqual([
      '{a="1"}',
      '{a="3"}',
    ])
    expect(how.warnings).toEqual(['store silent failed: got nothing for 30 ms, want a series or the end'])
    await expect.poll(() => silent.open).toBe(0)
  })

  test('what counts is the silence between responses, not the time in all, also where a store is sorted anew', async () => {
    const slow = Array.from({ length: 8 }, (_, i) => [25, series({ a: String(i) })]).flat()
    for (const remove of [undefined, new Set(['r'])]) {
      const how = options({ responseTimeoutMs: 150 })
      expect(await merged([source('slow', fakeStore(slow), remove)], how)).toHaveLength(8)
      expect(how.warnings).toEqual([])
    }
    const how = options({ responseTimeoutMs: 30 })
    const silent = fakeStore([series({ a: '1' }), 60_000])
    expect(await merged([source('silent', silent, new Set(['r']))], how)).toEqual(['{a="1"}'])
    expect(how.warnings).toEqual(['store silent failed: got nothing for 30 ms, want a series or the end'])
    await expect.poll(() => silent.open).toBe(0)
  })

  test('several silent stores are waited for at once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    for (const first of [[], [series({ a: '1' })]]) {
      const how = options({ responseTimeoutMs: 30 })
      const silent = Array.from({ length: 5 }, () => [...first, 60_000])
      const outcome = merged(sources(...silent, [series({ a: '2' })]), how)
      // In the first one all are asked for what comes after what they have, in the second the clocks start.
      for (let turn = 0; turn < 2; turn++) await nextTurn()
      vi.advanceTimersByTime(30)
      expect(await outcome).toEqual(first.length > 0 ? ['{a="1"}', '{a="2"}'] : ['{a="2"}'])
      expect(how.warnings).toHaveLength(5)
    }
  })

  test.each([
    ['was asked before', 0],
    ['is asked after', 1],
  ])('a store is not silent while this thread is busy: it %s', async (_, turns) => {
    const store = fakeStore([])
    store.series = async function* () {
      for (let i = 0; i < turns; i++) await nextTurn()
      await stat('.')
      yield series({ a: '1' })
    }
    const how = options({ responseTimeoutMs: 20 })
    // Timers are looked at before what has come, in the turn that follows.
    await nextTurn()
    const outcome = merged([source('s', store)], how)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    expect(await outcome).toEqual(['{a="1"}'])
    expect(how.warnings).toEqual([])
  })

  test('a chunk of other bytes than its sender hashed is named', async () => {
    const sent = chunk(0, 9)
    const data = new TextEncoder().encode('bytes')
    const hashed = (hash: bigint): Step => series({ a: '1' }, { ...sent, raw: { type: 0, data, hash } })
    expect(await merged(sources([hashed(xxhash64(data))]))).toEqual(['{a="1"} 0-9:bytes'])
    const how = options()
    expect(await merged(sources([hashed(1n)], [series({ a: '2' })]), how)).toEqual(['{a="2"}'])
    expect(how.warnings).toEqual([
      expect.stringMatching(
        /^store s0 failed: cannot use chunk from 0 to 9 of \{a="1"\}: got bytes of hash \d+, want 1$/,
      ),
    ])
  })
})

describe('backpressure', () => {
  test('a stream is at most two responses ahead of its reader', async () => {
    const store = fakeStore(Array.from({ length: 100 }, (_, i) => series({ a: String(100 + i) })))
    const iterator = mergeSeries([source('s', store)], options())
    for (let i = 1; i <= 10; i++) {
      await iterator.next()
      await new Promise((resolve) => setImmediate(resolve))
      expect(store.taken).toBeLessThanOrEqual(i + 2)
    }
    await iterator.return(undefined)
    await expect.poll(() => store.open).toBe(0)
  })

  test('the signal ends the merge and every stream, without a warning', async () => {
    const abort = new AbortController()
    const stores = [fakeStore([series({ a: '1' }), 60_000]), fakeStore([60_000])]
    const how = options({ signal: abort.signal })
    const outcome = merged(
      stores.map((store, i) => source(`s${i}`, store)),
      how,
    )
    setTimeout(() => abort.abort(new MnemoError('timeout', 'too slow')), 10)
    await expect(outcome).rejects.toMatchObject({ code: 'timeout' })
    await expect.poll(() => stores.map(({ open }) => open)).toEqual([0, 0])
    expect(how.warnings).toEqual([])
  })
})
