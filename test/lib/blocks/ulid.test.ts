// Which names are blocks, and the time they carry.
import { expect, test } from 'vitest'
import { isUlid, newUlid, ulidTimeMs } from '../../../lib/blocks/ulid.ts'

test('a new one is valid and has its time', () => {
  const id = newUlid(1_700_000_000_123)
  expect(isUlid(id)).toBe(true)
  expect(ulidTimeMs(id)).toBe(1_700_000_000_123)
  expect(newUlid(1_700_000_000_123)).not.toBe(id)
})

test.each([
  ['01M81VCRDH86F0WF0CFPEZ0BKC', true],
  ['7ZZZZZZZZZZZZZZZZZZZZZZZZZ', true],
  ['8ZZZZZZZZZZZZZZZZZZZZZZZZZ', false],
  ['01m81vcrdh86f0wf0cfpez0bkc', false],
  ['01M81VCRDH86F0WF0CFPEZ0BK', false],
  ['01M81VCRDH86F0WF0CFPEZ0BKU', false],
  ['', false],
  ['debug', false],
])('%s: %s', (text, want) => {
  expect(isUlid(text)).toBe(want)
})
