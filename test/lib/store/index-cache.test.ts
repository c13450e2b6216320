// The index cache: what is used stays, what is not goes, within its bound.
// Subject: lib/store/index-cache.ts. Owns nothing.
import { expect, test } from 'vitest'
import { IndexCache } from '../../../lib/store/index-cache.ts'

const page = () => new Uint8Array(744)

test('the page that was not used for longest goes first', () => {
  const cache = new IndexCache(2000)
  cache.keep('a', 0, page())
  cache.keep('a', 1, page())
  expect(cache.borrow('a', 0)?.length).toBe(744)
  cache.keep('b', 0, page())
  expect(cache.borrow('a', 1)).toBeUndefined()
  expect(cache.borrow('a', 0)).toBeDefined()
  expect(cache.borrow('b', 0)).toBeDefined()
  expect([cache.pages, cache.bytes]).toEqual([2, 2000])
  expect([cache.hits, cache.misses]).toEqual([3, 1])
})

test('the same page twice counts once', () => {
  const cache = new IndexCache(2000)
  cache.keep('a', 0, page())
  cache.keep('a', 0, page())
  expect([cache.pages, cache.bytes]).toEqual([1, 1000])
})

test('a cache of no size keeps nothing', () => {
  const cache = new IndexCache(0)
  cache.keep('a', 0, page())
  expect(cache.borrow('a', 0)).toBeUndefined()
})

test('a page that is dropped is gone, and another one is kept in its place', () => {
  const cache = new IndexCache(2000)
  cache.keep('a', 0, page())
  cache.drop('a', 0)
  cache.drop('a', 1)
  expect(cache.borrow('a', 0)).toBeUndefined()
  expect([cache.pages, cache.bytes]).toEqual([0, 0])
  const right = page()
  cache.keep('a', 0, right)
  expect(cache.borrow('a', 0)).toBe(right)
})
