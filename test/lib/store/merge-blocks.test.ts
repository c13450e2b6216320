// A block whose series come in no order: it fails alone, and what the others have is there, in order and before or after it.
// Subject: lib/store/merge-blocks.ts. Owns no state.
import { expect, test } from 'vitest'
import { formatLabels, labelsOf } from '../../../lib/labels/labels.ts'
import { mergeBlocks } from '../../../lib/store/merge-blocks.ts'
import { prefetch } from '../../../lib/store/prefetch.ts'
import type { StoreSeries } from '../../../lib/storeapi/types.ts'

const batchesOf = (batches: readonly string[][]) =>
  prefetch(
    (async function* (): AsyncGenerator<StoreSeries[], void> {
      for (const batch of batches) yield batch.map((a) => ({ labels: labelsOf({ a }), chunks: [] }))
    })(),
  )

async function merged(blocks: Readonly<Record<string, readonly string[][]>>) {
  const streams = Object.entries(blocks).map(([ulid, batches]) => ({
    ulid,
    origin: undefined,
    batches: batchesOf(batches),
  }))
  const failures: string[] = []
  const series: string[] = []
  const onFailure = (ulid: string, error: unknown) => failures.push(`${ulid}: ${(error as Error).message}`)
  for await (const batch of mergeBlocks(streams, { onFailure, abort: () => {} }))
    series.push(...batch.map(({ labels }) => formatLabels(labels)))
  return { series, failures }
}

const names = (text: string) => [...text].map((a) => `{a="${a}"}`)

test('blocks in order are one stream', async () => {
  expect(await merged({ x: [['a', 'c'], ['d']], y: [['a'], ['b', 'e']] })).toEqual({
    series: names('abcde'),
    failures: [],
  })
})

test.each([
  ['within a batch', [['a', 'c', 'b', 'z']]],
  [
    'from batch to batch',
    [
      ['a', 'c'],
      ['b', 'z'],
    ],
  ],
])('a series that comes too late fails its block: %s', async (_, batches) => {
  const failure = 'got series {a="b"} after {a="c"}, want series in ascending order of labels'
  expect(await merged({ bad: batches, good: [['a', 'b', 'c', 'd']] })).toEqual({
    series: names('abcd'),
    failures: [`bad: ${failure}`],
  })
  expect(await merged({ bad: batches })).toEqual({ series: names('ac'), failures: [`bad: ${failure}`] })
})
