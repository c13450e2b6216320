// A test's store lets go of what it has opened: tests that open thousands of them run out of descriptors otherwise.
// Subject: test-store.ts.
import { readdirSync, readlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MemoryBucket } from '../../lib/objstore/memory.ts'
import { twoHours } from './crash-scenarios.ts'
import { putMadeBlock } from './made-blocks.ts'
import { openStoreReader } from './store-reader.ts'

function openHeaders(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${name}`)
      return file.includes('index-header') ? [file] : []
    } catch {
      return [] // the folder's own
    }
  })
}

const isLinux = process.platform === 'linux'
if (!isLinux) console.log('left out: whether a test store closes its files (only Linux tells which are open)')

test.skipIf(!isLinux)('no index-header stays open behind close()', async () => {
  const bucket = new MemoryBucket()
  for (const hour of [0, 2]) await putMadeBlock(bucket, twoHours(hour))
  const before = openHeaders()
  const reader = await openStoreReader(bucket)
  expect(await reader.samples()).not.toHaveLength(0)
  expect(openHeaders().length).toBeGreaterThan(before.length)
  await reader.close()
  expect(openHeaders()).toEqual(before)
})
