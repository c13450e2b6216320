// Bounded work: never more at once than the limit, and what a failure stops.
import { expect, test } from 'vitest'
import { forEachBounded } from '../../../lib/kit/bounded.ts'

const tick = () => new Promise((resolve) => setTimeout(resolve, 1))

test('all items, at most the limit at once', async () => {
  let running = 0
  let most = 0
  const done: number[] = []
  await forEachBounded([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++running)
    await tick()
    running--
    done.push(item)
  })
  expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(most).toBe(3)
})

test('a failure is thrown once what runs has ended, and nothing more begins', async () => {
  const begun: number[] = []
  let ended = 0
  const work = async (item: number) => {
    begun.push(item)
    await tick()
    ended++
    if (item === 2) throw new Error('two')
  }
  await expect(forEachBounded([1, 2, 3, 4, 5, 6], 2, work)).rejects.toThrow('two')
  expect(ended).toBe(begun.length)
  expect(begun.length).toBeLessThan(6)
})
