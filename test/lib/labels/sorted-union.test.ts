// The union of lists, against a set that is sorted.
import { expect, test } from 'vitest'
import { compareStrings } from '../../../lib/labels/labels.ts'
import { SortedUnion } from '../../../lib/labels/sorted-union.ts'
import { Random, seed } from '../../support/random.ts'

function union(lists: readonly (readonly string[])[], limit?: number): readonly string[] {
  const all = new SortedUnion(limit)
  for (const list of lists) all.add(list)
  return all.values()
}

test('nothing, one list, lists out of order and with duplicates', () => {
  expect(union([])).toEqual([])
  expect(union([[]])).toEqual([])
  expect(union([['a', 'b']])).toEqual(['a', 'b'])
  expect(union([['b', 'a', 'b'], ['c', 'a'], []])).toEqual(['a', 'b', 'c'])
  expect(union([['b', 'c'], ['a']], 2)).toEqual(['a', 'b'])
})

test('strings are in the order of their bytes, not of their UTF-16 units', () => {
  expect(union([['\u{1f600}'], ['\uffee'], ['z']])).toEqual(['z', '\uffee', '\u{1f600}'])
})

test(`random lists, SEED=${seed}`, () => {
  const random = new Random(seed)
  for (let i = 0; i < 300; i++) {
    const lists = Array.from({ length: random.below(9) }, () => {
      const list = Array.from({ length: random.below(20) }, () => `v${random.below(50)}`)
      return random.below(3) === 0 ? list : [...new Set(list)].sort(compareStrings)
    })
    const want = [...new Set(lists.flat())].sort(compareStrings)
    const limit = random.below(30)
    expect(union(lists)).toEqual(want)
    expect(union(lists, limit)).toEqual(limit === 0 ? want : want.slice(0, limit))
  }
})
