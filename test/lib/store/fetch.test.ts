// Tasks side by side of which one fails.
// Subject: lib/store/fetch.ts. Owns nothing.
import { expect, test } from 'vitest'
import { allOrAbort } from '../../../lib/store/fetch.ts'

const signal = new AbortController().signal

test('tasks side by side: the first failure aborts the rest, and nothing goes on behind it', async () => {
  let ended = 0
  const wait = async (signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    ended++
    throw signal.reason
  }
  const fail = async () => {
    throw new Error('first')
  }
  await expect(allOrAbort(signal, [wait, fail, wait])).rejects.toThrow('first')
  expect(ended).toBe(2)
  expect(await allOrAbort(signal, [async () => 1, async () => 2])).toEqual([1, 2])
  expect(await allOrAbort(signal, [])).toEqual([])
})
