// What the threads that answer are told of blocks: each once, in order, and those that are added together as one notice.
// Subject: lib/store/block-notices.ts.
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BlockNotices } from '../../../lib/store/block-notices.ts'
import type { LoadedBlock } from '../../../lib/store/store-block.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'

/** Only its name matters here. */
function block(number: number): LoadedBlock {
  const header = { share: () => ({}) } as unknown as LoadedBlock['header']
  return { meta: metaOf({ ulid: ulidOf(number) }), header, tombstones: new Map() }
}

/** Notices in short: +block, -block, missing. */
function listen() {
  const told: string[] = []
  const short = (notice: Parameters<ConstructorParameters<typeof BlockNotices>[0]>[0]): string => {
    if (notice.kind === 'added') return notice.blocks.map(({ meta }) => `+${Number(meta.ulid)}`).join('')
    return notice.kind === 'removed' ? `-${Number(notice.ulid)}` : notice.kind
  }
  const notices = new BlockNotices((notice) => told.push(short(notice)))
  return { told, notices, greeting: () => notices.greeting().map(short) }
}

test('blocks of one turn are told together', async () => {
  const { told, notices } = listen()
  for (const number of [1, 2]) notices.added(block(number))
  expect(told).toEqual([])
  await setImmediate()
  notices.added(block(3))
  await setImmediate()
  expect(told).toEqual(['+1+2', '+3'])
})

test('what comes after a block is told after it', async () => {
  const { told, notices } = listen()
  notices.added(block(1))
  notices.removed(ulidOf(1))
  notices.added(block(2))
  notices.missing([])
  expect(told).toEqual(['+1', '-1', '+2', 'missing'])
  await setImmediate()
  expect(told).toHaveLength(4)
})

test('a thread that starts is told of each block once', async () => {
  const { told, notices, greeting } = listen()
  notices.added(block(1))
  notices.added(block(2))
  await setImmediate()
  notices.removed(ulidOf(1))
  notices.added(block(3))
  told.length = 0
  expect(greeting()).toEqual(['+2', 'missing'])
  await setImmediate()
  expect(told).toEqual(['+3'])
})
