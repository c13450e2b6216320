// What a store says of itself, as a table.
// Subject: lib/store/store-info.ts. Owns nothing.
import { expect, test } from 'vitest'
import { storeInfo } from '../../../lib/store/store-info.ts'
import { noBoundMs } from '../../../lib/storeapi/types.ts'

const wide = { minTime: -noBoundMs, maxTime: noBoundMs }

function block(replica: string, minTime: number, maxTime: number) {
  return { externalLabels: ['replica', replica], minTime, maxTime }
}

test('label sets in order, spans that touch joined, per label set', () => {
  const blocks = [block('b', 20, 30), block('a', 10, 20), block('a', 0, 10), block('a', 40, 50), block('a', 2, 5)]
  expect(storeInfo(blocks, wide, true)).toEqual({
    componentType: 'store',
    labelSets: [['replica', 'a'], ['replica', 'b']], // biome-ignore format: pairs
    store: {
      minTime: 0,
      maxTime: 50,
      supportsSharding: true,
      supportsWithoutReplicaLabels: true,
      tsdbInfos: [
        { labels: ['replica', 'a'], minTime: 0, maxTime: 20 },
        { labels: ['replica', 'a'], minTime: 40, maxTime: 50 },
        { labels: ['replica', 'b'], minTime: 20, maxTime: 30 },
      ],
    },
  })
})

test('--min-time and --max-time bound what is offered', () => {
  const { store } = storeInfo([block('a', 0, 100)], { minTime: 20, maxTime: 60 }, true)
  expect(store).toMatchObject({ minTime: 20, maxTime: 60 })
})

test('a store without blocks covers no time', () => {
  const { store } = storeInfo([], wide, true)
  expect(store).toMatchObject({ minTime: noBoundMs, maxTime: -noBoundMs, tsdbInfos: [] })
})

test('before the first sync no store is offered', () => {
  expect(storeInfo([block('a', 0, 100)], wide, false).store).toBeUndefined()
})
