// The disk budget: as many as fit, in order; one that is too large alone; an abort leaves the queue.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { diskBudget } from '../../../lib/compact/disk-budget.ts'
import type { Gate } from '../../../lib/kit/gate.ts'

const signal = new AbortController().signal

/** Starts pieces of work; `running` are those that have begun and not ended, `end` ends one. */
function pieces(budget: Gate) {
  const running = new Map<string, () => void>()
  const start = (name: string, bytes: number, own = signal) => {
    const done = budget.run(bytes, own, async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      running.set(name, resolve)
      await promise
      running.delete(name)
    })
    done.catch(() => {}) // told to whoever asks
    return done
  }
  return {
    start,
    async names() {
      await nextTurn()
      return [...running.keys()]
    },
    end: (name: string) => running.get(name)!(),
  }
}

test('those that fit run side by side, the next in their order', async () => {
  const { start, names, end } = pieces(diskBudget(100))
  start('a', 60)
  start('b', 40)
  start('c', 50)
  start('d', 10)
  expect(await names()).toEqual(['a', 'b'])
  end('b')
  // c does not fit yet, and d does not overtake it.
  expect(await names()).toEqual(['a'])
  end('a')
  expect(await names()).toEqual(['c', 'd'])
})

test('one that is too large is done alone; without a limit all are done at once', async () => {
  const { start, names, end } = pieces(diskBudget(100))
  start('a', 60)
  start('large', 500)
  start('b', 10)
  expect(await names()).toEqual(['a'])
  end('a')
  expect(await names()).toEqual(['large'])
  end('large')
  expect(await names()).toEqual(['b'])
  const unlimited = pieces(diskBudget(0))
  unlimited.start('a', 1e15)
  unlimited.start('b', 1e15)
  expect(await unlimited.names()).toEqual(['a', 'b'])
})

test('an abort ends the waiting, and nobody waits for it', async () => {
  const { start, names, end } = pieces(diskBudget(100))
  const abort = new AbortController()
  start('a', 100)
  const waiting = start('b', 100, abort.signal)
  start('c', 100)
  await names()
  abort.abort(new Error('stop'))
  await expect(waiting).rejects.toThrow('stop')
  end('a')
  expect(await names()).toEqual(['c'])
})
