// Which names are blocks, and the time they carry.
import { expect, test } from 'vitest'
import { isUlid } from '../../../lib/blocks/block-name.ts'
import { newUlid, ulidBelow, ulidTimeMs } from '../../../lib/blocks/ulid.ts'

test('a new one is valid and has its time', () => {
  const id = newUlid(1_700_000_000_123)
  expect(isUlid(id)).toBe(true)
  expect(ulidTimeMs(id)).toBe(1_700_000_000_123)
  expect(newUlid(1_700_000_000_123)).not.toBe(id)
})

test('one below another is lower, again and again, also where there is no time left', () => {
  for (let id = newUlid(3), n = 0; n < 40; n++) {
    const lower = ulidBelow(id)
    expect(isUlid(lower)).toBe(true)
    expect(lower < id, `${lower} < ${id}`).toBe(true)
    id = lower
  }
  expect(ulidBelow(`${'0'.repeat(23)}100`)).toBe(`${'0'.repeat(24)}ZZ`)
  expect(() => ulidBelow('0'.repeat(26))).toThrow('it is the lowest')
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
