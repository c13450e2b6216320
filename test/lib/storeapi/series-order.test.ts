// Series put into the order of the labels that are answered: against a plain sort, and how little is held back.
// Subject: lib/storeapi/series-order.ts. Owns nothing.
import { expect, test } from 'vitest'
import { compareLabels, type Labels, labelsOf, overlayLabels, withoutLabels } from '../../../lib/labels/labels.ts'
import { SeriesOrder } from '../../../lib/storeapi/series-order.ts'
import { Random, seed } from '../../support/random.ts'

interface Item {
  readonly own: Labels
  readonly labels: Labels
}

function change(
  sets: readonly Labels[],
  added: Labels,
  removed: ReadonlySet<string>,
): { items: Item[]; order: SeriesOrder<Item> } {
  const names = new Set(sets.flatMap((labels) => labels.filter((_, i) => i % 2 === 0)))
  const changed = new Set([...removed, ...added.filter((_, i) => i % 2 === 0)])
  const items = sets.map((own) => ({ own, labels: overlayLabels(withoutLabels(own, removed), added) }))
  return {
    items,
    order: new SeriesOrder<Item>({
      added,
      innerNames: [...names.intersection(changed)],
      lastFirstName: sets.at(-1)![0],
    }),
  }
}

test(`any labels added, removed and overridden: sorted as a plain sort sorts, seed ${seed}`, () => {
  const random = new Random(seed)
  const name = () => 'abcdef'[random.u32() % 6]!
  const labels = (n: number) =>
    labelsOf(
      Array.from({ length: random.u32() % n }, () => [name(), '123'[random.u32() % 3]!] as const).filter(
        ([key], i, all) => all.findIndex(([other]) => other === key) === i,
      ),
    )
  for (let round = 0; round < 2000; round++) {
    const sets = Array.from({ length: 1 + (random.u32() % 25) }, () => labels(5)).sort(compareLabels)
    const unique = sets.filter((set, i) => i === 0 || compareLabels(set, sets[i - 1]!) !== 0)
    const removed = new Set(random.u32() % 2 ? [name()] : [])
    const { items, order } = change(unique, withoutLabels(labels(4), removed), removed)
    const out: Item[] = []
    for (const item of items) order.push(item, out)
    order.end(out)
    expect(out.length).toBe(items.length)
    for (let i = 1; i < out.length; i++)
      expect(compareLabels(out[i - 1]!.labels, out[i]!.labels)).toBeLessThanOrEqual(0)
  }
})

test('with external labels alone no more than a few series are held back', () => {
  const sets = Array.from({ length: 1000 }, (_, i) =>
    labelsOf({ __name__: 'up', instance: String(i).padStart(4, '0') }),
  )
  const { items, order } = change(sets, labelsOf({ cluster: 'x', replica: 'a' }), new Set())
  const out: Item[] = []
  for (const [i, item] of items.entries()) {
    order.push(item, out)
    expect(out.length).toBeGreaterThanOrEqual(i)
  }
})

test('with an inner label removed a metric is held back, not the ones before it', () => {
  const sets = ['a', 'b', 'c'].flatMap((metric) =>
    ['1', '2'].map((instance) => labelsOf({ __name__: metric, instance })),
  )
  const { items, order } = change(sets, labelsOf({ cluster: 'x' }), new Set(['instance']))
  const counts = items.map((item) => {
    const out: Item[] = []
    order.push(item, out)
    return out.length
  })
  expect(counts).toEqual([0, 0, 2, 0, 2, 0])
})
